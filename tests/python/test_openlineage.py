"""An unmodified OpenLineage client needs only the server's URL, and what it tells stands in one graph with what is ours."""

import json
import os
import subprocess
import unittest
import uuid
from datetime import datetime, timedelta, timezone

import requests
import standard
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import DatasetEvent, InputDataset, Job, OutputDataset, Run, RunEvent, RunState, StaticDataset
from openlineage.client.facet_v2 import column_lineage_dataset, job_type_job, parent_run, symlinks_dataset
from project import Project, rides

WHEN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def events(path):
    """A task that lands the file at a path, with what clients say of it."""
    run, parent = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    columns = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={"fare": column_lineage_dataset.Fields(
            inputFields=[column_lineage_dataset.InputField(namespace="s3a://taxis", name="meters/", field="amount")])})
    tables = symlinks_dataset.SymlinksDatasetFacet(
        identifiers=[symlinks_dataset.Identifier(namespace="hive://meta:9083", name="raw.meters", type="TABLE")])
    about = Run(runId=run, facets={"parent": parent_run.ParentRunFacet(
        run=parent_run.Run(runId=parent), job=parent_run.Job(namespace="airflow", name="taxis"))})
    job = Job(namespace="airflow", name="taxis.land", facets={"jobType": job_type_job.JobTypeJobFacet(
        processingType="BATCH", integration="AIRFLOW", jobType="TASK")})
    inputs = [InputDataset(namespace="hive://meta:9083", name="raw.meters")]
    outputs = [OutputDataset(namespace="file", name=str(path), facets={"columnLineage": columns})]
    for second, state in enumerate([RunState.START, RunState.RUNNING, RunState.COMPLETE]):
        yield RunEvent(eventType=state, eventTime=(WHEN + timedelta(seconds=second)).isoformat(), run=about, job=job,
                       inputs=inputs if second == 0 else [], outputs=outputs)
    yield DatasetEvent(eventTime=WHEN.isoformat(), dataset=StaticDataset(
        namespace="s3://taxis", name="meters", facets={"symlinks": tables}))


class OpenLineage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.project = Project()
        cls.addClassCleanup(cls.project.close)
        rows = list(rides(0, 40))
        cls.project.ingest(rows)
        cls.project.asof("train", "ride_starts", "--out", "ride_starts.parquet")
        cls.file = cls.project.root / f"rides-{rows[0]['ride']}.jsonl"
        command = [os.environ["ASOF_BIN"], "serve", "--listen", "127.0.0.1:0"]
        server = subprocess.Popen(command, cwd=cls.project.root, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(server.wait, 60)
        cls.addClassCleanup(server.stdout.close)
        cls.addClassCleanup(server.terminate)
        cls.url = server.stdout.readline().split()[-1]
        for number, event in enumerate(events(cls.file)):
            # As clients are configured: plain, and packed. A failure to send raises.
            transport = {"type": "http", "url": cls.url, **({"compression": "gzip"} if number % 2 else {})}
            OpenLineageClient(config={"transport": transport}).emit(event)

    def lineage(self, *arguments):
        return self.project.asof("--server", self.url, "lineage", *arguments)

    def test_a_training_set_comes_from_the_task(self):
        shown = self.lineage("ride_starts@1", "--upstream")
        for what in [str(self.file), "taxis.land (job of airflow, part of taxis)", "s3://taxis/meters"]:
            self.assertIn(what, shown)
        document = json.loads(self.lineage("ride_starts@1", "--upstream", "--output", "json"))
        kinds = {node["kind"] for node in document["nodes"]}
        self.assertLessEqual({"job", "external_dataset", "snapshot", "built_training_set"}, kinds)

    def test_names_tied_together_are_one(self):
        names = ["s3://taxis/meters", "s3a://taxis/meters/", "hive://meta:9083/raw.meters"]
        shown = {self.lineage(name, "--downstream") for name in names}
        self.assertEqual(len(shown), 1)
        self.assertIn("ride_starts@1 (built training set", shown.pop())

    def test_before_the_task_nothing_was_upstream(self):
        earlier = (WHEN - timedelta(seconds=1)).isoformat()
        self.assertEqual(len(self.lineage(self.file, "--upstream", "--at", earlier).splitlines()), 1)
        self.assertEqual(len(self.lineage(self.file, "--upstream", "--at", WHEN.isoformat()).splitlines()), 3)

    def test_our_runs_are_events_that_others_read(self):
        lines = self.project.asof("--server", self.url, "log", "--openlineage", "--limit", "0").splitlines()
        told = [json.loads(line) for line in lines]
        ended = {event["job"]["name"]: event for event in told if event.get("eventType") == "COMPLETE"}
        self.assertLessEqual({"apply", "ingest.rides", "train.ride_starts"}, set(ended))
        ingest, train = ended["ingest.rides"], ended["train.ride_starts"]
        self.assertEqual([(one["namespace"], one["name"]) for one in ingest["inputs"]], [("file", str(self.file))])
        # What one run writes the other reads, where a Delta reader finds it.
        self.assertEqual([(one["namespace"], one["name"]) for one in ingest["outputs"]], [("file", str(self.project.rides_table))])
        self.assertEqual(train["inputs"][0]["name"], ingest["outputs"][0]["name"])
        self.assertEqual(ingest["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 40)
        self.assertIn("FROM rides", train["job"]["facets"]["sql"]["query"])
        fields = {field["name"]: field["type"] for field in ingest["outputs"][0]["facets"]["schema"]["fields"]}
        self.assertEqual((fields["ride"], fields["ended_at"]), ("BIGINT", "TIMESTAMP"))
        # What a training set holds has a short name.
        content = train["outputs"][0]["facets"]["asof_content"]
        self.assertTrue(len(content["short"]) <= 36 and content["digest"] == f"sha256:{content['digest'][7:]}")
        self.assertTrue(content["digest"][7:].startswith(content["short"]))
        # Sent as the client sends its own, they are taken.
        for event in told:
            standard.hold(event)
            reply = requests.post(f"{self.url}/api/v1/lineage", json=event, timeout=30)
            self.assertEqual((reply.status_code, reply.text), (201, ""))

    def test_what_leaves_by_itself_is_of_the_standard(self):
        """Every kind of run, done and failed, with whatever can be told of it."""
        project = Project()
        self.addCleanup(project.close)
        file = project.root / "events.jsonl"
        with (project.root / "asof.toml").open("a") as settings:
            settings.write(f'\n[openlineage]\nurl = "file:{file}"\n')
        definitions = (project.root / "taxis.sql").read_text()
        checked = definitions.replace("CLUSTER BY (driver);", "CLUSTER BY (driver) CHECK stops_sane (stops >= 0) WITH (owner = 'ops', description = 'rides');")
        self.assertNotEqual(checked, definitions)
        (project.root / "taxis.sql").write_text(checked)
        parent = f"airflow/taxis.train/{uuid.UUID(int=3)}"
        project.asof("apply")
        project.ingest(list(rides(0, 40)))
        project.asof("--parent-run", parent, "train", "ride_starts", "--out", "rides.parquet")
        for verb in [["materialize"], ["rebuild", "ride_starts@1", "--check"], ["verify", "next_ride"], ["promote", "next_ride", "--to", "staging", "--skip-gates", "--why", "rides of long ago"],
                     ["push", "rides", "ride=99", "driver=ana", "stops=1", "ended_at=2024-03-09T12:00:00Z"], ["materialize"]]:
            project.asof(*verb)
        bad = project.root / "bad.jsonl"
        bad.write_text('{"ride": 1, "stops": -1, "ended_at": "2024-03-01T00:00:00Z"}\n')
        with self.assertRaises(AssertionError):
            project.asof("ingest", "rides", bad)
        told = [json.loads(line) for line in file.read_text().splitlines()]
        for event in told:
            standard.hold(event)
        runs = {}
        for event in told:
            if "run" in event:
                runs.setdefault(event["run"]["runId"], []).append(event["eventType"])
        self.assertEqual({tuple(states) for states in runs.values()}, {("START", "COMPLETE"), ("START", "FAIL")})
        names = {event["job"]["name"].split(".")[0] for event in told if "run" in event}
        self.assertLessEqual({"apply", "ingest", "train", "materialize", "rebuild", "verify", "promote", "push"}, names)
        named = {name for event in told for one in [event.get("job"), event.get("run"), event.get("dataset"), *event.get("inputs", []),
                 *event.get("outputs", [])] if one for member in ("facets", "inputFacets", "outputFacets") for name in one.get(member, {})}
        self.assertLessEqual({"schema", "version", "parent", "sql", "dataSource", "outputStatistics", "inputStatistics", "datasetType",
                              "dataQualityAssertions", "dataQualityMetrics", "errorMessage", "ownership", "documentation", "jobType",
                              "processing_engine"}, named)

    def test_a_verb_is_done_though_nobody_hears_of_it(self):
        project = Project()
        self.addCleanup(project.close)
        environment = {**os.environ, "OPENLINEAGE_URL": "http://127.0.0.1:9"}
        command = [os.environ["ASOF_BIN"], "apply"]
        (project.root / "taxis.sql").write_text((project.root / "taxis.sql").read_text().replace("INTERVAL '6 hours'", "INTERVAL '7 hours'"))
        done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=60, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("not every event of OpenLineage was delivered", done.stderr)
        console = {**os.environ, "ASOF_OPENLINEAGE_URL": "console:"}
        done = subprocess.run([command[0], "promote", "next_ride", "--to", "staging", "--skip-gates", "--why", "a test"], cwd=project.root, capture_output=True, text=True, timeout=60, env=console)
        states = [json.loads(line)["eventType"] for line in done.stderr.splitlines() if line.startswith("{")]
        self.assertEqual((done.returncode, states), (0, ["START", "COMPLETE"]), done.stderr)


if __name__ == "__main__":
    unittest.main()
