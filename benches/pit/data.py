"""The data of the point-in-time benches, from a fixed seed: Parquet files as anybody writes them.

    python data.py FOLDER [--scale 0.001]

`spine-<rows>.parquet` has id, key and ts, in no order. `time/<view>.parquet` and `key/<view>.parquet` have key, ts and five
float64 features of the same rows: in the order of time, as events arrive, and sorted by (key, ts). No key has two events at
one time, so that nobody needs a rule for ties. Files that are there are left alone. Large views are made in slices of
the year, so that making them takes no more memory than a slice.
"""

import argparse
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ENTITIES = 100_000
START = 1_704_067_200_000_000  # 2024-01-01, in microseconds
YEAR = 365 * 86_400_000_000
FEATURES = 5
# Events of an entity in one slice of the year.
SLICE = 100

SPINES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000, "30m": 30_000_000}
# Bytes of an event on disk, a little more than there are.
EVENT = 56
# The letter begins the names of the features; the number is how many events each entity has.
VIEWS = {"a-1m": 10, "a-10m": 100, "a-30m": 300, "a-100m": 1000, "b-5m": 50, "c-1m": 10, "d-100k": 1}


def moments(values):
    return pa.array(values, pa.int64()).cast(pa.timestamp("us", "UTC"))


def write_spine(path, rows, entities):
    # A shorter spine is the beginning of a longer one.
    key = np.random.default_rng(1).integers(0, entities, rows)
    ts = START + np.random.default_rng(2).integers(0, YEAR, rows)
    table = pa.table({"id": np.arange(rows), "key": key, "ts": moments(ts)})
    pq.write_table(table, path, compression="zstd")


def slices(name, per_entity, entities):
    """The events of a view as (key, ts, features), the slices in the order of time, each in no order."""
    random = np.random.default_rng([ord(name[0]), per_entity])
    count = math.ceil(per_entity / SLICE)
    span = YEAR // count
    for number in range(count):
        events = per_entity // count
        key = np.repeat(np.arange(entities), events)
        ts = START + number * span + random.integers(0, span, len(key))
        yield key, ts, [random.standard_normal(len(key)) for _ in range(FEATURES)]


def table(name, key, ts, features, order):
    columns = {"key": key[order], "ts": moments(ts[order])}
    return pa.table(columns | {f"{name[0]}{n}": feature[order] for n, feature in enumerate(features)})


def write_view(folder, name, per_entity, entities):
    """Both files of a view; by key only where it is one slice."""
    writer = None
    for key, ts, features in slices(name, per_entity, entities):
        by_time = table(name, key, ts, features, np.argsort(ts, kind="stable"))
        writer = writer or pq.ParquetWriter(folder / "time" / f"{name}.part", by_time.schema, compression="zstd")
        writer.write_table(by_time)
        order = np.lexsort((ts, key))
        same = (np.diff(key[order]) == 0) & (np.diff(ts[order]) == 0)
        if same.any():
            raise SystemExit(f"{name}: a key has two events at one time; choose another seed")
        if per_entity <= SLICE:
            pq.write_table(table(name, key, ts, features, order), folder / "key" / f"{name}.parquet", compression="zstd")
    writer.close()
    # Its name says that both files are whole.
    (folder / "time" / f"{name}.part").rename(folder / "time" / f"{name}.parquet")


def main():
    parser = argparse.ArgumentParser(description="Make the data of the point-in-time benches.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the rows and of the entities")
    options = parser.parse_args()
    entities = max(1, round(ENTITIES * options.scale))
    for part in ("time", "key"):
        (options.folder / part).mkdir(parents=True, exist_ok=True)
    for name, rows in SPINES.items():
        path = options.folder / f"spine-{name}.parquet"
        if not path.exists():
            print(f"data: {path.name}", flush=True)
            write_spine(path.with_suffix(".part"), max(1, round(rows * options.scale)), entities)
            path.with_suffix(".part").rename(path)
    for name, per_entity in VIEWS.items():
        if (options.folder / "time" / f"{name}.parquet").exists():
            continue
        if shutil.disk_usage(options.folder).free < 3 * EVENT * entities * per_entity:
            print(f"data: no {name}, for want of disk", flush=True)
            continue
        print(f"data: {name}", flush=True)
        write_view(options.folder, name, per_entity, entities)


if __name__ == "__main__":
    main()
