"""docs/errors.md explains every stable error code of the sources, and no other; a code has one kind.

A code is looked for where it is written as a literal:

- given to a function or closure that has a parameter named `code`: `Error::new(kind, "bad_value", …)`,
  `invalid("bad_value")`;
- in a tuple for `let (kind, code) = match …`, or in a field `code: "more_errors"`.

What stands in such a place without being a literal fails the test: it could not be held against the document. The kind
is read where it stands beside the code, or is the only one in the function or closure that the code is given to.
"""

import pathlib
import re
import unittest
from http import HTTPStatus
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = "docs/errors.md"
# Generated code, and tests: nobody is told the codes that they make up.
LEFT_OUT = {"generated", "tests", "tests.rs", "suite"}

LITERAL = r"""r(?P<hashes>#*)".*?"(?P=hashes)|"(?:[^"\\]|\\.)*"|'(?:[^'\\\n]|\\.)'"""
LITERAL_OR_COMMENT = re.compile(rf"(?s)(?P<literal>{LITERAL})|//[^\n]*|/\*.*?\*/")
LITERAL_OR_SIGN = re.compile(rf"(?s){LITERAL}|[][(){{}},]")
TEST_MODULE = re.compile(r"(?ms)^#\[cfg\(test\)\]\s+mod \w+ \{.*?^\}")
# An `impl`, whose functions stand indented below it, or a function.
FUNCTION = re.compile(
    r"(?m)^impl\b[^{]*?(?P<owner>\w+)(?:<[^{]*>)? \{"
    r"|^(?P<indent> *)(?:(?:pub|pub\(\w+\)|async|const) )*fn (?P<name>\w+)[^(]*\((?P<parameters>[^)]*)\)"
)
CLOSURE = re.compile(r"\blet (\w+) = (?:move )?\|([^|]*)\|([^;]*);")
KIND = re.compile(r"\bKind::(\w+)|\bErrorKind::(\w+)")
TUPLE = re.compile(r"\blet \(([\w\s,]*\bcode\b[\w\s,]*)\) =")
SNAKE_CASE = re.compile(r"[a-z]+(_[a-z0-9]+)*")
# Passed on from a parameter, or from another error: read where it is given first.
PASSED_ON = re.compile(r"code|\w+\.code\(\)")


class Mention(NamedTuple):
    """What is given as a code, as it is written, and where; its kind, if that can be seen."""

    written: str
    place: str
    kind: str | None


class Taker(NamedTuple):
    """What takes a code: its place among the parameters, and the one kind that it gives errors, if there is one."""

    index: int
    kind: str | None


def read(path):
    """A source without comments and test modules; its lines keep their numbers."""
    blank = lambda text: "\n" * text.count("\n")
    text = LITERAL_OR_COMMENT.sub(lambda m: m["literal"] or blank(m[0]), path.read_text())
    return TEST_MODULE.sub(lambda m: blank(m[0]), text)


def elements(text, start):
    """What stands between the commas of the parenthesis that was opened just before `start`, and where."""
    depth, found = 0, []
    for match in LITERAL_OR_SIGN.finditer(text, start):
        sign = match[0]
        if depth == 0 and sign in ",)":
            element = text[start : match.start()]
            found.append((element.strip(), match.start() - len(element.lstrip())))
            if sign == ")":
                return found
            start = match.end()
        depth += (sign in "([{") - (sign in ")]}")
    return found


def index_of_code(parameters):
    """The place of `code` among parameters, not counting `self`."""
    names = [p.split(":")[0].strip() for p in parameters.split(",")]
    names = [n for n in names if n not in ("self", "&self", "mut self", "&mut self")]
    return names.index("code") if "code" in names else None


def only_kind(text):
    """The one kind that a text names."""
    kinds = {a or b for a, b in KIND.findall(text)}
    return kinds.pop() if len(kinds) == 1 else None


def functions(text):
    """The functions of a file that take a code, by the name that they are called by."""
    owner = ""
    for match in FUNCTION.finditer(text):
        if match["owner"]:
            owner = match["owner"]
        elif (index := index_of_code(match["parameters"])) is not None:
            body = text[match.end() :].split(f"\n{match['indent']}}}\n")[0]
            name = f"{owner}::{match['name']}" if match["indent"] else match["name"]
            yield name, Taker(index, only_kind(body))


def given(text, takers):
    """Everything that a file gives as a code, where, and its kind."""
    takers = dict(takers)
    for name, parameters, body in CLOSURE.findall(text):
        if (index := index_of_code(parameters)) is not None:
            takers[name] = Taker(index, only_kind(body))
    for alias in re.findall(r"\bError as (\w+)", text):
        takers[f"{alias}::new"] = takers["Error::new"]
    for name, (index, kind) in takers.items():
        for call in re.finditer(rf"(?<!fn )(?<![.\[])(?<!\bio::)\b{name}\(", text):
            all_given = elements(text, call.end())
            beside = only_kind(" ".join(written for written, _ in all_given[:index]))
            for written, at in all_given[index : index + 1]:
                yield written, at, beside or kind
    for names in TUPLE.findall(text):
        width, index = names.count(",") + 1, index_of_code(names)
        for opens in re.finditer(r"(?:=>|[={;])\s*\(", text):
            found = elements(text, opens.end())
            if len(found) == width and found[index][0].startswith('"'):
                yield *found[index], only_kind(" ".join(written for written, _ in found))
    for field in re.finditer(r'\bcode: ("[^"]*")', text):
        yield field[1], field.start(), None


def mentions():
    """Every place of the sources where a code is given."""
    files = {}
    for path in sorted((ROOT / "crates").glob("*/src/**/*.rs")):
        if LEFT_OUT.isdisjoint(path.relative_to(ROOT).parts):
            files[str(path.relative_to(ROOT))] = read(path)
    takers = dict(taker for text in files.values() for taker in functions(text))
    return [
        Mention(written, f"{file}:{text.count(chr(10), 0, at) + 1}", kind)
        for file, text in files.items()
        for written, at, kind in given(text, takers)
    ]


class Errors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        found = mentions()
        cls.codes = [m._replace(written=m.written.strip('"')) for m in found if m.written.startswith('"')]
        cls.others = [m for m in found if not m.written.startswith('"')]
        cls.lines = (ROOT / PAGE).read_text().splitlines()
        headings = ((re.match(r"## `(.*)`$", line), number) for number, line in enumerate(cls.lines, 1))
        cls.entries = [(heading[1], number) for heading, number in headings if heading]

    def refuse(self, problems):
        """Fails with all problems, one a line."""
        if problems := sorted(set(problems)):
            self.fail("\n" + "\n".join(problems))

    def test_every_code_can_be_read(self):
        self.assertGreater(len({m.written for m in self.codes}), 100, "the sources are not understood any more")
        unread = [m for m in self.others if not PASSED_ON.fullmatch(m.written)]
        ugly = [m for m in self.codes if not SNAKE_CASE.fullmatch(m.written)]
        self.refuse(
            [f"{m.place}: the code is given as `{m.written}`: write a literal" for m in unread]
            + [f"{m.place}: the code `{m.written}` is not snake_case" for m in ugly]
        )

    def test_a_code_has_one_kind(self):
        """A caller who knows the code knows whose turn it is."""
        kinds = {}
        for code, place, kind in self.codes:
            if kind:
                kinds.setdefault(code, {}).setdefault(kind, place)
        self.assertGreater(len(kinds), 100, "the kinds are not understood any more")
        self.refuse(
            f"the code `{code}` is " + ", ".join(f"{kind} at {place}" for kind, place in places.items())
            for code, places in kinds.items()
            if len(places) > 1
        )

    def test_every_code_is_explained(self):
        explained = {code for code, _ in self.entries}
        missing = [m for m in self.codes if m.written not in explained]
        self.refuse(f"{m.place}: the code `{m.written}` has no entry in {PAGE}" for m in missing)

    def test_every_entry_is_of_a_code(self):
        given = {m.written for m in self.codes}
        stale = [(code, number) for code, number in self.entries if code not in given]
        self.refuse(f"{PAGE}:{number}: the sources have no code `{code}`" for code, number in stale)

    def test_entries_stand_once_and_in_order(self):
        pairs = zip(self.entries, self.entries[1:])
        wrong = [(after, number, before) for (before, _), (after, number) in pairs if before >= after]
        self.refuse(f"{PAGE}:{number}: `{after}` cannot stand after `{before}`" for after, number, before in wrong)

    def test_every_entry_says_something(self):
        below = lambda number: "".join(self.lines[number + 1 : number + 2])  # a blank line lies between
        bare = [(code, number) for code, number in self.entries if below(number).strip()[:1] in ("", "#")]
        self.refuse(f"{PAGE}:{number}: the entry `{code}` is empty" for code, number in bare)

    def test_kinds_have_the_statuses_of_the_server(self):
        told = re.findall(r"(?m)^\| ([a-z ]+) \|.*\| `([A-Z_]+)` \| (\d+) \|$", (ROOT / PAGE).read_text())
        source = (ROOT / "crates/server/src/codes.rs").read_text()
        words = lambda name, between: re.sub(r"(?<=[a-z])(?=[A-Z])", between, name)
        pairs = re.findall(r"ErrorKind::(\w+) => Code::(\w+)", source)
        grpc = {words(kind, " ").lower(): words(code, "_").upper() for kind, code in pairs}
        self.assertEqual({kind: code for kind, code, _ in told}, grpc, PAGE)
        arms = re.findall(r"((?:ErrorKind::\w+(?: \| )?)+) => StatusCode::(\w+)", source)
        http = {
            words(kind, " ").lower(): str(HTTPStatus[status].value)
            for kinds, status in arms
            for kind in re.findall(r"ErrorKind::(\w+)", kinds)
        }
        self.assertEqual({kind: status for kind, _, status in told}, http, PAGE)


if __name__ == "__main__":
    unittest.main()
