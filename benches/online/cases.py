"""What is measured. A case is a function of the bench that gives lines for its table and the goals that they must reach.

Contenders take turns (A B C A B C …) and every figure is a median, so that a machine that drifts is as unfair to each. The
**floor** of a request is a bare tonic reply of the same bytes and a raw RocksDB multi-get of the same rows, one after the
other, both measured in the same turns: at full load as so many requests a second of each on the same two
cores, for latency as the sum of both.

Asof reads from RocksDB, except where copies in memory are what is measured.
"""

import contextlib
import itertools
import re
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import contenders
import data
from project import PARTS


@dataclass
class Goal:
    """A ratio of figures, and what it must be."""

    what: str
    value: float
    least: float | None = None
    most: float | None = None


@dataclass
class Result:
    """A case's table and goals."""

    title: str
    head: list
    rows: list = field(default_factory=list)
    goals: list = field(default_factory=list)
    # What was measured.
    commit: str = ""


class Bench:
    """What all cases need: the tools, the stores, and how long and how often to measure."""

    def __init__(self, tools, stores, options):
        self.tools, self.stores, self.options = tools, stores, options
        self.span = ["--seconds", options.seconds, "--warm-up", options.warm_up]
        self.keys = {"100k": self.scaled(100_000), "2m": self.scaled(2_000_000), "1m": self.scaled(1_000_000)}

    def scaled(self, number):
        return max(10, round(number * self.options.scale))

    def shape(self, keys, rows, *words):
        return ["--entities", self.keys[keys], "--rows", rows, *words]

    def turns(self, contenders_):
        """Each contender in turn, several times; {name: {figure: median}}."""
        seen = defaultdict(list)
        for _ in range(self.options.repeat):
            for name, measure in contenders_.items():
                seen[name].append(measure())
        medians = {}
        for name, runs in seen.items():
            medians[name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
            rates = [run.get("rate", 0) for run in runs]
            print(f"  {name:<14} " + " ".join(f"{key}={value:,.1f}" for key, value in medians[name].items() if "us" in key or key == "rate"), f"({min(rates):,.0f}–{max(rates):,.0f})", flush=True)
        return medians

    def load(self, server, shape, *words):
        """A load upon a server; also what the server used of the processors for each request."""

        def measure():
            before = server.cpu_seconds()
            seen = self.tools.call("load", "--server", server.address, *shape, *self.span, *words)
            total = seen["requests"] * (1 + self.options.warm_up / self.options.seconds)
            return seen | {"server_us": (server.cpu_seconds() - before) / max(total, 1) * 1e6}

        return measure

    def raw(self, store, views, shape, threads):
        words = [word for view in views for word in ("--view", view)]
        folder = self.stores.folder / store / "store"
        return lambda: self.tools.call("raw", "--store", folder, *words, *shape, "--threads", threads, *self.span)

    @contextlib.contextmanager
    def both(self, store, shape, features, *words, copies=()):
        """Asof and a bare service with the same reply, which was checked first."""
        with tempfile.TemporaryDirectory() as folder, contenders.asof(self.stores, store, copies=copies) as server:
            reply = Path(folder) / "reply"
            self.tools.call("ask", "--server", server.address, *shape, *words, "--features", features, "--keep", reply)
            with self.tools.bare(reply) as bare:
                yield server, bare


def figures(name, seen, share=""):
    cells = [f"{seen['rate']:,.0f}", f"{seen['p50_us']:,.0f}", f"{seen['p99_us']:,.0f}"]
    return [name, *cells, f"{seen['server_us']:.1f}" if "server_us" in seen else "", share]


HEAD = ["", "requests/s", "p50 µs", "p99 µs", "server cpu µs", "share of floor"]


def throughput(bench, keys, rows, least, *, store=None, views=("whole",), service="plain", features=50, parameters=()):
    """Requests a second with 8 connections and 64 calls in flight, against the floor."""
    store = store or bench.stores.facts(keys)
    asks = ["--service", service, *(word for name in parameters for word in ("--parameter", name))]
    shape = bench.shape(keys, rows)
    with bench.both(store, shape, features, *asks) as (server, bare):
        seen = bench.turns({
            "asof": bench.load(server, shape, *asks),
            "bare": bench.load(bare, shape, *asks),
            "raw": bench.raw(store, views, shape, 2),
        })
    floor = 1 / (1 / seen["bare"]["rate"] + 1 / seen["raw"]["rate"])
    share = seen["asof"]["rate"] / floor
    entities = "1 entity" if rows == 1 else f"{rows} entities"
    result = Result(f"{service}, {entities} of {bench.keys[keys]:,}, 8 connections, 64 in flight", HEAD)
    result.rows = [
        figures("asof", seen["asof"], f"{share:.2f}"),
        figures(f"bare reply of {seen['bare']['reply_bytes']:,.0f} bytes", seen["bare"]),
        figures("raw multi-get, 2 threads", seen["raw"]),
        ["floor", f"{floor:,.0f}", "", "", "", ""],
    ]
    result.goals = [Goal("requests/s, share of the floor", share, least=least)]
    return result


def copied(bench, keys, rows):
    """The same out of a copy in memory, against the bare reply alone and against reading from RocksDB."""
    store, shape = bench.stores.facts(keys), bench.shape(keys, rows)
    # One after the other: a store is one server's alone.
    with contenders.asof(bench.stores, store) as server:
        seen = bench.turns({"rocksdb": bench.load(server, shape)})
    with bench.both(store, shape, 50, copies=["whole"]) as (server, bare):
        seen |= bench.turns({"copied": bench.load(server, shape), "bare": bench.load(bare, shape)})
    share, times = seen["copied"]["rate"] / seen["bare"]["rate"], seen["rocksdb"]["server_us"] / seen["copied"]["server_us"]
    entities = "1 entity" if rows == 1 else f"{rows} entities"
    title = f"plain, {entities} of {bench.keys[keys]:,} from memory, 8 connections, 64 in flight"
    result = Result(title, [*HEAD[:-1], "share of bare", "server cpu, times less than RocksDB's"])
    result.rows = [
        [*figures("asof, from memory", seen["copied"], f"{share:.2f}"), f"{times:.1f}"],
        [*figures("asof, from RocksDB", seen["rocksdb"]), ""],
        [*figures(f"bare reply of {seen['bare']['reply_bytes']:,.0f} bytes", seen["bare"]), ""],
    ]
    if rows == 1:
        result.goals = [Goal("requests/s, share of the bare reply's", share, least=0.8)]
    else:
        result.goals = [Goal("requests per second of server cpu, times those from RocksDB", times, least=8)]
    return result


def latency(bench, keys):
    """One connection, one call at a time."""
    store, shape, one = bench.stores.facts(keys), bench.shape(keys, 1), ["--connections", 1, "--in-flight", 1, "--threads", 1]
    with bench.both(store, shape, 50) as (server, bare):
        seen = bench.turns({
            "asof": bench.load(server, shape, *one),
            "bare": bench.load(bare, shape, *one),
            "raw": bench.raw(store, ["whole"], shape, 1),
        })
    floor = {at: seen["bare"][at] + seen["raw"][at] for at in ("p50_us", "p99_us")}
    ratio = {at: seen["asof"][at] / floor[at] for at in floor}
    result = Result(f"plain, 1 entity of {bench.keys[keys]:,}, 1 connection, 1 in flight", [*HEAD[:-1], "times the floor"])
    result.rows = [
        figures("asof", seen["asof"], f"{ratio['p50_us']:.2f}, {ratio['p99_us']:.2f}"),
        figures("bare reply", seen["bare"]),
        figures("raw multi-get, 1 thread", seen["raw"]),
        ["floor", "", f"{floor['p50_us']:,.0f}", f"{floor['p99_us']:,.0f}", "", ""],
    ]
    result.goals = [Goal("p50, times the floor's", ratio["p50_us"], most=1.3), Goal("p99, times the floor's", ratio["p99_us"], most=1.5)]
    return result


def inside(bench, keys):
    """Without a wire, on two threads, at one and at a hundred entities."""
    store = bench.stores.facts(keys)
    result = Result(f"in process, {bench.keys[keys]:,} entities, 2 threads", ["", "lookups/s", "p50 µs", "p99 µs", "share of raw"])
    for rows in (1, 100):
        shape = bench.shape(keys, rows)
        asked = ["inside", "--config", bench.stores.config(store), *shape, "--threads", 2, *bench.span]
        seen = bench.turns({"asof": lambda asked=asked: bench.tools.call(*asked), "raw": bench.raw(store, ["whole"], shape, 2)})
        share = seen["asof"]["lookups"] / seen["raw"]["lookups"]
        for name in ("asof", "raw"):
            line = seen[name]
            cells = [f"{line['lookups']:,.0f}", f"{line['p50_us']:,.1f}", f"{line['p99_us']:,.1f}"]
            result.rows.append([f"{name}, {rows} at a time", *cells, f"{share:.2f}" if name == "asof" else ""])
        result.goals.append(Goal(f"lookups/s, share of raw, {rows} at a time", share, least=0.8))
    return result


def push(bench):
    """One row each from 64 clients, durable before the reply, against as many threads that write to RocksDB with a sync; and how
    long until a row that was pushed is served."""
    store, entities = bench.stores.ticks(), bench.keys["100k"]
    clients = ["--entities", entities, "--clients", 64, *bench.span]

    def pushes(*words):
        # What is pushed stays in the store, so each turn begins with the same rows.
        subprocess.run(["rm", "-rf", bench.stores.folder / store], check=True)
        bench.stores.ticks()
        with contenders.asof(bench.stores, store) as server:
            return bench.tools.call("push", "--server", server.address, *clients, *words)

    def synced():
        with tempfile.TemporaryDirectory(dir=bench.stores.folder) as folder:
            return bench.tools.call("synced", "--folder", Path(folder) / "db", "--threads", 64, *bench.span)

    seen = bench.turns({"asof": pushes, "rocksdb": synced, "visible": lambda: pushes("--service", "first")})
    share = seen["asof"]["rate"] / seen["rocksdb"]["rate"]
    later = seen["visible"]["visible_p99_us"] / seen["visible"]["p99_us"]
    result = Result("push, one row each from 64 clients, synced before the reply", ["", "pushes/s", "p50 µs", "p99 µs", "share"])
    result.rows = [
        [*figures("asof", seen["asof"])[:4], f"{share:.2f}"],
        [*figures("RocksDB, 64 threads, synced batches", seen["rocksdb"])[:4], ""],
        [*figures("asof, with a look after each push", seen["visible"])[:4], ""],
        ["pushed to served", "", f"{seen['visible']['visible_p50_us']:,.0f}", f"{seen['visible']['visible_p99_us']:,.0f}", ""],
    ]
    result.goals = [
        Goal("pushes/s, share of RocksDB's group commit", share, least=0.6),
        Goal("p99 from push to served, times the push's own p99", later, most=2.0),
    ]
    return result


def windows(bench):
    """Windows of 30 and 7 days over five-minute hops against the newest row of the same events, one call at a time."""
    store, shape, one = bench.stores.windows(), bench.shape("100k", 1), ["--connections", 1, "--in-flight", 1, "--threads", 1]
    # A day after what was materialized: 2024-12-31T12:00:00Z.
    at = ["--at", 1_735_646_400_000_000]
    seen = {}
    for name, copies in (("RocksDB", []), ("memory", ["newest", "recent"])):
        with contenders.asof(bench.stores, store, copies=copies) as server:
            load = lambda service: bench.load(server, [*shape, "--service", service, *at], *one)
            seen |= bench.turns({f"plain, {name}": load("plain"), f"windowed, {name}": load("windowed")})
    result = Result("windows of 30 and 7 days over 5-minute hops, 1 entity, 1 connection", [*HEAD[:-1], "times plain"])
    for name in ("RocksDB", "memory"):
        ratio = seen[f"windowed, {name}"]["p50_us"] / seen[f"plain, {name}"]["p50_us"]
        result.rows += [figures(f"plain, from {name}", seen[f"plain, {name}"]), figures(f"windowed, from {name}", seen[f"windowed, {name}"], f"{ratio:.2f}")]
        result.goals.append(Goal(f"p50, times a plain view's, from {name}", ratio, most=3.0))
    return result


def views(bench):
    """The same request where ten views are defined and where ten thousand are."""
    shape, one = bench.shape("100k", 1), ["--connections", 1, "--in-flight", 1, "--threads", 1]
    few, many = (bench.stores.many(count) for count in (10, bench.scaled(10_000)))
    with contenders.asof(bench.stores, few) as first, contenders.asof(bench.stores, many) as second:
        seen = bench.turns({few: bench.load(first, shape, *one), many: bench.load(second, shape, *one)})
    result = Result("plain, 1 entity, 1 connection, by how many views are defined", HEAD[:-1])
    result.rows = [figures(name, seen[name])[:-1] for name in (few, many)]
    ratio = seen[many]["p50_us"] / seen[few]["p50_us"]
    result.goals = [Goal("p50 with many views, times that with ten", ratio, least=0.95, most=1.05)]
    return result


def feast(bench):
    """Feast's Python server over Redis, 8 connections of one call each; Asof likewise."""
    store = bench.stores.facts("100k")
    result = Result("Feast 0.67, Python server on Redis, 8 connections, 8 in flight", ["", "requests/s", "p50 µs", "p99 µs", "asof's times"])
    script = Path(__file__).parent / "feast_store.py"
    facts = bench.stores.folder / "facts-100k.parquet"
    with (
        tempfile.TemporaryDirectory() as folder,
        contenders.asof(bench.stores, store) as server,
        contenders.feast(bench.options.feast, script, folder, facts) as rival,
    ):
        for rows, least in ((1, 60), (100, 100)):
            shape, eight = bench.shape("100k", rows), ["--connections", 8, "--in-flight", 8]
            seen = bench.turns({
                "asof": bench.load(server, shape, *eight),
                "feast": bench.load(rival, shape, *eight, "--protocol", "feast"),
            })
            times = seen["asof"]["rate"] / seen["feast"]["rate"]
            for name in ("asof", "feast"):
                share = f"{times:.0f}" if name == "asof" else ""
                result.rows.append([f"{name}, entities per request: {rows}", *figures(name, seen[name])[1:4], share])
            result.goals.append(Goal(f"requests/s, times Feast's, {rows} at a time", times, least=least))
    return result


def json_against_grpc(bench):
    """The same request as JSON over HTTP/1.1, whose connections have one call in flight, and over gRPC."""
    store, shape = bench.stores.facts("100k"), bench.shape("100k", 1)
    result = Result("plain, 1 entity, JSON over HTTP/1.1 against gRPC", [*HEAD[:-1], "share of gRPC"])
    with contenders.asof(bench.stores, store) as server:
        for in_flight in (8, 64):
            grpc = ["--connections", 8, "--in-flight", in_flight]
            http = ["--connections", in_flight, "--in-flight", in_flight, "--protocol", "json"]
            seen = bench.turns({"grpc": bench.load(server, shape, *grpc), "json": bench.load(server, shape, *http)})
            share = seen["json"]["rate"] / seen["grpc"]["rate"]
            for name in ("grpc", "json"):
                label = f"{name}, {in_flight} in flight, {seen[name]['reply_bytes']:,.0f} bytes"
                result.rows.append(figures(label, seen[name], f"{share:.2f}" if name == "json" else ""))
            result.goals.append(Goal(f"requests/s, share of gRPC's, {in_flight} in flight", share, least=0.5))
    return result


def materialize(bench):
    """Ten million events to the newest of each key: everything from Parquet to visible, against its unavoidable parts."""
    store, result = bench.stores.events(), Result("full materialization of 10M events with 5 features", ["", "seconds", "events/s", "times the least"])
    columns = [word for name in ("id", "at", "f0", "f1", "f2", "f3", "f4") for word in ("--column", name)]
    for keys in ("100k", "1m"):
        view = f"newest_{keys}"
        folder = bench.stores.folder / store / "store"
        files = sorted((folder / "datasets/bench" / f"events_{keys}").rglob("*.parquet"))
        least = ["sorted", "--store", folder, "--view", view, *columns, *files]
        seen = bench.turns({
            "asof": lambda view=view: {"seconds": bench.stores.verb(store, "materialize", view, "--full")[1]},
            "least": lambda least=least: bench.tools.call(*least),
        })
        events, ratio = seen["least"]["events"], seen["asof"]["seconds"] / seen["least"]["seconds"]
        parts = f"columns {seen['least']['reading']:.2f} s, sorted rows {seen['least']['writing']:.2f} s"
        for name, label in (("asof", f"asof, to {bench.keys[keys]:,} keys"), ("least", f"the least: {parts}")):
            seconds = seen[name]["seconds"]
            result.rows.append([label, f"{seconds:.2f}", f"{events / seconds:,.0f}", f"{ratio:.2f}" if name == "asof" else ""])
        result.goals.append(Goal(f"seconds to {bench.keys[keys]:,} keys, times the least", ratio, most=1.6))
        if keys == "100k" and bench.options.feast:
            with tempfile.TemporaryDirectory() as scratch:
                # The first events are of as many keys: no rival would get further in a reasonable time.
                rows = bench.keys[keys]
                script, source = Path(__file__).parent / "feast_store.py", bench.stores.folder / "events-100k.parquet"
                rate = feast_materialize(bench.options.feast, script, scratch, source, rows)
            result.rows.append([f"feast to Redis, {rows:,} events of as many keys", f"{rows / rate:.2f}", f"{rate:,.0f}", ""])
            result.goals.append(Goal("events/s, times Feast's", events / seen["asof"]["seconds"] / rate, least=100))
    return result


def increments(bench):
    """One hundredth of the events more: what was added alone, against everything again."""
    store, result = bench.stores.events(), Result("materialization of 100,000 events more than 10M, with 5 features", ["", "seconds", "times quicker"])
    # The same content is let in once.
    forget_events(bench, store)
    for keys in ("100k", "1m"):
        view, dataset, numbers = f"newest_{keys}", f"events_{keys}", itertools.count()

        def added(view=view, dataset=dataset, keys=keys, numbers=numbers):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "more.parquet"
                data.more_events(path, bench.keys[keys], bench.scaled(100_000), next(numbers))
                bench.stores.verb(store, "ingest", dataset, path)
            said, seconds = bench.stores.verb(store, "materialize", view)
            if "what was added" not in said:
                raise SystemExit(f"this was to be an increment: {said}")
            return {"seconds": seconds}

        seen = bench.turns({"added": added, "whole": lambda view=view: {"seconds": bench.stores.verb(store, "materialize", "--full", view)[1]}})
        for name, label in (("added", f"what was added, to {bench.keys[keys]:,} keys"), ("whole", "everything again")):
            ratio = f"{seen['whole']['seconds'] / seen['added']['seconds']:.1f}" if name == "added" else ""
            result.rows.append([label, f"{seen[name]['seconds']:.2f}", ratio])
    forget_events(bench, store)
    return result


def feast_materialize(python, script, folder, source, rows):
    import json

    line = [str(word) for word in (python, script, folder, "materialize", source, rows)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return rows / json.loads(done.stdout.splitlines()[-1])["seconds"]


def training(bench):
    """The tail at a fixed rate, idle and while a training set of 10M rows is built by the same server."""
    store, rate = bench.stores.events(), 2_000
    shape = bench.shape("100k", 1, "--service", "newest", "--rate", rate)
    result = Result(f"newest, 1 entity, {rate:,} requests/s, while a training set of 10M rows is built", HEAD[:-1])
    idle, busy = [], []
    for _ in range(bench.options.repeat):
        # A training set is built once for the same inputs, so each turn begins with a store that has none.
        forget_events(bench, store)
        with contenders.asof(bench.stores, store) as server:
            idle.append(bench.load(server, shape)())
            line = [str(bench.stores.asof), "--server", f"http://{server.address}", "--project", "bench", "train", "large"]
            work = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(0.5)
            busy.append(bench.load(server, shape)())
            if work.poll() is not None:
                print(f"  the training set was done before the load ended: {work.stderr.read()}", flush=True)
            work.terminate()
            work.wait()
    medians = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in (("idle", idle), ("training", busy))}
    result.rows = [figures(name, seen)[:-1] for name, seen in medians.items()]
    print(f"  idle {medians['idle']['p99_us']:.0f} µs, training {medians['training']['p99_us']:.0f} µs (p99)", flush=True)
    result.goals = [Goal("p99 while training, times that of an idle server", medians["training"]["p99_us"] / medians["idle"]["p99_us"], most=2.0)]
    return result


def forget_events(bench, store):
    subprocess.run(["rm", "-rf", bench.stores.folder / store], check=True)
    bench.stores.events()


def instructions(bench):
    """Instructions of one request in process, by callgrind: the difference of two runs of other lengths."""
    result = Result("instructions of one request in process (callgrind)", ["", "instructions"])
    store = bench.stores.facts("100k")
    for rows in (1, 100):
        few, many = (counted(bench, store, rows, count) for count in (50, 150))
        result.rows.append([f"plain, entities: {rows}", f"{(many - few) / 100:,.0f}"])
        print(f"  {rows}: {result.rows[-1][1]}", flush=True)
    return result


def counted(bench, store, rows, count):
    line = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    line += bench.tools.line("inside", "--config", bench.stores.config(store), *bench.shape("100k", rows), "--count", count)
    done = subprocess.run(line, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{' '.join(line)}\n{done.stderr}")
    return int(found[1])


CASES = {
    "one-100k": lambda bench: throughput(bench, "100k", 1, 0.70),
    "one-2m": lambda bench: throughput(bench, "2m", 1, 0.70),
    "latency-100k": lambda bench: latency(bench, "100k"),
    "latency-2m": lambda bench: latency(bench, "2m"),
    "hundred-100k": lambda bench: throughput(bench, "100k", 100, 0.65),
    "hundred-2m": lambda bench: throughput(bench, "2m", 100, 0.65),
    "five-hundred-100k": lambda bench: throughput(bench, "100k", 500, 0.65),
    "five-hundred-2m": lambda bench: throughput(bench, "2m", 500, 0.65),
    "composed-100k": lambda bench: throughput(
        bench, "100k", 100, 0.55, views=tuple(PARTS), service="composed", features=53, parameters=("amount",)
    ),
    "inside-100k": lambda bench: inside(bench, "100k"),
    "inside-2m": lambda bench: inside(bench, "2m"),
    "copied-one-100k": lambda bench: copied(bench, "100k", 1),
    "copied-one-2m": lambda bench: copied(bench, "2m", 1),
    "copied-hundred-100k": lambda bench: copied(bench, "100k", 100),
    "copied-hundred-2m": lambda bench: copied(bench, "2m", 100),
    "push": push,
    "windows": windows,
    "views": views,
    "json": json_against_grpc,
    "feast": feast,
    "materialize": materialize,
    "increments": increments,
    "training": training,
    "instructions": instructions,
}
