-- The job that a run is one of, as the standard for lineage has it: a verb and what it is about. And when it ended.
ALTER TABLE run ADD COLUMN job TEXT;
ALTER TABLE run ADD COLUMN finished INTEGER;
UPDATE run SET
    job = verb || CASE WHEN verb IN ('apply', 'promote', 'rollback') THEN '' ELSE coalesce(
        (SELECT '.' || i.name FROM run_item i
         WHERE i.run = run.id AND i.role = 'output' AND i.name IS NOT NULL ORDER BY i.position LIMIT 1),
        (SELECT '.' || i.name FROM run_item i
         WHERE i.run = run.id AND i.role = 'input' AND i.name IS NOT NULL ORDER BY i.position LIMIT 1),
        '') END,
    finished = json_extract(body, '$.finished');
CREATE INDEX run_of_job ON run (project, job, started DESC, id DESC);
CREATE INDEX run_of_job_done ON run (project, job, finished DESC, id DESC) WHERE state = 'done';

-- Each job with how many runs it has, and how many of them are done, so that nobody has to count them.
CREATE TABLE job (
    project TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    runs    INTEGER NOT NULL,
    done    INTEGER NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (project, name)
) STRICT;
INSERT INTO job (project, name, runs, done, since)
    SELECT project, job, count(*), sum(CASE state WHEN 'done' THEN 1 ELSE 0 END), min(started) FROM run GROUP BY project, job;

-- Words that people put on datasets, their columns, and jobs, by the names that the standard gives those.
CREATE TABLE tag (
    name        TEXT    NOT NULL PRIMARY KEY,
    description TEXT,
    created     INTEGER NOT NULL
) STRICT;
CREATE TABLE tagged (
    kind      TEXT NOT NULL CHECK (kind IN ('dataset', 'job')),
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    field     TEXT NOT NULL, -- of a dataset; empty for all of it
    tag       TEXT NOT NULL REFERENCES tag (name),
    PRIMARY KEY (kind, namespace, name, field, tag)
) STRICT;
