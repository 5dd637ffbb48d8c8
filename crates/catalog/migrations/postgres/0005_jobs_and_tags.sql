-- The job that a run is one of, as the standard for lineage has it: a verb and what it is about. And when it ended.
ALTER TABLE run ADD COLUMN job TEXT COLLATE "C";
ALTER TABLE run ADD COLUMN finished BIGINT;
UPDATE run SET
    job = verb || CASE WHEN verb IN ('apply', 'promote', 'rollback') THEN '' ELSE coalesce(
        (SELECT '.' || i.name FROM run_item i
         WHERE i.run = run.id AND i.role = 'output' AND i.name IS NOT NULL ORDER BY i.position LIMIT 1),
        (SELECT '.' || i.name FROM run_item i
         WHERE i.run = run.id AND i.role = 'input' AND i.name IS NOT NULL ORDER BY i.position LIMIT 1),
        '') END,
    finished = (body::json ->> 'finished')::BIGINT;
CREATE INDEX run_of_job ON run (project, job, started DESC, id DESC);
CREATE INDEX run_of_job_done ON run (project, job, finished DESC, id DESC) WHERE state = 'done';

-- Each job with how many runs it has, and how many of them are done, so that nobody has to count them.
CREATE TABLE job (
    project     TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    runs        BIGINT NOT NULL,
    done        BIGINT NOT NULL,
    since       BIGINT NOT NULL,
    PRIMARY KEY (project, name)
);
INSERT INTO job (project, name, runs, done, since)
    SELECT project, job, count(*), sum(CASE state WHEN 'done' THEN 1 ELSE 0 END), min(started) FROM run GROUP BY project, job;

-- Words that people put on datasets, their columns, and jobs, by the names that the standard gives those.
CREATE TABLE tag (
    name        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    description TEXT COLLATE "C",
    created     BIGINT NOT NULL
);
CREATE TABLE tagged (
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('dataset', 'job')),
    namespace   TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    field       TEXT COLLATE "C" NOT NULL, -- of a dataset; empty for all of it
    tag         TEXT COLLATE "C" NOT NULL REFERENCES tag (name),
    PRIMARY KEY (kind, namespace, name, field, tag)
);
