"""What long work shows while it lasts: a bar on a terminal, with rows read of rows expected, and nothing where nobody looks."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
import unittest
from pathlib import Path

ROWS = 40_000

# What costs is the filter: it must be known of every row, where a feature is computed for the rows that are chosen.
DEFINITIONS = """
CREATE DATASET events (id BIGINT, name VARCHAR, at TIMESTAMP) TIMESTAMP at;
CREATE ENTITY thing KEY (name VARCHAR);
CREATE FEATURE VIEW costly ENTITY thing TIMESTAMP at
AS SELECT name, at, id AS far FROM events
   WHERE levenshtein(repeat(name || id::VARCHAR, 9), repeat(id::VARCHAR || name, 9)) >= 0;
CREATE FEATURE SERVICE things AS SELECT far FROM costly;
CREATE TRAINING SET sets FEATURES things TIMESTAMP at AS SELECT id, name, at FROM events;
"""

# What a terminal does besides showing text: colours, moves, clearing.
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
BAR = re.compile(r"(?P<stage>[a-z][\w@ ]*?) [█▉▊▋▌▍▎▏░ ]+ (?P<done>[\d,]+) of (?P<all>[\d,]+) rows")


def on_a_terminal(command, folder):
    """Runs it with stderr on a terminal of 100 columns: its exit code, stdout, and what the terminal was told."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    told = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not more:
            break
        told += more
    os.close(ours)
    stdout = child.stdout.read()
    child.stdout.close()
    return child.wait(timeout=120), stdout.decode(), CONTROL.sub(b"\n", told).decode(errors="replace")


class Progress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="asof-progress-")
        root = cls.root = Path(cls.folder.name)
        (root / "asof.toml").write_text('[project]\nname = "bars"\n[store]\nurl = "file:store"\n[offline]\nthreads = 2\n')
        (root / "bars.sql").write_text(DEFINITIONS)
        with open(root / "events.csv", "w", encoding="utf-8") as file:
            file.write("id,name,at\n")
            for n in range(ROWS):
                file.write(f"{n},thing{n % 97},2024-03-{1 + n % 28:02}T{n % 24:02}:{n % 60:02}:00Z\n")
        cls.asof("apply")
        cls.asof("ingest", "events", "events.csv")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def asof(cls, *arguments):
        command = [os.environ["ASOF_BIN"], *arguments]
        return subprocess.run(command, cwd=cls.root, capture_output=True, text=True, timeout=120, check=True)

    def bars(self, *arguments, code=0):
        """Runs a verb on a terminal; what its bars showed: stage, rows done, rows in all."""
        ended, _, told = on_a_terminal([os.environ["ASOF_BIN"], *arguments], self.root)
        self.assertEqual(ended, code, told)
        number = lambda text: int(text.replace(",", ""))
        return [(m["stage"].strip(), number(m["done"]), number(m["all"])) for m in BAR.finditer(told)]

    def check(self, bars, stage, expected):
        """The stage was shown, of so many rows in all, and went forward."""
        shown = [(done, total) for name, done, total in bars if name == stage]
        self.assertTrue(shown, f"no bar of {stage!r} among {bars}")
        self.assertEqual({total for _, total in shown}, {expected})
        done = [done for done, _ in shown]
        self.assertEqual(done, sorted(done))
        self.assertTrue(any(0 < d <= expected for d in done), done)

    def test_a_training_run_shows_rows_read_of_rows_expected(self):
        # Those of the spine, and those of the view.
        self.check(self.bars("train", "sets"), "reading", 2 * ROWS)

    def test_piped_there_is_no_bar(self):
        done = self.asof("train", "sets", "--statuses")
        self.assertEqual(done.stderr, "")
        self.assertIn("built", done.stdout)

    def test_the_other_long_verbs_show_theirs(self):
        self.check(self.bars("materialize", "costly"), "finding the keys of costly", ROWS)
        # A sample of moments of the view and of the dataset, the view whole, and the view at four moments.
        self.check(self.bars("verify", "costly", "--leakage", "--samples", "4"), "checking costly@1", 7 * ROWS)

    def test_through_a_server_too(self):
        server = subprocess.Popen(
            [os.environ["ASOF_BIN"], "serve", "--listen", "127.0.0.1:0"], cwd=self.root, stdout=subprocess.PIPE, text=True
        )
        try:
            url = server.stdout.readline().split()[-1]
            bars = self.bars("train", "sets", "--known-at", "2030-01-01", "--server", url)
            self.check(bars, "reading", 2 * ROWS)
        finally:
            server.terminate()
            server.wait(timeout=60)
            server.stdout.close()


if __name__ == "__main__":
    unittest.main()
