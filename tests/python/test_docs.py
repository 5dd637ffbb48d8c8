"""The documents say what is there: tests named by ARCHITECTURE.md exist, error codes are explained."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Documents(unittest.TestCase):
    def test_every_invariant_names_tests_that_exist(self):
        lines = [l for l in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if l.startswith("- **Invariant:**")]
        self.assertTrue(lines)
        for line in lines:
            if "`make lint`" in line:
                continue
            file, *tests = re.findall(r"`([a-z_/0-9.-]+\.(?:rs|py)|[a-z_0-9]+)`", line[line.index("`") :])
            self.assertTrue(tests, line)
            source = (ROOT / file).read_text()
            for test in tests:
                self.assertRegex(source, rf"\b(fn|def) {test}\(", f"{file} has no test {test}")

    def test_every_link_leads_somewhere(self):
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("sql/*/*.md")]:
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}")


if __name__ == "__main__":
    unittest.main()
