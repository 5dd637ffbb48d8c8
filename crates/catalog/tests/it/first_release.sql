-- A catalog as the first release wrote it: the dump of a file. Never edited; what golden.rs expects is what this holds.
BEGIN TRANSACTION;
PRAGMA application_id = 1098084198;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'definitions and runs','2026-11-23 06:24:51',1,X'D85EA7FC34572A2899900AAADA791BA261B3D90BC1B875278ECCFEDD6C4C3B53DA08D29775A86C9B92CBBF75ABEDA70A',842616);
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
INSERT INTO "definition" VALUES('tour','flights',1,'54119df7223b7f676d367f90c11625566fcee211501bbd0389bac7d1efb19ed6',1700000000000000,'{"pinned":{"kind":"dataset","project":"tour","name":"flights","version":1,"digest":"sha256:54119df7223b7f676d367f90c11625566fcee211501bbd0389bac7d1efb19ed6"},"definition":{"kind":"dataset","name":"flights","columns":[{"name":"carrier","data_type":"VARCHAR","nullable":true},{"name":"arr_delay","data_type":"DOUBLE","nullable":true},{"name":"arrived_at","data_type":"TIMESTAMP","nullable":true},{"name":"loaded_at","data_type":"TIMESTAMP","nullable":true},{"name":"tags","data_type":"VARCHAR[]","nullable":true},{"name":"price","data_type":"DECIMAL(10,2)","nullable":true}],"timestamp":"arrived_at","known_at":"loaded_at","key":["carrier"],"cluster_by":["carrier"],"checks":[{"name":"delay_sane","condition":"arr_delay > -120"}],"annotations":{"owner":"o''ps"}},"inputs":[],"columns":[{"name":"carrier","data_type":"VARCHAR","nullable":true},{"name":"arr_delay","data_type":"DOUBLE","nullable":true},{"name":"arrived_at","data_type":"TIMESTAMP","nullable":true},{"name":"loaded_at","data_type":"TIMESTAMP","nullable":true},{"name":"tags","data_type":"VARCHAR[]","nullable":true},{"name":"price","data_type":"DECIMAL(10,2)","nullable":true}],"created":1700000000000000}');
INSERT INTO "definition" VALUES('tour','carrier',1,'64aed37a4b5c17110c375ebe82ce9dd2327fcbab7ffd5375a19ffa04a9381f8f',1700000000000000,'{"pinned":{"kind":"entity","project":"tour","name":"carrier","version":1,"digest":"sha256:64aed37a4b5c17110c375ebe82ce9dd2327fcbab7ffd5375a19ffa04a9381f8f"},"definition":{"kind":"entity","name":"carrier","key":[{"name":"carrier","data_type":"VARCHAR","nullable":true}],"annotations":{"owner":"o''ps"}},"inputs":[],"columns":[{"name":"carrier","data_type":"VARCHAR","nullable":true}],"created":1700000000000000}');
INSERT INTO "definition" VALUES('tour','carrier_delays',1,'675979be9a92a5f07c854308b0853509c3be30da1453b8ebd7dec2e792b6e0b8',1700000000000000,'{"pinned":{"kind":"feature_view","project":"tour","name":"carrier_delays","version":1,"digest":"sha256:675979be9a92a5f07c854308b0853509c3be30da1453b8ebd7dec2e792b6e0b8"},"definition":{"kind":"feature_view","name":"carrier_delays","entity":"carrier","timestamp":"arrived_at","known_at":{"column":"loaded_at"},"ttl":10800000000,"slide":3600000000,"query":"SELECT carrier, arrived_at, loaded_at, arr_delay FROM flights","annotations":{"owner":"o''ps"}},"inputs":[{"written":"carrier","pinned":{"kind":"entity","project":"tour","name":"carrier","version":1,"digest":"sha256:64aed37a4b5c17110c375ebe82ce9dd2327fcbab7ffd5375a19ffa04a9381f8f"}},{"written":"flights","pinned":{"kind":"dataset","project":"tour","name":"flights","version":1,"digest":"sha256:54119df7223b7f676d367f90c11625566fcee211501bbd0389bac7d1efb19ed6"}}],"columns":[{"name":"carrier","data_type":"VARCHAR","nullable":true},{"name":"arr_delay","data_type":"DOUBLE","nullable":true}],"created":1700000000000000}');
INSERT INTO "definition" VALUES('tour','departure_delay',1,'06ff290433db0c2c41bee2d49c663a20199b9a18eabe2ae5d5cc682f4a4231ca',1700000000000000,'{"pinned":{"kind":"feature_service","project":"tour","name":"departure_delay","version":1,"digest":"sha256:06ff290433db0c2c41bee2d49c663a20199b9a18eabe2ae5d5cc682f4a4231ca"},"definition":{"kind":"feature_service","name":"departure_delay","request":[{"name":"distance","data_type":"DOUBLE","nullable":true}],"query":"SELECT arr_delay, distance > 1000 AS far FROM carrier_delays","annotations":{"owner":"o''ps"}},"inputs":[{"written":"carrier_delays","pinned":{"kind":"feature_view","project":"tour","name":"carrier_delays","version":1,"digest":"sha256:675979be9a92a5f07c854308b0853509c3be30da1453b8ebd7dec2e792b6e0b8"}}],"columns":[{"name":"arr_delay","data_type":"DOUBLE","nullable":true},{"name":"far","data_type":"BOOLEAN","nullable":true}],"created":1700000000000000}');
INSERT INTO "definition" VALUES('tour','delays',1,'64644ba79008ae94a2b9b9c2b61464eff7d6eac30e71fec7141828d5fd1b7fd5',1700000000000000,'{"pinned":{"kind":"training_set","project":"tour","name":"delays","version":1,"digest":"sha256:64644ba79008ae94a2b9b9c2b61464eff7d6eac30e71fec7141828d5fd1b7fd5"},"definition":{"kind":"training_set","name":"delays","features":"departure_delay","timestamp":"arrived_at","query":"SELECT carrier, arrived_at, 1.0 AS distance FROM flights","annotations":{"owner":"o''ps"}},"inputs":[{"written":"departure_delay","pinned":{"kind":"feature_service","project":"tour","name":"departure_delay","version":1,"digest":"sha256:06ff290433db0c2c41bee2d49c663a20199b9a18eabe2ae5d5cc682f4a4231ca"}},{"written":"flights","pinned":{"kind":"dataset","project":"tour","name":"flights","version":1,"digest":"sha256:54119df7223b7f676d367f90c11625566fcee211501bbd0389bac7d1efb19ed6"}}],"columns":[{"name":"carrier","data_type":"VARCHAR","nullable":true},{"name":"far","data_type":"BOOLEAN","nullable":true}],"created":1700000000000000}');
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
INSERT INTO "input" VALUES('tour','carrier_delays',1,'carrier','tour','carrier',1);
INSERT INTO "input" VALUES('tour','carrier_delays',1,'flights','tour','flights',1);
INSERT INTO "input" VALUES('tour','departure_delay',1,'carrier_delays','tour','carrier_delays',1);
INSERT INTO "input" VALUES('tour','delays',1,'departure_delay','tour','departure_delay',1);
INSERT INTO "input" VALUES('tour','delays',1,'flights','tour','flights',1);
CREATE TABLE name (
    project TEXT NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    PRIMARY KEY (project, name)
) STRICT;
INSERT INTO "name" VALUES('tour','flights','dataset');
INSERT INTO "name" VALUES('tour','carrier','entity');
INSERT INTO "name" VALUES('tour','carrier_delays','feature_view');
INSERT INTO "name" VALUES('tour','departure_delay','feature_service');
INSERT INTO "name" VALUES('tour','delays','training_set');
CREATE TABLE pointer (
    project     TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    PRIMARY KEY (project, environment, name),
    FOREIGN KEY (project, name, version) REFERENCES definition (project, name, version)
) STRICT;
INSERT INTO "pointer" VALUES('tour','dev','flights',1);
INSERT INTO "pointer" VALUES('tour','dev','carrier',1);
INSERT INTO "pointer" VALUES('tour','dev','carrier_delays',1);
INSERT INTO "pointer" VALUES('tour','dev','departure_delay',1);
INSERT INTO "pointer" VALUES('tour','dev','delays',1);
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
INSERT INTO "pointer_move" VALUES('tour','dev','flights',1,NULL,1,1700000001000000,'018bcfe5-6800-7000-8000-000000000001','ada','apply');
INSERT INTO "pointer_move" VALUES('tour','dev','carrier',1,NULL,1,1700000001000000,'018bcfe5-6800-7000-8000-000000000001','ada','apply');
INSERT INTO "pointer_move" VALUES('tour','dev','carrier_delays',1,NULL,1,1700000001000000,'018bcfe5-6800-7000-8000-000000000001','ada','apply');
INSERT INTO "pointer_move" VALUES('tour','dev','departure_delay',1,NULL,1,1700000001000000,'018bcfe5-6800-7000-8000-000000000001','ada','apply');
INSERT INTO "pointer_move" VALUES('tour','dev','delays',1,NULL,1,1700000001000000,'018bcfe5-6800-7000-8000-000000000001','ada','apply');
CREATE TABLE run (
    id       TEXT    NOT NULL PRIMARY KEY,
    project  TEXT    NOT NULL,
    verb     TEXT    NOT NULL,
    state    TEXT    NOT NULL,
    started  INTEGER NOT NULL,
    body     TEXT    NOT NULL
) STRICT;
INSERT INTO "run" VALUES('018bcfe5-6800-7000-8000-000000000001','tour','apply','done',1700000000000001,'{"id":"018bcfe5-6800-7000-8000-000000000001","project":"tour","verb":"apply","started":1700000000000001,"finished":1700000001000000,"outcome":{"state":"done"},"inputs":[],"outputs":[{"item":"definition","kind":"dataset","project":"tour","name":"flights","version":1,"digest":"sha256:54119df7223b7f676d367f90c11625566fcee211501bbd0389bac7d1efb19ed6"},{"item":"definition","kind":"entity","project":"tour","name":"carrier","version":1,"digest":"sha256:64aed37a4b5c17110c375ebe82ce9dd2327fcbab7ffd5375a19ffa04a9381f8f"},{"item":"definition","kind":"feature_view","project":"tour","name":"carrier_delays","version":1,"digest":"sha256:675979be9a92a5f07c854308b0853509c3be30da1453b8ebd7dec2e792b6e0b8"},{"item":"definition","kind":"feature_service","project":"tour","name":"departure_delay","version":1,"digest":"sha256:06ff290433db0c2c41bee2d49c663a20199b9a18eabe2ae5d5cc682f4a4231ca"},{"item":"definition","kind":"training_set","project":"tour","name":"delays","version":1,"digest":"sha256:64644ba79008ae94a2b9b9c2b61464eff7d6eac30e71fec7141828d5fd1b7fd5"}],"notes":{"who":"ada"},"engine":"0.1.0"}');
INSERT INTO "run" VALUES('018bcfe5-6800-7000-8000-000000000002','tour','ingest','done',1700000000000002,'{"id":"018bcfe5-6800-7000-8000-000000000002","project":"tour","verb":"ingest","started":1700000000000002,"finished":1700000001000000,"outcome":{"state":"done"},"inputs":[{"item":"definition","kind":"dataset","project":"tour","name":"flights","version":1,"digest":"sha256:54119df7223b7f676d367f90c11625566fcee211501bbd0389bac7d1efb19ed6"},{"item":"file","url":"s3://b/flights.parquet","digest":"sha256:3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80","bytes":4}],"outputs":[{"item":"snapshot","dataset":"flights","number":1}],"notes":{"who":"ada"},"engine":"0.1.0"}');
INSERT INTO "run" VALUES('018bcfe5-6800-7000-8000-000000000003','tour','train','done',1700000000000003,'{"id":"018bcfe5-6800-7000-8000-000000000003","project":"tour","verb":"train","started":1700000000000003,"finished":1700000001000000,"outcome":{"state":"done"},"inputs":[{"item":"definition","kind":"training_set","project":"tour","name":"delays","version":1,"digest":"sha256:64644ba79008ae94a2b9b9c2b61464eff7d6eac30e71fec7141828d5fd1b7fd5"},{"item":"snapshot","dataset":"flights","number":1}],"outputs":[{"item":"training_set","name":"delays","number":1,"content":"sha256:bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e"}],"notes":{"who":"ada"},"engine":"0.1.0"}');
INSERT INTO "run" VALUES('018bcfe5-6800-7000-8000-000000000004','tour','materialize','done',1700000000000004,'{"id":"018bcfe5-6800-7000-8000-000000000004","project":"tour","verb":"materialize","started":1700000000000004,"finished":1700000001000000,"outcome":{"state":"done"},"inputs":[{"item":"snapshot","dataset":"flights","number":1}],"outputs":[{"item":"online","view":{"kind":"feature_view","project":"tour","name":"carrier_delays","version":1,"digest":"sha256:675979be9a92a5f07c854308b0853509c3be30da1453b8ebd7dec2e792b6e0b8"},"generation":1,"rows":16,"at":1700000000000000}],"notes":{"who":"ada"},"engine":"0.1.0"}');
INSERT INTO "run" VALUES('018bcfe5-6800-7000-8000-000000000005','tour','rebuild','failed',1700000000000005,'{"id":"018bcfe5-6800-7000-8000-000000000005","project":"tour","verb":"rebuild","started":1700000000000005,"finished":1700000001000000,"outcome":{"state":"failed","error":"no\n  help: yes"},"inputs":[{"item":"training_set","name":"delays","number":1,"content":"sha256:bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e"}],"outputs":[],"notes":{"who":"ada"},"engine":"0.1.0"}');
INSERT INTO "run" VALUES('018bcfe5-6800-7000-8000-000000000006','tour','ingest','aborted',1700000000000006,'{"id":"018bcfe5-6800-7000-8000-000000000006","project":"tour","verb":"ingest","started":1700000000000006,"finished":1700000001000000,"outcome":{"state":"aborted"},"inputs":[],"outputs":[],"notes":{"who":"ada"},"engine":"0.1.0"}');
INSERT INTO "run" VALUES('018bcfe5-6800-7000-8000-000000000007','tour','ingest','running',1700000000000007,'{"id":"018bcfe5-6800-7000-8000-000000000007","project":"tour","verb":"ingest","started":1700000000000007,"finished":null,"outcome":{"state":"running"},"inputs":[],"outputs":[],"notes":{"who":"ada"},"engine":"0.1.0"}');
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
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000001','output',0,'definition','tour','flights',1,NULL,'definition:flights@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000001','output',1,'definition','tour','carrier',1,NULL,'definition:carrier@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000001','output',2,'definition','tour','carrier_delays',1,NULL,'definition:carrier_delays@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000001','output',3,'definition','tour','departure_delay',1,NULL,'definition:departure_delay@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000001','output',4,'definition','tour','delays',1,NULL,'definition:delays@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000002','input',0,'definition','tour','flights',1,NULL,'definition:flights@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000002','input',1,'file','tour',NULL,NULL,NULL,'file:3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000002','output',0,'snapshot','tour','flights',NULL,1,'snapshot:flights@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000003','input',0,'definition','tour','delays',1,NULL,'definition:delays@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000003','input',1,'snapshot','tour','flights',NULL,1,'snapshot:flights@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000003','output',0,'training_set','tour','delays',NULL,1,'training_set:delays@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000004','input',0,'snapshot','tour','flights',NULL,1,'snapshot:flights@1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000004','output',0,'online','tour','carrier_delays',1,1,'online:carrier_delays@1#1');
INSERT INTO "run_item" VALUES('018bcfe5-6800-7000-8000-000000000005','input',0,'training_set','tour','delays',NULL,1,'training_set:delays@1');
CREATE INDEX input_by_what_is_read ON input (input_project, input_name, input_version);
CREATE INDEX run_newest_first ON run (project, started DESC, id DESC);
CREATE INDEX run_unfinished ON run (project) WHERE state = 'running';
CREATE INDEX run_item_by_key ON run_item (project, key);
CREATE INDEX run_item_by_name ON run_item (project, name);
CREATE INDEX run_item_made ON run_item (project, item, name, version, number) WHERE role = 'output';
COMMIT;
