"""Figures as tables, as ratios against goals, and beside those of another run.

    python report.py DATA BEFORE AFTER    what changed between two runs that were saved
"""

import importlib.util
import json
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

# How tables are drawn and the machine is named is the same for all benches.
PIT = importlib.util.spec_from_file_location("pit_report", Path(__file__).parent.parent / "pit" / "report.py")
pit = importlib.util.module_from_spec(PIT)
PIT.loader.exec_module(pit)

# Where this bench's part of RESULTS.md begins; it goes to the end of the file.
TITLE = pit.SERVING
# Kept by hand: one program prints it, and nothing is compared.
LINEAGE = "# Lineage: the last figures"


def verdict(goal):
    """What a goal came to."""
    wanted = [f"≥ {goal.least:g}"] if goal.least is not None else []
    wanted += [f"≤ {goal.most:g}"] if goal.most is not None else []
    low = goal.least is not None and goal.value < goal.least
    high = goal.most is not None and goal.value > goal.most
    return f"{goal.what}: {goal.value:.3g} (goal {' and '.join(wanted)}) {'MISSED' if low or high else 'reached'}"


def tables(results):
    return "\n\n".join(f"**{name}**: {result.title} (at {result.commit})\n\n{pit.table(result.head, result.rows)}" for name, result in results.items())


def goals(results):
    return "\n".join(f"- {name}: {verdict(goal)}" for name, result in results.items() for goal in result.goals)


def save(data, name, results):
    folder = data / "figures"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({case: asdict(result) for case, result in results.items()}, indent=1))


def load_saved(data, name, result, goal):
    """The cases that were measured before under this name."""
    path = data / "figures" / f"{name}.json"
    cases = json.loads(path.read_text()) if path.exists() else {}
    return {case: result(**line | {"goals": [goal(**g) for g in line["goals"]]}) for case, line in cases.items()}


def commit():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() or "no commit"


def write(path, results, options, load):
    """Puts this bench's part into RESULTS.md; what comes before and after it stays."""
    before, _, own = path.read_text().partition(f"\n{TITLE}") if path.exists() else ("", "", "")
    _, title, lineage = own.partition(LINEAGE)
    text = (
        f"{TITLE}\n\nMade by `make bench BENCH=online` on {date.today().isoformat()}: medians of {options.repeat} runs of "
        f"{options.seconds:g} seconds after {options.warm_up:g} of warm-up,\nthe contenders in turn, servers and clients on the same cores. "
        f"Each case says at which commit it was measured last.\n\n{pit.machine()} Load when it began: {load:.1f}.\n\n"
        "The floor of a request is a bare tonic reply of the same bytes and a raw RocksDB multi-get of the same rows, both measured in the same\n"
        "turns: at full load as many of either as both cores can do one after the other, for latency the sum.\n\n"
        f"{tables(results)}\n\n## Goals of serving\n\n{goals(results)}\n"
    )
    path.write_text(f"{before.rstrip()}\n\n{text}".lstrip() + (f"\n{title}{lineage}" if title else ""))


def compare(data, before, after):
    old, new = (json.loads((data / "figures" / f"{name}.json").read_text()) for name in (before, after))
    rows = []
    for case in (case for case in new if case in old):
        for a, b in zip(old[case]["goals"], new[case]["goals"]):
            rows.append([f"{case}: {b['what']}", f"{a['value']:.3g}", f"{b['value']:.3g}"])
    return pit.table(["", before, after], rows)


if __name__ == "__main__":
    print(compare(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
