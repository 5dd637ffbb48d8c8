-- Versions of models, as their registries name them: which training set each was trained on. One row is one version, and never
-- changes.
CREATE TABLE model (
    project    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    registered INTEGER NOT NULL,
    run        TEXT    NOT NULL REFERENCES run (id),
    body       TEXT    NOT NULL,
    PRIMARY KEY (project, name, version)
) STRICT;

-- Manifests of training sets that were built in another deployment and imported: their rows are not here. The body is the
-- manifest's JSON, which the catalog does not read.
CREATE TABLE imported_manifest (
    project TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    number  INTEGER NOT NULL CHECK (number > 0),
    digest  TEXT    NOT NULL CHECK (length(digest) = 64),
    run     TEXT    NOT NULL REFERENCES run (id),
    body    TEXT    NOT NULL,
    PRIMARY KEY (project, name, number)
) STRICT;
