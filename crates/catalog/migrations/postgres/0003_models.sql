-- Versions of models, as their registries name them: which training set each was trained on. One row is one version, and never
-- changes.
CREATE TABLE model (
    project     TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    version     TEXT COLLATE "C" NOT NULL,
    registered  BIGINT NOT NULL,
    run         TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    body        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, name, version)
);

-- Manifests of training sets that were built in another deployment and imported: their rows are not here. The body is the
-- manifest's JSON, which the catalog does not read.
CREATE TABLE imported_manifest (
    project     TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    number      BIGINT NOT NULL CHECK (number > 0),
    digest      TEXT COLLATE "C" NOT NULL CHECK (length(digest) = 64),
    run         TEXT COLLATE "C" NOT NULL REFERENCES run (id),
    body        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project, name, number)
);
