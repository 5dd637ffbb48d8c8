-- The catalog of one store. Moments are microseconds since the Unix epoch, UTC; digests are 64 hex
-- digits; a body is the JSON of the word of the model that the table is about, and the columns beside
-- it repeat what is searched for.

-- "Asof" in ASCII: tells a catalog from any other SQLite file.
PRAGMA application_id = 1098084198;

-- A name has one kind for ever, across all its versions.
CREATE TABLE name (
    project TEXT NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    PRIMARY KEY (project, name)
) STRICT;

-- One row is one version. Only remarks inside the body may change, never what the digest covers.
CREATE TABLE definition (
    project TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    digest  TEXT    NOT NULL CHECK (length(digest) = 64),
    created INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    PRIMARY KEY (project, name, version),
    UNIQUE (project, name, digest),
    FOREIGN KEY (project, name) REFERENCES name (project, name)
) STRICT;

-- What a version reads. Checked at commit, so that one apply may bring a view and its dataset in any order.
CREATE TABLE input (
    project       TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    written       TEXT    NOT NULL,
    input_project TEXT    NOT NULL,
    input_name    TEXT    NOT NULL,
    input_version INTEGER NOT NULL,
    PRIMARY KEY (project, name, version, written),
    FOREIGN KEY (project, name, version)
        REFERENCES definition (project, name, version) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (input_project, input_name, input_version)
        REFERENCES definition (project, name, version) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX input_by_what_is_read ON input (input_project, input_name, input_version);

CREATE TABLE run (
    id       TEXT    NOT NULL PRIMARY KEY,
    project  TEXT    NOT NULL,
    verb     TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    started  INTEGER NOT NULL,
    body     TEXT    NOT NULL
) STRICT;
CREATE INDEX run_newest_first ON run (project, started DESC, id DESC);
CREATE INDEX run_unfinished ON run (project) WHERE state = 'running';

-- Finds the items inside the bodies of runs: `position` counts from 0 in inputs or outputs, `key` is the
-- item's identity inside its project.
CREATE TABLE run_item (
    run      TEXT    NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    role     TEXT    NOT NULL CHECK (role IN ('input', 'output')),
    position INTEGER NOT NULL,
    item     TEXT    NOT NULL,
    project  TEXT    NOT NULL,
    name     TEXT,
    version  INTEGER,
    number   INTEGER,
    key      TEXT    NOT NULL,
    PRIMARY KEY (run, role, position)
) STRICT;
CREATE INDEX run_item_by_key ON run_item (project, key);
CREATE INDEX run_item_by_name ON run_item (project, name);
CREATE INDEX run_item_made ON run_item (project, item, name, version, number) WHERE role = 'output';

-- What each environment points at now, and how it came to.
CREATE TABLE pointer (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    PRIMARY KEY (project, environment, name),
    FOREIGN KEY (project, name, version) REFERENCES definition (project, name, version)
) STRICT;

CREATE TABLE pointer_move (
    project      TEXT    NOT NULL,
    environment  TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    number       INTEGER NOT NULL, -- of the move, from 1: the order in which they happened, whatever clocks say
    from_version INTEGER,
    to_version   INTEGER NOT NULL,
    moved        INTEGER NOT NULL,
    run          TEXT    NOT NULL REFERENCES run (id),
    who          TEXT,
    why          TEXT    NOT NULL,
    PRIMARY KEY (project, environment, name, number),
    FOREIGN KEY (project, name, to_version) REFERENCES definition (project, name, version)
) STRICT;
