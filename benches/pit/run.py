"""Runs cases, in turn and each job in a process of its own, and tells how they compare.

    python run.py DATA --asof BINARY [CASE …] [--repeat 5] [--tools asof,duckdb] [--save NAME] [--results FILE]

In the first round every result is also kept, after the clock has stopped, and held against that of the first contender
with the same question; a result that differs stops the run. A contender that fails, as for want of memory, is out, and the
table says why. Contenders take turns (A B C A B C …), so that a machine
that drifts is as unfair to each. Files have been read before, so they are in the page cache for all.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import equal
import report
from cases import CASES

HERE = Path(__file__).parent


def command(contender, options):
    """How a job is started, without where its result goes."""
    job, tool = contender.job, contender.tool
    match tool:
        case "asof":
            start = [options.asof, job.question]
        case "datafusion":
            start = [options.asof, "sql"]
        case _ if tool.startswith("feast-"):
            start = [options.feast, HERE / "feast_store.py", tool, job.question]
        case _:
            start = [sys.executable, HERE / "rivals.py", tool, job.question]
    spine = options.data / f"spine-{job.spine}.parquet"
    views = [f"--view={path(options.data, job.layout, view)}" for view in job.views]
    return [*start, f"--spine={spine}", *views, *([f"--memory={job.memory}"] if job.memory else [])]


def path(data, layout, view):
    name, at, ttl = view.partition("@")
    if layout == "own":
        return f"{data}/own/datasets/bench/{name.replace('-', '_')}{at}{ttl}"
    return f"{data}/{layout}/{name}.parquet{at}{ttl}"


class Failed(Exception):
    """Why a job was not done."""


def once(contender, options, keep):
    """One run: its measurement, and the folder of its result, or None where nobody asked for it."""
    folder = Path(tempfile.mkdtemp(prefix="result-", dir=options.data))
    line = [str(word) for word in command(contender, options)]
    if contender.job.out == "parquet":
        line.append(f"--out={folder}")
    elif keep:
        line.append(f"--keep={folder}")
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    if done.returncode:
        shutil.rmtree(folder)
        raise Failed(reason(done.stderr) or f"exit code {done.returncode}")
    measurement = json.loads(done.stdout.splitlines()[-1])
    if keep:
        return measurement, folder
    shutil.rmtree(folder)
    return measurement, None


def reason(stderr):
    """The line of a program's complaint that says what happened: not its traceback, its warnings or its advice."""
    idle = ("Traceback", " ", "\t")
    return next((line for line in stderr.splitlines() if line and not line.startswith(idle) and "Warning" not in line), "")


def measure(case, options):
    """The case's contenders in turn; {label: the summary of its runs}."""
    contenders = [c for c in case.contenders if not options.tools or c.tool in options.tools]
    figures = {contender.label: {"runs": [], "cpu": [], "peaks": [], "lacking": 0, "failed": ""} for contender in contenders}
    answers = {}
    try:
        for number in range(options.repeat):
            for contender in contenders:
                figure = figures[contender.label]
                if not figure["failed"]:
                    turn(contender, options, figure, answers, keep=number == 0)
    finally:
        for _, folder in answers.values():
            shutil.rmtree(folder)
    for figure in figures.values():
        done = not figure["failed"]
        figure["seconds"] = statistics.median(figure["runs"]) if done else None
        processor = [seconds for seconds in figure.pop("cpu") if seconds is not None]
        figure["cpu_seconds"] = statistics.median(processor) if processor and done else None
        peaks = [peak for peak in figure.pop("peaks") if peak]
        figure["peak_mb"] = max(peaks) / 1e6 if peaks and done else None
    return figures


def turn(contender, options, figure, answers, keep):
    """One run, noted in the contender's figure; its result is checked if it is kept."""
    try:
        measurement, result = once(contender, options, keep)
    except Failed as reason:
        figure["failed"] = str(reason)
        print(f"  {contender.label:<18}   failed: {reason}", flush=True)
        return
    figure["runs"].append(measurement["seconds"])
    figure["cpu"].append(measurement["cpu_seconds"])
    figure["peaks"].append(measurement["peak_bytes"])
    print(f"  {contender.label:<18} {measurement['seconds']:8.3f} s", flush=True)
    if result:
        figure["lacking"] = check(contender, result, answers)


def check(contender, result, answers):
    """Holds a result against the first one of the same question, row by row; how many rows it lacks, if it may."""
    first = answers.setdefault(contender.job.answer, (contender.label, result))
    if first[1] is result:
        return 0
    try:
        return equal.check(first[1], result, f"{first[0]} and {contender.label}", contender)
    finally:
        shutil.rmtree(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(case.name for case in CASES))
    parser.add_argument("--asof", required=True, help="the binary asof-bench-pit")
    parser.add_argument("--feast", help="the Python that has Feast; without it, Feast is left out")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--tools", type=lambda text: text.split(","), default=[], help="only these, as asof,duckdb")
    parser.add_argument("--save", default="last", help="the name under which figures are kept, for `compare`")
    parser.add_argument("--results", type=Path, help="write the tables to this file too")
    options = parser.parse_intermixed_args()
    unknown = set(options.cases) - {case.name for case in CASES}
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}")
    chosen = [case for case in CASES if case.name in options.cases or not options.cases]
    if not options.feast:
        chosen = [case for case in chosen if case.name != "feast"]
    figures, load = {}, os.getloadavg()[0]
    for case in chosen:
        print(f"{case.name}: {case.title}", flush=True)
        figures[case.name] = measure(case, options)
        report.save(options.data, options.save, figures)
    text = report.tables(chosen, figures)
    print(f"\n{text}\n")
    goals = report.goals(chosen, figures)
    if options.results:
        report.write(options.results, report.document(text, goals, options, load))
    print("\n".join(goals))


if __name__ == "__main__":
    main()
