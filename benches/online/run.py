"""Runs cases and tells how they compare: servers and clients are processes that share the machine.

    python run.py DATA --tools BINARY --asof BINARY [CASE …] [--repeat 5] [--seconds 5] [--save NAME] [--results FILE]
"""

import argparse
import os
from pathlib import Path

import report
from cases import CASES, Bench, Goal, Result
from contenders import Tools
from project import Stores


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--tools", type=Path, required=True, help="the binary asof-bench-online")
    parser.add_argument("--asof", type=Path, required=True, help="the binary asof, of the same build")
    parser.add_argument("--feast", type=Path, help="the Python that has Feast and Redis; without it, Feast is left out")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the rows and of the keys, as `data.py` had it")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long one measurement lasts")
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--save", default="last", help="the name under which figures are kept, for `compare`; cases kept there before stay")
    parser.add_argument("--results", type=Path, help="write the tables into this file, in place of those of former runs")
    options = parser.parse_intermixed_args()
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    chosen = [name for name in CASES if name in options.cases or not options.cases]
    if not options.feast:
        chosen = [name for name in chosen if name != "feast"]
    bench, load = Bench(Tools(options.tools), Stores(options.data, options.asof), options), os.getloadavg()[0]
    results = report.load_saved(options.data, options.save, Result, Goal)
    for name in chosen:
        print(f"{name}", flush=True)
        results[name] = CASES[name](bench)
        results[name].commit = report.commit()
        for goal in results[name].goals:
            print(f"  {report.verdict(goal)}", flush=True)
        report.save(options.data, options.save, results)
    results = {name: results[name] for name in CASES if name in results}
    print(f"\n{report.tables(results)}\n")
    print(report.goals(results))
    if options.results:
        report.write(options.results, results, options, load)


if __name__ == "__main__":
    main()
