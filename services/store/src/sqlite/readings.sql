-- A sensor's metric: readings name it by number.
CREATE TABLE series (
    id     INTEGER PRIMARY KEY,
    sensor TEXT NOT NULL,
    metric TEXT NOT NULL,
    UNIQUE (sensor, metric)
) STRICT;

CREATE TABLE reading (
    series          INTEGER NOT NULL,
    time            INTEGER NOT NULL,  -- ms since 1970
    value           ANY     NOT NULL,  -- a float; a column of type REAL would lose the sign of -0.0
    file            BLOB    NOT NULL,  -- 16 bytes
    write_timestamp INTEGER NOT NULL,
    PRIMARY KEY (series, time)
) STRICT, WITHOUT ROWID;

-- For people with the sqlite3 command.
CREATE VIEW readings (sensor, metric, time, value, file) AS
SELECT sensor, metric, strftime('%Y-%m-%dT%H:%M:%fZ', time / 1000.0, 'unixepoch'), value, lower(hex(file))
FROM reading JOIN series ON series.id = reading.series;
