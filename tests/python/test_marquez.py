"""The client of Marquez, unmodified, reads the graph: what others told of and what is ours as one.

(It imports `pytz` without asking for it, so that is among the requirements here.)
"""

import inspect
import os
import subprocess
import unittest
import uuid
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import requests
from marquez_client import MarquezClient
from marquez_client.errors import APIError
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset, schema_dataset
from project import Project, rides

WHEN = datetime(2026, 1, 1, tzinfo=timezone.utc)
RUN = str(uuid.UUID(int=7))
# What makes, changes or marks something: events say it instead.
WRITES = {"create_namespace", "create_source", "create_dataset", "create_job", "create_job_run", "mark_job_run_as_started",
          "mark_job_run_as_completed", "mark_job_run_as_failed", "mark_job_run_as_aborted"}


def landing(path):
    """A task of others that lands the file which is ingested."""
    columns = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={"fare": column_lineage_dataset.Fields(
            inputFields=[column_lineage_dataset.InputField(namespace="s3://taxis", name="meters", field="amount")])})
    schema = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(name="fare", type="DOUBLE")])
    outputs = [OutputDataset(namespace="file", name=str(path), facets={"columnLineage": columns, "schema": schema})]
    inputs = [InputDataset(namespace="s3://taxis", name="meters")]
    for second, state in enumerate([RunState.START, RunState.COMPLETE]):
        yield RunEvent(eventType=state, eventTime=(WHEN + timedelta(seconds=second)).isoformat(), run=Run(runId=RUN),
                       job=Job(namespace="airflow", name="taxis.land"), inputs=inputs, outputs=outputs)


class Marquez(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.project = Project()
        cls.addClassCleanup(cls.project.close)
        rows = list(rides(0, 40))
        cls.project.ingest(rows)
        cls.project.asof("train", "ride_starts", "--out", "ride_starts.parquet")
        cls.file = str(cls.project.root / f"rides-{rows[0]['ride']}.jsonl")
        command = [os.environ["ASOF_BIN"], "serve", "--listen", "127.0.0.1:0"]
        server = subprocess.Popen(command, cwd=cls.project.root, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(server.wait, 60)
        cls.addClassCleanup(server.stdout.close)
        cls.addClassCleanup(server.terminate)
        cls.url = server.stdout.readline().split()[-1]
        for event in landing(cls.file):
            OpenLineageClient(config={"transport": {"type": "http", "url": cls.url}}).emit(event)
        cls.client = MarquezClient(cls.url)

    def test_every_call_that_reads_is_answered(self):
        client, project = self.client, "asof://taxis"
        table = str(self.project.rides_table)
        spaces = {space["name"] for space in client.list_namespaces()["namespaces"]}
        self.assertLessEqual({"airflow", "file", "s3://taxis", project}, spaces)
        self.assertEqual(len(client.list_namespaces(limit=2, offset=1)["namespaces"]), 2)
        self.assertEqual(client.get_namespace(project)["name"], project)
        self.assertIn("s3://taxis", [source["name"] for source in client.list_sources()["sources"]])
        self.assertEqual(client.get_source("s3://taxis")["type"], "S3")

        datasets = {dataset["name"]: dataset for dataset in client.list_datasets("file")["datasets"]}
        self.assertLessEqual({self.file, table}, set(datasets))
        dataset = client.get_dataset("file", table)
        self.assertEqual(dataset, datasets[table])
        fields = {field["name"]: field["type"] for field in dataset["fields"]}
        self.assertEqual((fields["ride"], fields["ended_at"]), ("BIGINT", "TIMESTAMP"))
        versions = client.list_dataset_versions("file", table)
        self.assertEqual([version["version"] for version in versions["versions"]], ["0"])
        version = client.get_dataset_version("file", table, "0")
        self.assertEqual(version, versions["versions"][0])
        told = client.list_dataset_versions("file", self.file)["versions"][0]
        self.assertEqual(client.get_dataset_version("file", self.file, told["version"])["createdByRun"]["id"], RUN)

        jobs = {job["name"]: job for job in client.list_jobs(project)["jobs"]}
        expected = {"apply", "ingest.rides", "materialize.last_ride", "serve.next_ride", "train.ride_starts"}
        self.assertLessEqual(expected, set(jobs))
        job = client.get_job(project, "train.ride_starts")
        self.assertEqual((job["latestRun"]["state"], job["outputs"][0]["name"]), ("COMPLETED", "training/ride_starts"))
        runs = client.list_job_runs(project, "train.ride_starts")
        self.assertEqual([run["id"] for run in runs["runs"]], [job["latestRun"]["id"]])
        self.assertEqual(client.get_job_run(job["latestRun"]["id"])["jobVersion"]["name"], "train.ride_starts")
        self.assertEqual(client.get_job_run(RUN)["state"], "COMPLETED")
        self.assertEqual(client.get_job("airflow", "taxis.land")["inputs"], [{"namespace": "s3://taxis", "name": "meters"}])

        events = client.list_events()
        self.assertEqual(len(events["events"]), events["totalCount"])
        self.assertEqual({event["job"]["name"] for event in client.list_events("airflow")["events"]}, {"taxis.land"})
        by_dataset = client.get_column_lineage_by_dataset("file", self.file)
        by_field = client.get_column_lineage_by_dataset_field("file", self.file, "fare")
        by_job = client.get_column_lineage_by_job("airflow", "taxis.land")
        for graph in [by_dataset, by_field, by_job]:
            self.assertIn("datasetField:s3://taxis:meters:amount", [node["id"] for node in graph["graph"]])
        downstream = client.get_column_lineage_by_dataset_field("s3://taxis", "meters", "amount", with_downstream=True)
        self.assertIn(f"datasetField:file:{self.file}:fare", [node["id"] for node in downstream["graph"]])

        client.create_tag("PII", "about people")
        client.tag_dataset_field("file", self.file, "fare", "PII")
        self.assertEqual(client.tag_dataset("file", self.file, "PII")["tags"], ["PII"])
        self.assertEqual(client.list_tags()["tags"], [{"name": "PII", "description": "about people"}])
        # These are all its calls.
        calls = {name for name, _ in inspect.getmembers(MarquezClient, inspect.isfunction) if not name.startswith("_")}
        source = inspect.getsource(type(self).test_every_call_that_reads_is_answered)
        self.assertEqual({name for name in calls - WRITES if f"client.{name}(" not in source}, set())

    def test_what_it_would_write_is_refused_with_the_way_to_say_it(self):
        with self.assertRaises(APIError):
            self.client.create_namespace("new", "me")
        reply = requests.put(f"{self.url}/api/v1/namespaces/new", json={"ownerName": "me"}, timeout=30)
        self.assertEqual((reply.status_code, reply.json()["error"]["code"]), (405, "read_only_lineage"))
        self.assertIn("POST /api/v1/lineage", reply.json()["error"]["remedy"])

    def lineage(self, node, **query):
        reply = requests.get(f"{self.url}/api/v1/lineage", params={"nodeId": node, **query}, timeout=30)
        return reply.status_code, {node["id"] for node in reply.json().get("graph", [])}

    def test_a_task_upstream_and_a_training_set_downstream_are_one_graph(self):
        status, ids = self.lineage("dataset:asof://taxis:training/ride_starts")
        self.assertEqual(status, 200)
        self.assertLessEqual({"job:airflow:taxis.land", "dataset:s3://taxis:meters", f"dataset:file:{self.file}",
                              "job:asof://taxis:ingest.rides", "dataset:asof://taxis:online/last_ride",
                              "dataset:asof://taxis:services/next_ride"}, ids)

    def test_as_of_a_moment(self):
        node = f"dataset:file:{self.file}"
        self.assertEqual(self.lineage(node, asOf=(WHEN - timedelta(days=1)).isoformat())[0], 404)
        status, ids = self.lineage(node, asOf=WHEN.isoformat())
        self.assertEqual((status, ids), (200, {node, "job:airflow:taxis.land", "dataset:s3://taxis:meters"}))
        self.assertIn("job:asof://taxis:ingest.rides", self.lineage(node)[1])
        reply = requests.get(f"{self.url}/api/v1/jobs/runs/{RUN}", params={"asOf": WHEN.isoformat()}, timeout=30)
        self.assertEqual(reply.json()["state"], "RUNNING")

    def test_what_the_page_asks_for_besides(self):
        """Routes and members that the web page reads and the client has no call for."""
        get = lambda path: requests.get(f"{self.url}/api/v1{path}", timeout=30).json()
        found = get("/search?q=ride&sort=NAME&limit=100&filter=JOB")["results"]
        self.assertEqual({one["type"] for one in found}, {"JOB"})
        facets = get(f"/jobs/runs/{RUN}/facets?type=run")
        self.assertEqual(facets["runId"], RUN)
        jobs = get("/jobs?limit=25&offset=0&lastRunStates=COMPLETED")
        self.assertIn("taxis.land", [job["name"] for job in jobs["jobs"]])
        day = "before=2026-01-02T00:00:00.000Z&after=2026-01-01T00:00:00.000Z"
        events = get(f"/events/lineage?limit=100&{day}&offset=0&sortDirection=desc")
        self.assertEqual([event["eventType"] for event in events["events"]], ["COMPLETE", "START"])
        versions = get("/namespaces/asof%3A%2F%2Ftaxis/jobs/train.ride_starts/versions")["versions"]
        self.assertEqual([(version["version"], version["latestRun"]["jobVersion"]["version"]) for version in versions], [("1", "1")])
        # What was never materialized leads through its definition to the columns of tables.
        graph = get("/column-lineage?nodeId=dataset:asof://taxis:services/next_ride")["graph"]
        self.assertLessEqual({"datasetField:asof://taxis:online/last_ride:last_fare", f"datasetField:file:{self.project.rides_table}:fare"},
                             {node["id"] for node in graph})
        name = quote(self.file, safe="")
        self.assertEqual(get(f"/namespaces/file/datasets/{name}")["deleted"], False)


if __name__ == "__main__":
    unittest.main()
