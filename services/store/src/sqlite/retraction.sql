-- What was retracted: nothing that is not later is written there any more.
CREATE TABLE retraction (
    series          INTEGER NOT NULL,
    time            INTEGER NOT NULL,  -- ms since 1970
    write_timestamp INTEGER NOT NULL,
    PRIMARY KEY (series, time)
) STRICT, WITHOUT ROWID;
