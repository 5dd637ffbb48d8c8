"""The data of the online benches, from a fixed seed: Parquet files as anybody writes them.

    python data.py FOLDER [--scale 0.001]

`ticks.parquet` has a row of id, at and five features for each of 100,000 keys. `facts-<keys>.parquet` has id, at and fifty float64 features, a row per key. `events-<keys>.parquet` has id, at and five features,
ten million rows in the order of time over so many keys, each of which has one at least. Keys are 0, 1, 2, … Files that
are there are left alone.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START = 1_704_067_200_000_000  # 2024-01-01, in microseconds
YEAR = 365 * 86_400_000_000

FACTS = {"100k": 100_000, "2m": 2_000_000}
EVENTS = {"100k": 100_000, "1m": 1_000_000}
EVENTS_EACH = 10_000_000
# Rows made at a time.
SLICE = 250_000


def moments(values):
    return pa.array(values, pa.int64()).cast(pa.timestamp("us", "UTC"))


def table(random, ids, at, features):
    columns = {f"f{n}": random.standard_normal(len(ids)) for n in range(features)}
    return pa.table({"id": pa.array(ids, pa.int64()), "at": moments(at)} | columns)


def facts(keys):
    random = np.random.default_rng(keys)
    for first in range(0, keys, SLICE):
        ids = np.arange(first, min(first + SLICE, keys))
        yield table(random, ids, START + random.integers(0, YEAR, len(ids)), 50)


def events(keys, rows):
    random = np.random.default_rng([keys, rows])
    for first in range(0, rows, SLICE):
        count = min(SLICE, rows - first)
        # Every key once, then any.
        ids = np.arange(first, first + count)
        ids = np.where(ids < keys, ids, random.integers(0, keys, count))
        yield table(random, ids, START + np.arange(first, first + count) * (YEAR // rows), 5)


def more_events(path, keys, rows, number):
    """Events of any of the keys, later than those that there were, other ones for every number."""
    random = np.random.default_rng([keys, rows, number])
    at = START + YEAR + (number * rows + np.arange(rows)) * 1_000
    pq.write_table(table(random, random.integers(0, keys, rows), at, 5), path, compression="zstd")


def write(path, tables):
    if path.exists():
        return
    print(f"data: {path.name}", flush=True)
    writer = None
    for part in tables:
        writer = writer or pq.ParquetWriter(path.with_suffix(".part"), part.schema, compression="zstd")
        writer.write_table(part)
    writer.close()
    path.with_suffix(".part").rename(path)


def main():
    parser = argparse.ArgumentParser(description="Make the data of the online benches.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the rows and of the keys")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    scaled = lambda number: max(10, round(number * options.scale))
    for name, keys in FACTS.items():
        write(options.folder / f"facts-{name}.parquet", facts(scaled(keys)))
    write(options.folder / "ticks.parquet", events(scaled(EVENTS["100k"]), scaled(EVENTS["100k"])))
    for name, keys in EVENTS.items():
        write(options.folder / f"events-{name}.parquet", events(scaled(keys), scaled(EVENTS_EACH)))


if __name__ == "__main__":
    main()
