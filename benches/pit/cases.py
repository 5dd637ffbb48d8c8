"""What is measured, and what it should come to.

A case is a few contenders that take turns, and goals over their medians. A contender is a tool and a job; those of one
case whose jobs ask the same question are held to the same answer.
"""

from dataclasses import dataclass, field, replace

ONE = ("a-10m",)
# About a fifth of the events found have expired.
FOUR = ("a-10m@7d", "b-5m@14d", "c-1m@60d", "d-100k@200d")


@dataclass(frozen=True)
class Job:
    """`layout`: files by `time` or by `key`, or `own`: a dataset as Asof lays it out. `out`: memory or parquet."""

    spine: str = "1m"
    views: tuple = ONE
    layout: str = "time"
    out: str = "memory"
    memory: str = ""
    question: str = "join"

    @property
    def answer(self):
        """What the answer depends on."""
        return self.question, self.spine, self.views


@dataclass(frozen=True)
class Contender:
    tool: str
    job: Job
    name: str = ""

    @property
    def label(self):
        return self.name or self.tool

    @property
    def loses_rows(self):
        """Feast's Dask store leaves out spine rows whose entity has nothing to show: a bug of theirs, which is told."""
        return self.tool == "feast-dask"


@dataclass(frozen=True)
class Goal:
    """`of` is the contender that should do well: in at most so many seconds or bytes, or in that share of `to`'s."""

    of: str
    most: float
    to: str = ""
    what: str = "seconds"


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    contenders: list
    goals: list = field(default_factory=list)


def versus(name, title, job, shares, peak=None):
    """Asof against rivals, with the share of each rival's time that it should take (None: no goal)."""
    contenders = [Contender("asof", job)] + [Contender(rival, job) for rival in shares]
    goals = [Goal("asof", share, rival) for rival, share in shares.items() if share]
    return Case(name, title, contenders, goals + ([Goal("asof", peak, what="peak_mb")] if peak else []))


def small_spines():
    own = Job(layout="own")
    sizes = [Contender("asof", replace(own, spine=size), f"asof {size}") for size in ("10k", "100k", "1m")]
    rivals = [Contender("duckdb", replace(own, spine=size), f"duckdb {size}") for size in ("10k", "100k", "1m")]
    return Case("spines", "spines of 10k, 100k and 1M rows, as Asof lays a dataset out", sizes + rivals,
                [Goal("asof 10k", 0.080), Goal("asof 100k", 0.6, "asof 1m")])


def growth():
    views = [replace(Job(), views=(view,)) for view in ("a-1m", "a-10m", "a-30m")]
    name = lambda tool, job: f"{tool} {job.views[0].removeprefix('a-')}"
    contenders = [Contender(tool, job, name(tool, job)) for job in views for tool in ("asof", "duckdb")]
    # Linear, with something for the noise; and no more memory, once nearly every spine row finds an event of its own.
    return Case("growth", "views of 1M, 10M and 30M rows", contenders,
                [Goal("asof 30m", 3.3, "asof 10m"), Goal("asof 30m", 1.1, "asof 10m", "peak_mb")])


def huge():
    job = Job(views=("a-100m",))
    return Case("huge", "a view of 100M rows", [Contender("asof", job), Contender("duckdb", job)],
                [Goal("asof", 300, what="peak_mb")])


def little_memory():
    limited = Job(memory="256MB")
    contenders = [Contender("asof", Job()), Contender("asof", limited, "asof 256MB"),
                  Contender("duckdb", Job()), Contender("duckdb", limited, "duckdb 256MB")]
    return Case("limit", "a memory limit of 256 MB", contenders, [Goal("asof 256MB", 1.1, "asof")])


def spill():
    limited = Job(spine="30m", memory="64MB", out="parquet")
    contenders = [Contender(tool, limited) for tool in ("asof", "duckdb")]
    return Case("spill", "a spine of 30M rows (720 MB) in 64 MB, to Parquet", contenders, [Goal("asof", 300, what="peak_mb")])


def windows():
    job = Job(question="windows")
    contenders = [Contender(tool, job) for tool in ("asof", "duckdb-range", "duckdb-union")]
    return Case("windows", "sum, count, avg and max over 1 hour, 7 and 30 days", contenders,
                [Goal("asof", 1 / 5, "duckdb-range"), Goal("asof", 1 / 5, "duckdb-union")])


def feast():
    one, four, few = Job(), Job(views=FOUR), Job(views=FOUR, spine="100k")
    contenders = [Contender("asof", one), Contender("feast-duckdb", one),
                  Contender("asof", four, "asof four"), Contender("feast-duckdb", four, "feast-duckdb four"),
                  Contender("asof", few, "asof four 100k"), Contender("feast-dask", few, "feast-dask four 100k")]
    return Case("feast", "Feast's get_historical_features: one view, four, and four with a spine of 100k", contenders,
                [Goal(ours.label, 1 / 20, theirs.label) for ours, theirs in zip(contenders[::2], contenders[1::2])])


CASES = [
    versus("one", "one view, in the order of time, to memory", Job(),
           {"duckdb": 0.40, "polars": 0.50, "pandas": None, "datafusion": None}, peak=250),
    versus("one-parquet", "one view, in the order of time, to Parquet", Job(out="parquet"), {"duckdb": 0.40, "polars": 0.50}),
    versus("one-key", "one view, sorted by key and time, to memory", Job(layout="key"), {"duckdb": 0.33, "polars": 0.33}),
    versus("one-own", "one view, as Asof lays a dataset out, to memory", Job(layout="own"), {"duckdb": 0.22, "polars": None}),
    versus("four", "four views with TTLs, in the order of time, to memory", Job(views=FOUR), {"duckdb": 0.35, "polars": 0.55}),
    versus("four-parquet", "four views with TTLs, in the order of time, to Parquet", Job(views=FOUR, out="parquet"),
           {"duckdb": 0.35, "polars": 0.55}),
    versus("four-key", "four views with TTLs, sorted by key and time, to memory", Job(views=FOUR, layout="key"),
           {"duckdb": None, "polars": None}),
    small_spines(),
    growth(),
    huge(),
    little_memory(),
    spill(),
    windows(),
    feast(),
]
