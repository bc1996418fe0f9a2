import csv
import gzip
import io
import json
import math
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


def finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def is_there(line, column):
    try:
        return cell(line, column) != ""
    except IndexError:
        return False


readings, read, rejected, rejected_lines = {}, 0, 0, 0
for line in lines:
    there = [value for value in how["values"] if is_there(line, value[0])]
    wanted = there if len(how["values"]) > 1 else how["values"]
    try:
        sensor = how["fixed"] or cell(line, how["sensor"])
        time = milliseconds(cell(line, how["time"]))
        of_metric = [cell(line, how["metric"])] if how["metric"] else []
        values = {
            (sensor, *(of_metric or [metric]), time): finite(cell(line, column))
            for column, metric in wanted
        }
        read += len(values)
        readings |= values
    except (ValueError, IndexError):
        read += max(1, len(there))
        rejected += max(1, len(there))
        rejected_lines += 1
# As bits, so that nothing is lost on the way to the reader.
bits = struct.Struct("<d"), struct.Struct("<Q")
found = {
    "readings": [[*key, bits[1].unpack(bits[0].pack(value))[0]] for key, value in readings.items()],
    "read": read,
    "rejected": rejected,
    "rejected_lines": rejected_lines,
    "duplicated": read - rejected - len(readings),
}
json.dump(found, sys.stdout)
