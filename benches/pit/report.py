"""Figures as tables, as ratios against goals, and beside those of another run.

    python report.py DATA BEFORE AFTER    what changed between two runs that were saved
"""

import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


# Where the part of RESULTS.md begins that the bench of serving writes.
SERVING = "# Serving: the last figures"


def write(path, text):
    """Puts this bench's part into RESULTS.md; what the other wrote stays."""
    _, title, serving = path.read_text().partition(SERVING) if path.exists() else ("", "", "")
    path.write_text(text + (f"\n{title}{serving}" if title else ""))


def save(data, name, figures):
    folder = data / "figures"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(figures, indent=1))


def table(head, rows):
    """Rows of text as a Markdown table, the columns aligned; all but the first to the right."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    pad = lambda row: [cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths))]
    ruler = ["-" * w if n == 0 else "-" * (w - 1) + ":" for n, w in enumerate(widths)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [pad(head), ruler, *map(pad, rows)])


def tables(cases, figures):
    """Each case as a table: median seconds, the fastest and slowest run, processor time of all threads, peak memory, and
    Asof's share of the seconds."""
    parts = []
    for case in cases:
        found = figures[case.name]
        rows, failures = [], []
        for contender in (c for c in case.contenders if c.label in found):
            label, line = contender.label, found[contender.label]
            if line["failed"]:
                failures.append(f"{label} failed: {line['failed']}")
                continue
            ours = counterpart(case, contender)
            best = found.get(ours, {}).get("seconds")
            share = f"{best / line['seconds']:.2f}" if best else ""
            peak = f"{line['peak_mb']:,.0f}" if line["peak_mb"] else "?"
            spread = f"{min(line['runs']):.3f}–{max(line['runs']):.3f}"
            processor = f"{line['cpu_seconds']:.2f}" if line["cpu_seconds"] is not None else "?"
            lacking = f" ({line['lacking']:,} rows lost)" if line["lacking"] else ""
            rows.append([label + lacking, f"{line['seconds']:.3f}", spread, processor, peak, share])
        head = ["", "seconds", "from–to", "cpu s", "peak MB", "asof's share"]
        parts += [f"**{case.name}**: {case.title}", *([table(head, rows)] if rows else []), *failures]
    return "\n\n".join(parts)


def counterpart(case, rival):
    """The label of Asof's contender with the rival's job, or with its question at least."""
    ours = [c for c in case.contenders if c.tool == "asof" and rival.tool != "asof" and c.job.answer == rival.job.answer]
    return next((c.label for c in sorted(ours, key=lambda c: c.job != rival.job)), None)


def goals(cases, figures):
    """The ratios alone, a line each, and whether each goal is reached."""
    lines = []
    for case in cases:
        found = figures[case.name]
        for goal in case.goals:
            if goal.of in found and (not goal.to or goal.to in found):
                lines.append(f"{case.name}: {verdict(goal, found)}")
    return lines


def verdict(goal, found):
    """What a goal came to: the value, the goal, and whether it was reached."""
    name = goal.of + (f" / {goal.to}" if goal.to else "") + (" peak memory" if goal.what == "peak_mb" else "")
    value = found[goal.of][goal.what]
    against = found[goal.to][goal.what] if goal.to else 1
    if not value or not against:
        return f"{name} (goal ≤ {goal.most:.3g}) {'MISSED: ' + goal.of + ' failed' if not value else 'nothing to compare with'}"
    unit = "" if goal.to else " MB" if goal.what == "peak_mb" else " s"
    reached = "reached" if value / against <= goal.most else "MISSED"
    return f"{name} {value / against:.3g}{unit} (goal ≤ {goal.most:.3g}{unit}) {reached}"


def document(text, goals, options, load):
    """RESULTS.md."""
    lines = "\n".join(f"- {line}" for line in goals)
    return (
        f"# Point-in-time joins: the last figures\n\nMade by `make bench` on {date.today().isoformat()}: medians of "
        f"{options.repeat} runs, each a fresh process, the contenders in turn;\nall results of a case equal, row by row. "
        f"Peak memory is that of the whole process, interpreter included.\n\n{machine()} Load when it began: {load:.1f}.\n\n{versions(options)}\n\n"
        f"{text}\n\n## Goals\n\n{lines}\n"
    )


def machine():
    model = platform.processor() or platform.machine()
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        model = next((value.strip() for name, value in fields.items() if name.strip() == "model name"), model)
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"Machine: {model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}."


def versions(options):
    found = []
    for package in ("duckdb", "polars", "pandas", "pyarrow"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            pass
    if options.feast:
        ask = [options.feast, "-c", "import importlib.metadata as m; print(m.version('feast'))"]
        found.append(f"feast {subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()}")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return f"Versions: asof at {commit.stdout.strip() or 'no commit'}, {', '.join(found)}."


def compare(data, before, after):
    old, new = (json.loads((data / "figures" / f"{name}.json").read_text()) for name in (before, after))
    rows = []
    for case in (case for case in new if case in old):
        for label in (label for label in new[case] if label in old[case]):
            a, b = old[case][label], new[case][label]
            if a["failed"] or b["failed"]:
                continue
            times = [f"{a['seconds']:.3f}", f"{b['seconds']:.3f}", f"{b['seconds'] / a['seconds']:.2f}"]
            peaks = [f"{line['peak_mb']:,.0f}" if line["peak_mb"] else "?" for line in (a, b)]
            rows.append([f"{case}: {label}", *times, *peaks])
    return table(["", f"{before}, s", f"{after}, s", "ratio", "peak MB", "peak MB"], rows)


if __name__ == "__main__":
    print(compare(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
