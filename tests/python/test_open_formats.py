"""What Asof stores, Python reads with no help from us: datasets as Delta tables, training sets as Parquet."""

import itertools
import json
import os
import subprocess
import unittest
from datetime import timedelta

import polars
import pyarrow as pa
import pyarrow.parquet
from deltalake import DeltaTable
from project import Project, rides

FIRST, SECOND = list(rides(0, 60)), list(rides(60, 20))


def by_ride(rows):
    """Rows in the order of their number, without the hidden column."""
    rows = [{name: value for name, value in row.items() if name != "_seq"} for row in rows]
    return sorted(rows, key=lambda row: row["ride"])


class OpenFormats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.project = Project()
        cls.addClassCleanup(cls.project.close)
        cls.project.ingest(FIRST)
        cls.project.ingest(SECOND)
        cls.project.asof("train", "ride_starts", "--out", "ride_starts.parquet")

    def test_deltalake_reads_a_dataset(self):
        table = DeltaTable(str(self.project.rides_table))
        read = table.to_pyarrow_table()
        self.assertEqual(by_ride(read.to_pylist()), FIRST + SECOND)
        types = {field.name: field.type for field in read.schema}
        self.assertEqual(types["ride"], pa.int64())
        self.assertEqual(types["fare"], pa.float64())
        self.assertEqual(types["tip"], pa.decimal128(8, 2))
        self.assertEqual(types["shared"], pa.bool_())
        self.assertEqual(types["stops"], pa.int32())
        self.assertEqual(types["day"], pa.date32())
        self.assertEqual(types["ended_at"], pa.timestamp("us", "UTC"))

    def test_each_ingest_is_one_version_of_the_delta_table(self):
        table = DeltaTable(str(self.project.rides_table))
        before = DeltaTable(str(self.project.rides_table), version=table.version() - 1)
        self.assertEqual(by_ride(before.to_pyarrow_table().to_pylist()), FIRST)

    def test_the_hidden_column_numbers_rows_in_the_order_of_acceptance(self):
        rows = DeltaTable(str(self.project.rides_table)).to_pyarrow_table().select(["_seq", "ride"]).to_pylist()
        accepted = [row["ride"] for row in sorted(rows, key=lambda row: row["_seq"])]
        self.assertEqual(accepted, [row["ride"] for row in FIRST + SECOND])
        self.assertEqual(len({row["_seq"] for row in rows}), len(rows))

    def test_files_are_sorted_inside_and_compressed_with_lz4(self):
        for file in DeltaTable(str(self.project.rides_table)).file_uris():
            read = pyarrow.parquet.ParquetFile(file)
            self.assertEqual({codec(read, column) for column in range(read.metadata.num_columns)}, {"LZ4"})
            drivers = []
            for driver, group in itertools.groupby(read.read().to_pylist(), key=lambda row: row["driver"]):
                times = [row["ended_at"] for row in group]
                self.assertEqual(times, sorted(times))
                drivers.append(driver)
            named = [driver for driver in drivers if driver is not None]
            self.assertEqual(named, sorted(set(named)))
            self.assertLessEqual(drivers.count(None), 1)

    def test_polars_reads_and_filters_a_dataset(self):
        path = str(self.project.rides_table)
        self.assertEqual(by_ride(polars.read_delta(path).to_dicts()), FIRST + SECOND)
        dina = polars.scan_delta(path).filter(polars.col("driver") == "дина").select("ride").collect()
        self.assertEqual(sorted(dina["ride"]), [row["ride"] for row in FIRST + SECOND if row["driver"] == "дина"])

    def test_pyarrow_reads_a_training_set(self):
        exported = pyarrow.parquet.read_table(self.project.root / "ride_starts.parquet")
        self.assertEqual(by_ride(exported.to_pylist()), expected())

    def test_deltalake_and_pyarrow_read_what_was_served(self):
        moment = "2024-03-03T14:00:00Z"
        self.project.asof("materialize", "--at", moment)
        command = [os.environ["ASOF_BIN"], "serve", "--listen", "127.0.0.1:0"]
        settings = {**os.environ, "ASOF_SERVING_LOG_EVERY": "1"}
        server = subprocess.Popen(command, cwd=self.project.root, env=settings, stdout=subprocess.PIPE, text=True)
        with server:
            url = server.stdout.readline().split()[-1]
            get = ["--server", url, "get", "next_ride", "driver=дина", "distance=2.5", "--at", moment, "--output", "json"]
            served = json.loads(self.project.asof(*get))
            server.terminate()
        table = DeltaTable(str(self.project.root / "store" / "serving_log" / "taxis"))
        [entry] = table.to_pyarrow_table().to_pylist()
        self.assertEqual((entry["service"], entry["rows"], entry["dropped"]), ("next_ride@1", 1, 0))
        read = {name: pa.ipc.open_stream(entry[name]).read_all().to_pylist() for name in ("request", "answer")}
        self.assertEqual(read["request"], [{"driver": "дина", "distance": 2.5}])
        features = {feature["name"]: feature for feature in served["entities"][0]["features"]}
        self.assertEqual(features["last_fare"]["value"], 77 * 0.1)
        for name, feature in features.items():
            self.assertEqual(read["answer"][0][name], feature["value"])
            self.assertEqual(read["answer"][0][f"{name}__status"], feature["status"])
        [receipt] = json.loads(entry["receipts"])
        self.assertEqual((receipt["alias"], receipt["view"]["name"]), ("last_ride", "last_ride"))
        self.assertEqual(json.loads(entry["accepted"]), {"rides": {"before": 0, "after": 0}})

    def test_pyarrow_reads_the_stored_parts_of_a_training_set(self):
        folder = self.project.training_set(1)
        manifest = json.loads((folder / "manifest.json").read_text())
        parts = sorted(folder.glob("*.parquet"))
        stored = pa.concat_tables([pyarrow.parquet.read_table(part) for part in parts])
        self.assertEqual(stored.num_rows, manifest["rows"])
        self.assertEqual(by_ride(stored.to_pylist()), expected())

    def test_pyarrow_reads_a_training_set_without_rows(self):
        self.project.asof("train", "no_rides")
        [part] = self.project.training_set(1, "no_rides").glob("*.parquet")
        read = pyarrow.parquet.read_table(part)
        self.assertEqual(read.num_rows, 0)
        self.assertEqual(read.column_names, ["ride", "driver", "distance", "started_at", "last_fare", "last_stops", "rate"])


def codec(file, column):
    return file.metadata.row_group(0).column(column).compression


def expected():
    """The training set in the order of rides, straight from the rule: the newest ride of the driver that had
    ended by then, unless that is more than six hours ago."""
    everything = FIRST + SECOND
    rows = []
    for spine in everything:
        moment = spine["ended_at"] - timedelta(minutes=30)
        past = [r for r in everything if r["driver"] is not None and r["driver"] == spine["driver"] and r["ended_at"] <= moment]
        last = max(past, key=lambda r: r["ended_at"], default=None)
        if last is not None and last["ended_at"] < moment - timedelta(hours=6):
            last = None
        fare = last["fare"] if last else None
        distance = spine["fare"] + 1.0 if spine["fare"] is not None else None
        rows.append(
            {
                "ride": spine["ride"],
                "driver": spine["driver"],
                "distance": distance,
                "started_at": moment,
                "tipped": spine["tip"] > 2 if spine["tip"] is not None else None,
                "last_fare": fare,
                "last_stops": last["stops"] if last else None,
                "rate": fare / distance if fare is not None and distance is not None else None,
            }
        )
    return rows


if __name__ == "__main__":
    unittest.main()
