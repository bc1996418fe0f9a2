import csv
import gzip
import io
import json
import struct
import sys
from datetime import datetime, timezone

how = json.loads(sys.argv[1])
content = sys.stdin.buffer.read()
if content[:2] == b"\x1f\x8b":
    content = gzip.decompress(content)
lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=how["delimiter"])
lines = [line for line in lines if line]
names = lines.pop(0) if how["header"] and lines else []


def cell(line, column):
    return line[names.index(column) if isinstance(column, str) else column]


def milliseconds(text):
    try:
        return int(text) * 1000  # Unix seconds
    except ValueError:
        pass
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=timezone.utc)
    since = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


readings = {}
for line in lines:
    for column, metric in how["values"]:
        try:
            value = cell(line, column)
            if value == "" and len(how["values"]) > 1:
                continue
            sensor = how["fixed"] or cell(line, how["sensor"])
            readings[sensor, metric, milliseconds(cell(line, how["time"]))] = float(value)
        except (ValueError, IndexError):
            pass
# As bits, so that nothing is lost on the way to the reader.
bits = struct.Struct("<d"), struct.Struct("<Q")
json.dump([[*key, bits[1].unpack(bits[0].pack(value))[0]] for key, value in readings.items()], sys.stdout)
