"""Every event that a project sends which does everything is what the official JSON schemas of OpenLineage say.

`OPENLINEAGE_SPEC` names a folder with the schemas, such as a checkout of OpenLineage; without it this is skipped.
"""

import copy
import json
import os
import subprocess
import unittest
import uuid

from project import Project, rides
from schemas import Schemas

SPEC = os.environ.get("OPENLINEAGE_SPEC")
BATCHES = """
CREATE FEATURE VIEW fares ENTITY driver TIMESTAMP ended_at WITH (owner = 'pricing', description = 'what a driver earned')
AS SELECT driver, ended_at, sum(CASE WHEN shared THEN fare END) OVER (RANGE INTERVAL '1 day' PRECEDING) AS shared_fares, count(*) OVER () AS rides
   FROM rides WHERE stops < 9;
CREATE FEATURE SERVICE earned WITH (owner = 'pricing', description = 'for pay') AS SELECT shared_fares, rides FROM fares;
"""


def everything(project, told):
    """Every verb, done or failed, with whatever can be told of it."""
    with (project.root / "asof.toml").open("a") as settings:
        settings.write(f'\n[openlineage]\nurl = "file:{told}"\n\n[environment.prod]\napprovals = 1\n')
    definitions = project.root / "taxis.sql"
    text = definitions.read_text() + BATCHES
    checked = text.replace("CLUSTER BY (driver);", "CLUSTER BY (driver) CHECK stops_sane (stops >= 0) WITH (owner = 'ops', description = 'rides');")
    assert checked != text
    definitions.write_text(checked)
    project.asof("apply")
    project.ingest(list(rides(0, 40)))
    project.ingest(list(rides(40, 20)))
    project.asof("gc", "--compact", "--apply", "--older-than", "0s")
    project.asof("--parent-run", f"airflow/taxis.train/{uuid.UUID(int=3)}", "train", "ride_starts", "--out", "rides.parquet")
    project.asof("materialize")
    project.asof("rebuild", "ride_starts@1", "--check")
    project.asof("verify", "next_ride")
    project.asof("verify", "--leakage", "next_ride")
    project.asof("push", "rides", "ride=99", "driver=ana", "stops=1", "ended_at=2024-03-09T12:00:00Z")
    project.asof("materialize")
    project.asof("model", "register", "fares", "7", "--trained-on", "ride_starts@1", "--uri", "s3://models/7", "--description", "a model")
    project.asof("promote", "next_ride", "--to", "staging", "--skip-gates", "--why", "rides of long ago")
    project.asof("approve", "next_ride", "--for", "prod", "--by", "somebody")
    project.asof("promote", "next_ride@staging", "--to", "prod", "--skip-gates", "--why", "rides of long ago")
    definitions.write_text(checked.replace("INTERVAL '6 hours'", "INTERVAL '7 hours'"))
    project.asof("apply")
    project.asof("promote", "next_ride@2", "--to", "staging", "--skip-gates", "--why", "longer")
    project.asof("rollback", "next_ride", "--in", "staging", "--skip-gates", "--why", "too long")
    project.asof("deprecate", "last_ride@1", "--successor", "last_ride@2", "--why", "too short")
    project.asof("export", "ride_starts@1", "--to", "bundle")
    bad = project.root / "bad.jsonl"
    bad.write_text('{"ride": 1, "stops": -1, "ended_at": "2024-03-01T00:00:00Z"}\n')
    failed = subprocess.run([os.environ["ASOF_BIN"], "ingest", "rides", bad], cwd=project.root, capture_output=True, timeout=60)
    assert failed.returncode == 1, failed
    other = Project(empty=True)
    try:
        with (other.root / "asof.toml").open("a") as settings:
            settings.write(f'\n[openlineage]\nurl = "file:{told}.other"\n')
        other.asof("import", project.root / "bundle")
        with told.open("ab") as both:
            both.write((told.parent / f"{told.name}.other").read_bytes())
    finally:
        other.close()


@unittest.skipUnless(SPEC, "OPENLINEAGE_SPEC names no folder with the schemas of OpenLineage")
class JsonSchemas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schemas = Schemas(SPEC)
        cls.project = Project()
        cls.addClassCleanup(cls.project.close)
        told = cls.project.root / "events.jsonl"
        everything(cls.project, told)
        cls.told = [json.loads(line) for line in told.read_text().splitlines()]

    def test_every_event_is_what_its_schema_says(self):
        for event in self.told:
            with self.subTest(event.get("job") or event.get("dataset")):
                self.schemas.hold(event)
                self.assertEqual(self.schemas.behind(event), set())
        verbs = {event["job"]["name"].split(".")[0] for event in self.told if "run" in event}
        self.assertLessEqual({"apply", "ingest", "train", "rebuild", "materialize", "push", "verify", "promote", "rollback", "register",
                              "import", "gc", "compact", "approve", "deprecate"}, verbs)
        self.assertEqual({event.get("eventType") for event in self.told}, {"START", "COMPLETE", "FAIL", None})
        kinds = {"run" if "run" in event else "job" if "job" in event else "dataset" for event in self.told}
        self.assertEqual(kinds, {"run", "job", "dataset"})

    def test_what_is_told_again_is_too(self):
        for line in self.project.asof("log", "--openlineage", "--limit", "0").splitlines():
            self.schemas.hold(json.loads(line))
        for about in (["next_ride"], ["ride_starts@1"], ["ride_starts.last_stops"], ["rides", "--at", "2199-01-01T00:00:00Z"]):
            lines = self.project.asof("lineage", *about, "--output", "openlineage").splitlines()
            self.assertGreater(len(lines), 3)
            for line in lines:
                self.schemas.hold(json.loads(line))

    def test_mistakes_are_found(self):
        """The schemas are asked: what is wrong in one place of an event is refused."""
        whole = next(event for event in self.told if event.get("eventType") == "COMPLETE" and event["job"]["name"] == "train.ride_starts")
        self.schemas.hold(whole)
        output = whole["outputs"][0]["facets"]
        self.assertIn("parent", whole["run"]["facets"])

        def refused(change):
            event = copy.deepcopy(whole)
            change(event)
            with self.assertRaises(AssertionError):
                self.schemas.hold(event)

        self.assertTrue(output["columnLineage"]["fields"])
        refused(lambda event: event.pop("eventTime"))
        refused(lambda event: event.update(eventTime="2024-03-01T00:00:00"))
        refused(lambda event: event.update(producer="asof"))
        refused(lambda event: event["run"].update(runId="1"))
        refused(lambda event: event.update(eventType="DONE"))
        refused(lambda event: event["job"].pop("namespace"))
        refused(lambda event: event.update(schemaURL=event["schemaURL"].replace("RunEvent", "JobEvent")))
        refused(lambda event: event["outputs"][0]["facets"]["asof_content"].pop("_schemaURL"))
        refused(lambda event: event["outputs"][0]["facets"]["columnLineage"].pop("fields"))
        refused(lambda event: next(iter(event["outputs"][0]["facets"]["columnLineage"]["fields"].values()))["inputFields"][0].pop("field"))
        refused(lambda event: event["outputs"][0]["facets"].update(schemas=event["outputs"][0]["facets"]["schema"]))
        refused(lambda event: event["outputs"][0]["facets"].update(jobType=event["job"]["facets"]["jobType"]))
        refused(lambda event: event["outputs"][0]["outputFacets"]["outputStatistics"].update(rowCount="40"))
        refused(lambda event: event["run"]["facets"]["parent"]["run"].update(runId="1"))

        def newer(event):
            schema = event["outputs"][0]["facets"]["schema"]
            schema["_schemaURL"] = schema["_schemaURL"].replace("/1-", "/9-")

        refused(newer)


if __name__ == "__main__":
    unittest.main()
