"""Out of memory is an error that says so, whatever asked for it; the process stays within bounds and ends as it should."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROWS = 10_000
MIB = 1 << 20

DEFINITIONS = """
CREATE DATASET events (id BIGINT, name VARCHAR, at TIMESTAMP) TIMESTAMP at;
CREATE ENTITY thing KEY (name VARCHAR);
CREATE ENTITY event KEY (id BIGINT);
"""

LONGEST = "CREATE FEATURE VIEW runaway ENTITY thing TIMESTAMP at AS SELECT name, at, {} AS feature FROM events;"

# Definitions that would take gigabytes, each in its own way.
RUNAWAYS = {
    "one long text": LONGEST.format("length(repeat('x', 2000000000))"),
    "many long texts": LONGEST.format("length(repeat(name, 100000))"),
    "padding": LONGEST.format("length(lpad(name, 1000000000))"),
    "a long list": LONGEST.format("cardinality(generate_series(1, 1000000000))"),
    "lists of a list": LONGEST.format("cardinality(array_repeat(array_repeat(id, 1000), 1000))"),
    "all that came before": LONGEST.format("cardinality(array_agg(id) OVER (PARTITION BY 1 ORDER BY at, id))"),
    "all text that came before": LONGEST.format("length(string_agg(name, ',') OVER (PARTITION BY 1 ORDER BY at, id))"),
}

AND_A_SET = """
CREATE FEATURE SERVICE things AS SELECT feature FROM runaway;
CREATE TRAINING SET sets FEATURES things TIMESTAMP at AS SELECT id, name, at FROM events;
"""


class Memory(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="asof-memory-")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def project(self, memory, definitions=""):
        settings = f'[project]\nname = "memory"\n[store]\nurl = "file:store"\n[offline]\nthreads = 2\nmemory = "{memory}"\n'
        (self.root / "asof.toml").write_text(settings)
        (self.root / "memory.sql").write_text(DEFINITIONS + definitions)
        with open(self.root / "events.csv", "w", encoding="utf-8") as file:
            file.write("id,name,at\n")
            for n in range(ROWS):
                file.write(f"{n},thing{n % 97},2024-03-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:00Z\n")

    def asof(self, *arguments, **variables):
        """Runs a verb: exit code, stdout, stderr, and the most memory that it took, in bytes."""
        with open(self.root / "out", "w+") as out, open(self.root / "err", "w+") as err:
            command = [os.environ["ASOF_BIN"], *arguments]
            child = subprocess.Popen(command, cwd=self.root, stdout=out, stderr=err, env={**os.environ, **variables})
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0), err.seek(0)
            return child.returncode, out.read(), err.read(), usage.ru_maxrss * 1024

    def done(self, *arguments, **variables):
        code, out, err, _ = self.asof(*arguments, **variables)
        self.assertEqual(code, 0, err)
        return out

    def refused(self, *arguments, **variables):
        """What is told of a verb that has too little memory."""
        code, out, err, most = self.asof(*arguments, **variables)
        self.assertEqual((code, out), (1, ""), err)
        self.assertTrue(err.startswith("error[out_of_memory]: not enough memory: "), err)
        return err, most

    def test_a_limit_that_is_too_low_is_named_with_who_met_it(self):
        self.project("64MiB", RUNAWAYS["many long texts"].replace("100000", "2") + AND_A_SET)
        self.done("apply")
        self.done("ingest", "events", "events.csv")
        err, _ = self.refused("train", "sets", ASOF_OFFLINE_MEMORY="1KiB")
        self.assertRegex(err, r"offline work may take 1 KiB of memory, and [^;]+ wants [\d.]+ [KM]iB more than")
        self.assertIn("raise memory in [offline] of asof.toml (or ASOF_OFFLINE_MEMORY)", err)
        err, _ = self.refused("materialize", "runaway", ASOF_OFFLINE_MEMORY="2KiB")
        self.assertIn("offline work may take 2 KiB of memory", err)
        # It is on record, and with more memory it is done.
        run = json.loads(self.done("log", "--verb", "train", "--output", "json"))[0]
        self.assertEqual(run["state"], "failed")
        self.assertIn("not enough memory", run["error"])
        self.done("train", "sets")
        self.done("materialize", "runaway")

    def test_an_ingest_of_rows_too_wide_for_its_memory(self):
        self.project("64MiB")
        self.done("apply")
        wide = "x" * 60_000
        (self.root / "events.csv").write_text(
            "id,name,at\n" + "".join(f"{n},{wide}{n},2024-03-01T00:00:00Z\n" for n in range(2_000))
        )
        err, _ = self.refused("ingest", "events", "events.csv", ASOF_OFFLINE_MEMORY="1MiB")
        self.assertIn("the sort of an ingest may take 4 MiB of memory", err)
        self.done("ingest", "events", "events.csv", ASOF_OFFLINE_MEMORY="1GiB")

    def test_no_definition_takes_the_machine(self):
        for name, definition in RUNAWAYS.items():
            with self.subTest(name):
                self.setUp()
                self.project("64MiB", definition + AND_A_SET)
                self.done("apply")
                self.done("ingest", "events", "events.csv")
                err, most = self.refused("train", "sets")
                self.assertIn("it may take 128 MiB at a time\nhelp: make shorter texts and lists", err)
                self.assertLess(most, 800 * MIB, f"{most // MIB} MiB")
                self.assertEqual(self.asof("ls")[0], 0)


if __name__ == "__main__":
    unittest.main()
