"""Who is measured: processes that are started, asked and ended."""

import contextlib
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path


class Tools:
    """The binary `asof-bench-online`: every call prints one line of JSON."""

    def __init__(self, binary):
        self.binary = binary

    def line(self, *words):
        return [str(self.binary), *(str(word) for word in words)]

    def call(self, *words):
        done = subprocess.run(self.line(*words), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(self.line(*words))}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    @contextlib.contextmanager
    def bare(self, reply):
        """Where a service listens that answers with these bytes."""
        process = subprocess.Popen(self.line("bare", "--reply", reply), stdout=subprocess.PIPE, text=True)
        with ending(process):
            yield Server(json.loads(process.stdout.readline())["listening"], process)


class Server:
    """A server that runs."""

    def __init__(self, address, process):
        self.address, self.process = address, process

    def cpu_seconds(self):
        """What it has used of the processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def asof(stores, name, *, copies=(), quiet=True):
    """`asof serve` over a store: out of RocksDB, or, once they are made, out of copies of these views in memory."""
    line = [str(stores.asof), "--config", str(stores.config(name)), "serve", "--listen", "127.0.0.1:0"]
    settings = os.environ | {"ASOF_ONLINE_MEMORY": "4GiB" if copies else "0"}
    log = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, stderr=log, env=settings)
    with ending(process):
        server = Server(process.stdout.readline().strip().rpartition("http://")[2], process)
        for view in copies:
            wait_for_copy(stores, server, view)
        yield server


def wait_for_copy(stores, server, view, patience=120):
    """Until a view is read from memory."""
    until = time.monotonic() + patience
    line = [str(stores.asof), "--server", f"http://{server.address}", "--project", "bench", "show", view, "--output", "json"]
    while True:
        shown = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
        if shown["online"]["copied"]:
            return
        if time.monotonic() > until:
            raise SystemExit(f"{view} is not copied into memory")
        time.sleep(0.2)


@contextlib.contextmanager
def feast(python, script, folder, facts):
    """Feast's Python server over Redis, once it answers."""
    line = [str(python), str(script), str(folder), "fill", str(facts)]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = json.loads(process.stdout.readline())["listening"]
        wait_for(f"http://{address}/get-online-features", {"feature_service": "plain", "entities": {"id": [0]}})
        yield Server(address, process)
    finally:
        process.stdin.close()
        process.wait()


def wait_for(url, body, patience=60):
    """Until a server answers: one that only listens may still close connections."""
    until = time.monotonic() + patience
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
            return
        if time.monotonic() > until:
            raise SystemExit(f"nobody answers at {url}")
        time.sleep(0.2)


@contextlib.contextmanager
def ending(process):
    try:
        yield
    finally:
        process.terminate()
        process.wait()
