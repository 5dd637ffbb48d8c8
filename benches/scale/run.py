"""What the size of a project costs: starting, planning, applying and asking, by the binary that is shipped.

Whole processes, since that is what is waited for: `asof plan` and `asof apply` of 1,000 definitions, `asof serve` with 10,000 views
from its start to the first answer, and both with a million runs on record. Projects are made anew in a temporary folder. Prints a
table of medians; with --results FILE it is written there, too, in the place of an earlier one. Only Python's own library is used.
"""

import argparse
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import date
from pathlib import Path

TITLE = "# Scale: the last figures"
FEATURES = 5


def definitions(views: int, services: int, change: str = "") -> str:
    """A dataset and an entity for every hundred views, services over three views each; 1,000 in all with 890 and 92."""
    text = []
    groups = max(1, views // 100)
    columns = ", ".join(f"v{n} DOUBLE" for n in range(FEATURES))
    for group in range(groups):
        text.append(f"CREATE DATASET events_{group} (k{group} BIGINT, ts TIMESTAMP, {columns}) TIMESTAMP ts;")
        text.append(f"CREATE ENTITY thing_{group} KEY (k{group} BIGINT);")
    for view in range(views):
        group = view % groups
        features = ", ".join(f"v{n} * {view + 1}{change} AS f{view}_{n}" for n in range(FEATURES))
        text.append(
            f"CREATE FEATURE VIEW view_{view} ENTITY thing_{group} TIMESTAMP ts AS SELECT k{group}, ts, {features} FROM events_{group};"
        )
    for service in range(services):
        read = [(service * 3 + n) % views for n in range(3)]
        outputs = ", ".join(f"f{view}_0" for view in dict.fromkeys(read))
        text.append(
            f"CREATE FEATURE SERVICE service_{service} AS SELECT {outputs} FROM "
            + ", ".join(f"view_{view}" for view in dict.fromkeys(read))
            + ";"
        )
    return "\n".join(text) + "\n"


class Project:
    """A folder with an asof.toml."""

    def __init__(self, binary: Path, folder: Path):
        self.binary, self.folder = binary, folder
        folder.mkdir()
        (folder / "asof.toml").write_text('[project]\nname = "scale"\n\n[server]\nlisten = "127.0.0.1:0"\n')

    def write(self, text: str) -> None:
        (self.folder / "all.sql").write_text(text)

    def took(self, *args: str) -> float:
        """Seconds of a whole process that must succeed."""
        start = time.perf_counter()
        done = subprocess.run([self.binary, *args], cwd=self.folder, capture_output=True, text=True)
        took = time.perf_counter() - start
        if done.returncode != 0:
            sys.exit(f"asof {' '.join(args)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return took

    def ready(self) -> float:
        """Seconds from the start of `asof serve` until it says where it listens."""
        start = time.perf_counter()
        server = subprocess.Popen(
            [self.binary, "serve"], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        try:
            for line in server.stdout:
                said.append(line)
                if re.search(r"127\.0\.0\.1:\d+", line):
                    return time.perf_counter() - start
            sys.exit("asof serve: " + "".join(said))
        finally:
            server.terminate()
            server.wait()

    def runs(self, many: int) -> None:
        """That many runs of an ingest, put into the catalog as it would have recorded them."""
        self.took("promote", "view_0", "--to", "staging", "--skip-gates", "--why", "a run to copy")
        db = sqlite3.connect(self.folder / ".asof" / "catalog.db")
        body, project, started = db.execute(
            "SELECT body, project, started FROM run WHERE verb = 'promote' ORDER BY started LIMIT 1"
        ).fetchone()
        copied = json.loads(body)
        identity = uuid.UUID(copied["id"]).int
        job = "ingest.events_0"
        with db:
            for number in range(many):
                run, then = str(uuid.UUID(int=identity + number + 1)), started - many + number
                outputs = [{"item": "snapshot", "dataset": "events_0", "number": number}]
                told = {**copied, "id": run, "verb": "ingest", "started": then, "finished": then, "inputs": [], "outputs": outputs}
                db.execute(
                    "INSERT INTO run (id, project, verb, state, started, body, job, finished) VALUES (?, ?, 'ingest', 'done', ?, ?, ?, ?)",
                    (run, project, then, json.dumps(told), job, then),
                )
                db.execute(
                    "INSERT INTO run_item VALUES (?, 'output', 0, 'snapshot', ?, 'events_0', NULL, ?, ?)",
                    (run, project, number, f"snapshot:events_0@{number}"),
                )
            db.execute("INSERT INTO job VALUES (?, ?, ?, ?, ?)", (project, job, many, many, started - many))
        db.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--asof", type=Path, required=True, help="the release binary")
    arguments.add_argument("--repeat", type=int, default=5)
    arguments.add_argument("--runs", type=int, default=1_000_000)
    arguments.add_argument("--views", type=int, default=10_000)
    arguments.add_argument("--results", type=Path)
    options = arguments.parse_args()
    binary = options.asof.resolve()
    rows: list[tuple[str, list[float], float | None]] = []

    def measure(what: str, goal: float | None, work) -> None:
        took = [work(turn) for turn in range(options.repeat)]
        rows.append((what, took, goal))
        print(f"{what:<60} {statistics.median(took) * 1e3:>10.0f} ms", flush=True)

    with tempfile.TemporaryDirectory(prefix="asof-scale-") as folder:
        base = Path(folder)
        fresh = iter(range(1_000_000))

        def of(text: str) -> Project:
            project = Project(binary, base / str(next(fresh)))
            project.write(text)
            return project

        thousand = definitions(890, 94)
        applied = of(thousand)
        measure("plan of 1,000 new definitions", 1.0, lambda _: of(thousand).took("plan"))
        measure("apply of 1,000 new definitions", 1.0, lambda _: of(thousand).took("apply"))
        applied.took("apply")
        measure("plan of 1,000 that are there", 1.0, lambda _: applied.took("plan"))

        def changed(turn: int) -> float:
            applied.write(definitions(890, 94, f".{turn + 1}"))
            return applied.took("apply")

        measure("apply of 1,000 of which all views and services changed", 1.0, changed)
        large = of(definitions(options.views, 100))
        print(f"apply of {options.views:,} views, once: {large.took('apply'):.1f} s", flush=True)
        small = of(definitions(10, 5))
        small.took("apply")
        measure("serve with 10 views, from start to ready", 0.1, lambda _: small.ready())
        measure(f"serve with {options.views:,} views, from start to ready", 0.1, lambda _: large.ready())
        large.runs(options.runs)
        many = f"{options.runs:,} runs"
        measure(f"the same with {many} on record", 0.1, lambda _: large.ready())
        measure(f"log of the last 20 of {many}", None, lambda _: large.took("log", "--limit", "20"))
        applied.runs(options.runs)
        measure(f"plan of 1,000 that changed, with {many} on record", 1.0, lambda _: (applied.write(thousand), applied.took("plan"))[1])
    if options.results:
        write(options.results, rows)


def write(results: Path, rows: list[tuple[str, list[float], float | None]]) -> None:
    made = f"Made by `make bench BENCH=scale` on {date.today()}: medians of {len(rows[0][1])} whole processes each."
    table = [TITLE, "", made, "", "| whole process | median ms | worst ms | goal ms |", "| --- | ---: | ---: | ---: |"]
    for what, took, goal in rows:
        wanted = "" if goal is None else f"{goal * 1e3:,.0f}"
        table.append(f"| {what} | {statistics.median(took) * 1e3:,.0f} | {max(took) * 1e3:,.0f} | {wanted} |")
    table.append("")
    for what, took, goal in ((what, statistics.median(took), goal) for what, took, goal in rows if goal is not None):
        table.append(f"- {what}: {took:.3f} s (goal ≤ {goal:g} s) {'reached' if took <= goal else 'MISSED'}")
    text = results.read_text() if results.exists() else ""
    before = text.split(TITLE)[0].rstrip()
    rest = re.split(r"(?m)^# ", text.split(TITLE)[1], maxsplit=1)[1:] if TITLE in text else []
    after = "\n\n# " + rest[0] if rest else "\n"
    results.write_text(before + "\n\n" + "\n".join(table) + after)


if __name__ == "__main__":
    os.environ.pop("ASOF_SERVER", None)
    main()
