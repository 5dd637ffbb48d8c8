"""One job by one rival, timed by the process that does it; the options are those of `asof-bench-pit`.

    python rivals.py duckdb|polars|pandas join --spine FILE --view PATH[@TTL] … [--out FOLDER | --keep FOLDER]

Each rival is asked as its manual advises, in the way that was fastest here, on as many threads as Asof. What it may leave undone,
it does: rows come in any order. The clock runs from opening the files to the last row, as an Arrow table or a data frame
or a Parquet file (LZ4, as Asof writes); imports are not counted.
"""

import os

import job
import windows


def duckdb_connection(options):
    import duckdb
    import pyarrow  # noqa: F401  (the result is an Arrow table; its import is not to be timed)

    connection = duckdb.connect()
    connection.execute(f"SET threads = {options.partitions}")
    connection.execute("SET preserve_insertion_order = false")
    if options.memory:
        connection.execute(f"SET memory_limit = '{options.memory}'")
    return connection


def duckdb_answer(options, query):
    connection = duckdb_connection(options)

    def work():
        if not options.out:
            return connection.sql(query).to_arrow_table()
        target = options.out / "result.parquet"
        connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION lz4_raw)")

    return work


def duckdb_join(options):
    select, joins = ["s.*"], []
    for n, view in enumerate(options.views):
        for feature in view.features:
            value = f"v{n}.{feature}"
            if view.ttl:
                # Applied to the winner: an ASOF JOIN takes one inequality.
                value = f"CASE WHEN epoch_us(s.ts) - epoch_us(v{n}.ts) <= {view.ttl} THEN {value} END AS {feature}"
            select.append(value)
        joins.append(f"ASOF LEFT JOIN '{view.files}' v{n} ON s.key = v{n}.key AND s.ts >= v{n}.ts")
    return duckdb_answer(options, f"SELECT {', '.join(select)} FROM '{options.spine}' s {' '.join(joins)}")


def duckdb_range_windows(options):
    return duckdb_answer(options, windows.by_range(options))


def duckdb_union_windows(options):
    return duckdb_answer(options, windows.by_union(options))


def polars_join(options):
    os.environ["POLARS_MAX_THREADS"] = str(options.partitions)
    from datetime import timedelta

    import polars as pl

    def work():
        joined = pl.scan_parquet(options.spine).sort("ts")
        for view in options.views:
            events = pl.scan_parquet(view.files).select("key", "ts", *view.features)
            tolerance = timedelta(microseconds=view.ttl) if view.ttl else None
            # Sorted files suffice, by time or by key and time; it cannot check that, and would warn.
            joined = joined.join_asof(events, on="ts", by="key", tolerance=tolerance, check_sortedness=False)
        if options.out:
            return joined.sink_parquet(options.out / "result.parquet", compression="lz4")
        return joined.collect()

    return work


def pandas_join(options):
    import pandas as pd
    import pyarrow.parquet  # noqa: F401

    def work():
        joined = pd.read_parquet(options.spine).sort_values("ts")
        for view in options.views:
            events = pd.read_parquet(view.path, columns=["key", "ts", *view.features])
            events = events if view.by_time else events.sort_values("ts")
            tolerance = pd.Timedelta(view.ttl, "us") if view.ttl else None
            joined = pd.merge_asof(joined, events, on="ts", by="key", tolerance=tolerance)
        if options.out:
            return joined.to_parquet(options.out / "result.parquet", compression="lz4", index=False)
        return joined

    return work


def main():
    options = job.parse(__doc__, ["duckdb", "duckdb-range", "duckdb-union", "polars", "pandas"], ["join", "windows"])
    prepare = globals()[f"{options.tool}_{options.question}".replace("-", "_")]
    job.measure(options, prepare(options))


if __name__ == "__main__":
    main()
