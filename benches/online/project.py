"""The projects that are served: definitions as SQL, stores made by Asof's own verbs.

A store is made anew by every new build, so that what is measured is what this build would write.
"""

import json
import subprocess
import time

import data

FEATURES = [f"f{n}" for n in range(50)]
# Four views that share the fifty features.
PARTS = {"part_a": FEATURES[:13], "part_b": FEATURES[13:26], "part_c": FEATURES[26:38], "part_d": FEATURES[38:]}


def dataset(name, features):
    columns = ", ".join(f"{feature} DOUBLE" for feature in features)
    return f"CREATE DATASET {name} (id BIGINT, at TIMESTAMP, {columns}) TIMESTAMP at;\n"


def view(name, source, features):
    return f"CREATE FEATURE VIEW {name} ENTITY thing TIMESTAMP at AS SELECT id, at, {', '.join(features)} FROM {source};\n"


ENTITY = "CREATE ENTITY thing KEY (id BIGINT);\n"
PLAIN = f"CREATE FEATURE SERVICE plain AS SELECT {', '.join(FEATURES)} FROM whole;\n"
COMPOSED = (
    f"CREATE FEATURE SERVICE composed REQUEST (amount DOUBLE) AS SELECT {', '.join(FEATURES)},\n"
    "  f0 * amount AS scaled, f13 - f26 AS gap, CASE WHEN f38 > amount THEN f49 ELSE f0 END AS chosen\n"
    f"  FROM {', '.join(PARTS)};\n"
)


def facts_sql():
    parts = "".join(view(name, "facts", features) for name, features in PARTS.items())
    return ENTITY + dataset("facts", FEATURES) + view("whole", "facts", FEATURES) + parts + PLAIN + COMPOSED


def many_sql(count):
    others = "".join(view(f"other_{n}", "facts", [f"f0 + {n} AS g"]) for n in range(count - 1))
    return ENTITY + dataset("facts", FEATURES) + view("whole", "facts", FEATURES) + PLAIN + others


def events_sql():
    sql = ENTITY
    for keys in data.EVENTS:
        features = FEATURES[:5]
        sql += dataset(f"events_{keys}", features) + view(f"newest_{keys}", f"events_{keys}", features)
    return sql + (
        "CREATE FEATURE SERVICE newest AS SELECT f0, f1, f2, f3, f4 FROM newest_100k;\n"
        "CREATE TRAINING SET large FEATURES newest TIMESTAMP at AS SELECT id, at FROM events_100k;\n"
    )


def windows_sql():
    """The same events as a plain view, and in windows of 30 and 7 days whose edges move by five minutes."""
    events, spans = "events_100k", ("30 days", "7 days")
    cells = ", ".join(
        f"{call} OVER (RANGE INTERVAL '{span}' PRECEDING) AS {name}_{span[:-5]}"
        for span in spans
        for call, name in (("count(*)", "many"), ("avg(f0)", "mean"))
    )
    return (
        ENTITY + dataset(events, FEATURES[:5]) + view("newest", events, FEATURES[:5])
        + "CREATE FEATURE VIEW recent ENTITY thing TIMESTAMP at SLIDE INTERVAL '5 minutes' AS\n"
        + f"  SELECT id, at, {cells} FROM {events};\n"
        + "CREATE FEATURE SERVICE plain AS SELECT f0, f1, f2, f3 FROM newest;\n"
        + "CREATE FEATURE SERVICE windowed AS SELECT many_30, mean_30, many_7, mean_7 FROM recent;\n"
    )


def ticks_sql():
    """What is pushed to: one view that follows row by row."""
    features = FEATURES[:5]
    return (
        ENTITY + dataset("ticks", features) + view("live", "ticks", features)
        + "CREATE FEATURE SERVICE first AS SELECT f0 FROM live;\n"
    )


class Stores:
    """The stores under a folder, and the binary that makes them."""

    def __init__(self, folder, asof):
        self.folder, self.asof = folder, asof

    def config(self, name):
        return self.folder / name / "asof.toml"

    def verb(self, name, *words):
        """One verb over a store; what it printed and how long it took."""
        line = [self.asof, "--config", self.config(name), *words]
        begun = time.perf_counter()
        done = subprocess.run([str(word) for word in line], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, line))}\n{done.stderr}")
        return done.stdout, time.perf_counter() - begun

    def make(self, name, sql, ingests, views, *options):
        """A store with these definitions, datasets and views, unless it is there already."""
        folder = self.folder / name
        stamp = json.dumps([sql, [str(path) for path in ingests.values()], views, self.asof.stat().st_mtime])
        made = folder / "made-for"
        if made.exists() and made.read_text() == stamp:
            return
        print(f"data: store {name}", flush=True)
        subprocess.run(["rm", "-rf", folder], check=True)
        folder.mkdir(parents=True)
        self.config(name).write_text('[project]\nname = "bench"\n\n[store]\nurl = "file:store"\n')
        (folder / "bench.sql").write_text(sql)
        self.verb(name, "apply", folder)
        for dataset_name, path in ingests.items():
            self.verb(name, "ingest", dataset_name, path)
        if views:
            self.verb(name, "materialize", *views, *options)
        made.write_text(stamp)

    def facts(self, keys):
        self.make(f"facts-{keys}", facts_sql(), {"facts": self.folder / f"facts-{keys}.parquet"}, ["whole", *PARTS])
        return f"facts-{keys}"

    def many(self, count):
        self.make(f"views-{count}", many_sql(count), {"facts": self.folder / "facts-100k.parquet"}, ["whole"])
        return f"views-{count}"

    def events(self):
        files = {f"events_{keys}": self.folder / f"events-{keys}.parquet" for keys in data.EVENTS}
        self.make("events", events_sql(), files, [f"newest_{keys}" for keys in data.EVENTS])
        return "events"

    def windows(self):
        """As of the end of the year that the events are of."""
        files = {"events_100k": self.folder / "events-100k.parquet"}
        self.make("windows", windows_sql(), files, ["newest", "recent"], "--at", "2024-12-30T00:00:00Z")
        return "windows"

    def ticks(self):
        """A store whose dataset has the first rows of the facts, so that its view is online."""
        self.make("ticks", ticks_sql(), {"ticks": self.folder / "ticks.parquet"}, ["live"])
        return "ticks"
