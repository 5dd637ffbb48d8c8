-- The catalog of one store, with what the SQLite layout of the same number has. Text is ordered byte by byte, as it is there. Moments are microseconds since the Unix epoch, UTC; digests are 64 hex
-- digits; a body is the JSON of the word of the model that the table is about, and the columns beside
-- it repeat what is searched for.

-- A name has one kind for ever, across all its versions.
CREATE TABLE name (
    project       TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    kind          TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, name)
);

-- One row is one version. Only remarks inside the body may change, never what the digest covers.
CREATE TABLE definition (
    project       TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    version       BIGINT NOT NULL CHECK (version > 0),
    digest        TEXT COLLATE "C" NOT NULL CHECK (length(digest) = 64),
    created       BIGINT NOT NULL,
    body          TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, name, version),
    UNIQUE (project, name, digest),
    FOREIGN KEY (project, name) REFERENCES name (project, name)
);

-- What a version reads. Checked at commit, so that one apply may bring a view and its dataset in any order.
CREATE TABLE input (
    project       TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    version       BIGINT NOT NULL,
    written       TEXT COLLATE "C" NOT NULL,
    input_project TEXT COLLATE "C" NOT NULL,
    input_name    TEXT COLLATE "C" NOT NULL,
    input_version BIGINT NOT NULL,
    PRIMARY KEY (project, name, version, written),
    FOREIGN KEY (project, name, version)
        REFERENCES definition (project, name, version) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (input_project, input_name, input_version)
        REFERENCES definition (project, name, version) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX input_by_what_is_read ON input (input_project, input_name, input_version);

CREATE TABLE run (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project       TEXT COLLATE "C" NOT NULL,
    verb          TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,
    started       BIGINT NOT NULL,
    body          TEXT COLLATE "C" NOT NULL
);
CREATE INDEX run_newest_first ON run (project, started DESC, id DESC);
CREATE INDEX run_unfinished ON run (project) WHERE state = 'running';

-- Finds the items inside the bodies of runs: `position` counts from 0 in inputs or outputs, `key` is the
-- item's identity inside its project.
CREATE TABLE run_item (
    run           TEXT COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    role          TEXT COLLATE "C" NOT NULL CHECK (role IN ('input', 'output')),
    position      BIGINT NOT NULL,
    item          TEXT COLLATE "C" NOT NULL,
    project       TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C",
    version       BIGINT,
    number        BIGINT,
    key           TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run, role, position)
);
CREATE INDEX run_item_by_key ON run_item (project, key);
CREATE INDEX run_item_by_name ON run_item (project, name);
CREATE INDEX run_item_made ON run_item (project, item, name, version, number) WHERE role = 'output';

-- What each environment points at now, and how it came to.
CREATE TABLE pointer (
    project       TEXT COLLATE "C" NOT NULL,
    environment   TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    version       BIGINT NOT NULL,
    PRIMARY KEY (project, environment, name),
    FOREIGN KEY (project, name, version) REFERENCES definition (project, name, version)
);

CREATE TABLE pointer_move (
    project       TEXT COLLATE "C" NOT NULL,
    environment   TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    number        BIGINT NOT NULL, -- of the move, from 1: the order in which they happened, whatever clocks say
    from_version  BIGINT,
    to_version    BIGINT NOT NULL,
    moved         BIGINT NOT NULL,
    run           TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    who           TEXT COLLATE "C",
    why           TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, environment, name, number),
    FOREIGN KEY (project, name, to_version) REFERENCES definition (project, name, version)
);
