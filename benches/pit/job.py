"""What is to be joined, and how: the options that every rival takes, and the line each prints when it is done."""

import argparse
import json
import time
from pathlib import Path

MICROSECONDS = {"h": 3_600_000_000, "d": 86_400_000_000}


class View:
    """A view's rows, in a Parquet file or in those of a dataset's folder, and how long they count, in microseconds."""

    def __init__(self, text):
        path, _, ttl = text.partition("@")
        self.path = Path(path)
        self.files = str(self.path / "*.parquet") if self.path.is_dir() else path
        self.by_time = self.path.parent.name == "time"
        self.ttl = int(ttl[:-1]) * MICROSECONDS[ttl[-1]] if ttl else None
        # As `data.py` names them.
        self.features = [f"{self.path.name[0]}{n}" for n in range(5)]


def parse(doc, tools, questions):
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("tool", choices=tools)
    parser.add_argument("question", choices=questions)
    parser.add_argument("--spine", required=True)
    parser.add_argument("--view", dest="views", type=View, action="append", required=True)
    parser.add_argument("--memory", help="as 256MB; by default what the tool takes")
    parser.add_argument("--partitions", type=int, default=2, help="threads")
    parser.add_argument("--out", type=Path, help="write the result to Parquet in this folder")
    parser.add_argument("--keep", type=Path, help="once the clock has stopped, write the result there")
    options = parser.parse_args()
    for folder in (options.out, options.keep):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    return options


def measure(options, work):
    """Does the work, prints what it took, then keeps the result if that was asked for."""
    start, processor = time.perf_counter(), time.process_time()
    result = work()
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    print(json.dumps({"seconds": seconds, "cpu_seconds": processor, "peak_bytes": peak()}), flush=True)
    if options.keep:
        write(result, options.keep / "result.parquet")


def peak():
    """The most memory this process ever had resident, or None where the system does not tell. `getrusage` would
    also count what the parent had before the exec."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def write(result, path):
    """Whatever kind of table it is."""
    if hasattr(result, "write_parquet"):
        result.write_parquet(path)
    elif hasattr(result, "to_parquet"):
        result.to_parquet(path, index=False)
    else:
        import pyarrow.parquet as pq

        pq.write_table(result, path)
