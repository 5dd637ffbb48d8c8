"""A small project in a temporary folder, driven through the built binary (ASOF_BIN)."""

import json
import os
import pathlib
import subprocess
import tempfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

DEFINITIONS = """
CREATE DATASET rides (
    ride BIGINT NOT NULL, driver VARCHAR, fare DOUBLE, tip DECIMAL(8, 2), shared BOOLEAN,
    stops INT, day DATE, ended_at TIMESTAMP NOT NULL
  )
  TIMESTAMP ended_at
  CLUSTER BY (driver);

CREATE ENTITY driver KEY (driver VARCHAR);

CREATE FEATURE VIEW last_ride ENTITY driver TIMESTAMP ended_at TTL INTERVAL '6 hours'
AS SELECT driver, ended_at, fare AS last_fare, stops AS last_stops FROM rides;

CREATE FEATURE SERVICE next_ride REQUEST (distance DOUBLE)
AS SELECT last_fare, last_stops, last_fare / distance AS rate FROM last_ride;

CREATE TRAINING SET ride_starts FEATURES next_ride TIMESTAMP started_at
AS SELECT ride, driver, fare + 1.0 AS distance, ended_at - INTERVAL '30 minutes' AS started_at, tip > 2 AS tipped FROM rides;

CREATE TRAINING SET no_rides FEATURES next_ride TIMESTAMP started_at
AS SELECT ride, driver, fare AS distance, ended_at AS started_at FROM rides WHERE ride < 0;
"""

NOON = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)


def rides(start, count):
    """Rows of every type, with nulls, text beyond ASCII and times to the microsecond."""
    for n in range(start, start + count):
        ended = NOON + timedelta(minutes=37 * n, microseconds=n)
        yield {
            "ride": n,
            "driver": None if n % 11 == 5 else ["ana", "bo", "çelik", "дина"][n * 7 % 4],
            "fare": None if n % 7 == 3 else n * 0.1,
            "tip": None if n % 5 == 4 else Decimal(n % 6) + Decimal("0.25"),
            "shared": None if n % 13 == 6 else n % 2 == 0,
            "stops": n % 3,
            "day": date(2024, 3, 1) + timedelta(days=n % 4),
            "ended_at": ended,
        }


class Project:
    """Definitions applied, unless nothing is to be there; nothing ingested yet."""

    def __init__(self, empty=False):
        self._folder = tempfile.TemporaryDirectory(prefix="asof-python-")
        self.root = pathlib.Path(self._folder.name)
        (self.root / "asof.toml").write_text('[project]\nname = "taxis"\n\n[store]\nurl = "file:store"\n')
        if not empty:
            (self.root / "taxis.sql").write_text(DEFINITIONS)
            self.asof("apply")

    def close(self):
        self._folder.cleanup()

    def asof(self, *arguments):
        """Runs the binary in the project's folder; what it printed. A failure shows what it said."""
        command = [os.environ["ASOF_BIN"], *map(str, arguments)]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def ingest(self, rows):
        """Ingests rows as a JSON lines file."""
        file = self.root / f"rides-{rows[0]['ride']}.jsonl"
        file.write_text("".join(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        self.asof("ingest", "rides", file)

    @property
    def rides_table(self):
        return self.root / "store" / "datasets" / "taxis" / "rides"

    def training_set(self, number, name="ride_starts"):
        return self.root / "store" / "training" / "taxis" / name / str(number)
