"""The bench's judgement: that a wrong result is noticed, and that a goal missed is called missed."""

import sys
import tempfile
import unittest
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches/pit"))

import equal  # noqa: E402
import report  # noqa: E402
from cases import CASES, Contender, Goal, Job  # noqa: E402

RESULT = {"id": [1, 2, 3], "key": [7, 7, 8], "a0": [0.5, None, 2.0]}


def compare(second, tool="duckdb", question="join"):
    """None if a result is as good as RESULT, else what is said about it; with the number of rows that it lacks."""
    contender = Contender(tool, Job(question=question))
    with tempfile.TemporaryDirectory() as folder:
        for name, result in [("one", RESULT), ("two", second)]:
            (Path(folder) / name).mkdir()
            pl.DataFrame(result).write_parquet(f"{folder}/{name}/result.parquet")
        try:
            return None, equal.check(f"{folder}/one", f"{folder}/two", "they", contender)
        except SystemExit as difference:
            return str(difference), None


class Results(unittest.TestCase):
    def test_rows_in_another_order_are_the_same(self):
        self.assertEqual(compare({name: values[::-1] for name, values in RESULT.items()}), (None, 0))

    def test_one_value_that_differs_is_named(self):
        said, _ = compare(RESULT | {"a0": [0.5, None, 2.0000000000000004]})
        self.assertEqual(said, "they differ in 1 rows of a0; id 3 has 2.0 and 2.0000000000000004")

    def test_a_null_is_no_value(self):
        self.assertIn("id 2 has None and 0.0", compare(RESULT | {"a0": [0.5, 0.0, 2.0]})[0])

    def test_rows_may_not_be_missing_doubled_or_without_a_column(self):
        rows = lambda *which: {name: [values[n] for n in which] for name, values in RESULT.items()}
        self.assertIn("3 and 2 rows", compare(rows(0, 1))[0])
        self.assertIn("3 and 4 rows", compare(rows(0, 1, 2, 2))[0])
        self.assertIn("differ in", compare(rows(0, 1, 1))[0])
        self.assertIn("only one has a0", compare({name: RESULT[name] for name in ("id", "key")})[0])

    def test_only_one_rival_may_lose_rows_and_how_many_is_told(self):
        rows = {name: values[:2] for name, values in RESULT.items()}
        self.assertEqual(compare(rows, "feast-dask"), (None, 1))

    def test_sums_of_windows_may_differ_in_the_last_digits_only(self):
        nearly, wrong = ({"a0": [0.5, None, value]} for value in (2.0000000000000004, 2.001))
        self.assertEqual(compare(RESULT | nearly, question="windows"), (None, 0))
        self.assertIn("id 3", compare(RESULT | wrong, question="windows")[0])


class Goals(unittest.TestCase):
    def check(self, goal, said):
        figure = lambda seconds, peak: {"seconds": seconds, "peak_mb": peak}
        found = {"asof": figure(1.0, 200.0), "duckdb": figure(2.5, 800.0), "gone": figure(None, None)}
        self.assertEqual(report.verdict(goal, found), said)

    def test_a_goal_is_reached_or_missed(self):
        self.check(Goal("asof", 0.4, "duckdb"), "asof / duckdb 0.4 (goal ≤ 0.4) reached")
        self.check(Goal("asof", 0.3, "duckdb"), "asof / duckdb 0.4 (goal ≤ 0.3) MISSED")
        self.check(Goal("asof", 150, what="peak_mb"), "asof peak memory 200 MB (goal ≤ 150 MB) MISSED")

    def test_who_failed_has_missed_it(self):
        self.check(Goal("gone", 0.4, "duckdb"), "gone / duckdb (goal ≤ 0.4) MISSED: gone failed")
        self.check(Goal("asof", 0.4, "gone"), "asof / gone (goal ≤ 0.4) nothing to compare with")

    def test_every_case_has_a_name_of_its_own_and_its_contenders_too(self):
        names = [case.name for case in CASES]
        self.assertEqual(len(names), len(set(names)))
        for case in CASES:
            labels = [contender.label for contender in case.contenders]
            self.assertEqual(len(labels), len(set(labels)), case.name)


if __name__ == "__main__":
    unittest.main()
