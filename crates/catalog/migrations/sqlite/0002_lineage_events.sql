-- Events of other tools about what their jobs read and write, as they came. Each once, whatever it was sent as: the digest
-- is that of its canonical text. `number` is the order of arrival.
CREATE TABLE lineage_event (
    number   INTEGER NOT NULL PRIMARY KEY,
    digest   TEXT    NOT NULL UNIQUE CHECK (length(digest) = 64),
    received INTEGER NOT NULL,
    body     TEXT    NOT NULL
) STRICT;
