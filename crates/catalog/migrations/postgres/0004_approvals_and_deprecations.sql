-- Who found a version fit for an environment. It is about the content that the digest names, for good: going back to that
-- content later needs nobody again. One person counts once.
CREATE TABLE approval (
    project     TEXT COLLATE "C" NOT NULL,
    environment TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    version     BIGINT NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL CHECK (length(digest) = 64),
    who         TEXT COLLATE "C" NOT NULL,
    why         TEXT COLLATE "C" NOT NULL,
    approved    BIGINT NOT NULL,
    run         TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    PRIMARY KEY (project, name, version, environment, who),
    FOREIGN KEY (project, name, version) REFERENCES definition (project, name, version)
);

-- Versions that are not to be used any more. A remark beside the definition: it makes no version, and can be taken back.
CREATE TABLE deprecation (
    project     TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    version     BIGINT NOT NULL,
    why         TEXT COLLATE "C" NOT NULL,
    successor   TEXT COLLATE "C", -- a reference, as people write it
    who         TEXT COLLATE "C",
    deprecated  BIGINT NOT NULL,
    run         TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    PRIMARY KEY (project, name, version),
    FOREIGN KEY (project, name, version) REFERENCES definition (project, name, version)
);
