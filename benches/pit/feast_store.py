"""The same job by Feast's `get_historical_features`, over its DuckDB or its Dask offline store; in an environment of its own, because
Feast pins much. Registering the views is not counted; reading the spine is, as for all.

    python feast_store.py feast-duckdb|feast-dask join --spine FILE --view PATH[@TTL] … [--keep FOLDER]
"""

import logging
import os
import tempfile
import warnings
from datetime import timedelta

import job

MOMENT = "event_timestamp"


def prepare(options, folder):
    os.environ.setdefault("FEAST_USAGE", "False")
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    config = RepoConfig(
        project="bench",
        provider="local",
        registry=f"{folder}/registry.db",
        offline_store={"type": options.tool.removeprefix("feast-")},
        online_store={"type": "sqlite", "path": f"{folder}/online.db"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    entity = Entity(name="entity", join_keys=["key"], value_type=ValueType.INT64)
    views = [
        FeatureView(
            name=f"v{n}",
            entities=[entity],
            ttl=timedelta(microseconds=view.ttl) if view.ttl else None,
            schema=[Field(name=feature, dtype=Float64) for feature in view.features],
            source=FileSource(path=str(view.path), timestamp_field="ts"),
        )
        for n, view in enumerate(options.views)
    ]
    store.apply([entity, *views])
    features = [f"v{n}:{feature}" for n, view in enumerate(options.views) for feature in view.features]

    def work():
        spine = pd.read_parquet(options.spine).rename(columns={"ts": MOMENT})
        return store.get_historical_features(entity_df=spine, features=features).to_arrow()

    return work


def main():
    # It warns of much that is none of a bench's business.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    options = job.parse(__doc__, ["feast-duckdb", "feast-dask"], ["join"])
    with tempfile.TemporaryDirectory() as folder:
        job.measure(options, prepare(options, folder))


if __name__ == "__main__":
    main()
