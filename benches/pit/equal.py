"""Whether two results are the same, row by row."""

import polars as pl

# A float that was summed in another order; only sums and averages of windows may differ by as much.
NEARLY = 1e-9


def check(first, second, who, contender):
    """Both are folders of Parquet files. Rows are matched by the spine's `id`; values must be equal to the bit, null to
    null. Returns how many rows the second lacks: none, unless it is a contender that loses some."""
    left, right = read(first), read(second)
    lacking = 0
    if contender.loses_rows:
        whole, left = left.height, left.join(right.select("id"), on="id", how="semi")
        lacking = whole - left.height
    if left.height != right.height:
        raise SystemExit(f"{who} differ: {left.height} and {right.height} rows")
    columns = [name for name in left.columns if name not in ("key", "ts")]
    missing = set(columns) - set(right.columns)
    if missing:
        raise SystemExit(f"{who} differ: only one has {', '.join(sorted(missing))}")
    for name in columns:
        a, b = left[name], right[name].cast(left[name].dtype)
        same = a.eq_missing(b)
        if contender.job.question == "windows" and a.dtype.is_float():
            same |= ((a - b).abs() <= NEARLY * (1 + a.abs())).fill_null(False)
        if not same.all():
            row = (~same).arg_max()
            count = (~same).sum()
            raise SystemExit(f"{who} differ in {count} rows of {name}; id {left['id'][row]} has {a[row]} and {b[row]}")
    return lacking


def read(folder):
    return pl.read_parquet(f"{folder}/**/*.parquet").sort("id")
