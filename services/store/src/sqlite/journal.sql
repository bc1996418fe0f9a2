-- The outcome of the step for each (file, replay).
CREATE TABLE outcome (
    file      BLOB    NOT NULL,  -- 16 bytes
    replay    INTEGER NOT NULL,
    event     TEXT    NOT NULL,  -- as it is published
    settled   INTEGER NOT NULL,  -- the event's time, µs since 1970
    published INTEGER,           -- its sequence in FILES
    marked    INTEGER,           -- when that was written, µs since 1970
    PRIMARY KEY (file, replay)
) STRICT;

-- Small: an outcome leaves it with its mark.
CREATE INDEX unpublished ON outcome (settled, file, replay) WHERE published IS NULL;
CREATE INDEX forgettable ON outcome (marked) WHERE marked IS NOT NULL;

CREATE TABLE register (
    kind     TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    value    BLOB    NOT NULL,
    revision INTEGER NOT NULL,
    written  INTEGER NOT NULL,   -- µs since 1970
    due      INTEGER,            -- when somebody has to look at it again, µs since 1970
    PRIMARY KEY (kind, name)
) STRICT;

CREATE INDEX oldest ON register (written);

-- Small: what has ended leaves it.
CREATE INDEX due ON register (kind, due, name) WHERE due IS NOT NULL;
