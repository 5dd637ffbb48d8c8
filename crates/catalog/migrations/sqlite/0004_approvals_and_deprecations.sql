-- Who found a version fit for an environment. It is about the content that the digest names, for good: going back to that
-- content later needs nobody again. One person counts once.
CREATE TABLE approval (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    digest      TEXT    NOT NULL CHECK (length(digest) = 64),
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    approved    INTEGER NOT NULL,
    run         TEXT    NOT NULL REFERENCES run (id),
    PRIMARY KEY (project, name, version, environment, who),
    FOREIGN KEY (project, name, version) REFERENCES definition (project, name, version)
) STRICT;

-- Versions that are not to be used any more. A remark beside the definition: it makes no version, and can be taken back.
CREATE TABLE deprecation (
    project    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    why        TEXT    NOT NULL,
    successor  TEXT, -- a reference, as people write it
    who        TEXT,
    deprecated INTEGER NOT NULL,
    run        TEXT    NOT NULL REFERENCES run (id),
    PRIMARY KEY (project, name, version),
    FOREIGN KEY (project, name, version) REFERENCES definition (project, name, version)
) STRICT;
