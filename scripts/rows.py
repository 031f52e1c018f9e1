"""Run the tests that `docs/rows.toml` names, write `docs/coverage.md`, and count what works.

    python scripts/rows.py            run the tests, write the page, print `rows: N of 98 work`
    python scripts/rows.py --check    run nothing: exit with 1 if the table is wrong or the page old

A row that claims to work must name functions that are there and tests that pass.
"""

import argparse
import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "rows.toml"
PAGE = ROOT / "docs" / "coverage.md"
RESULTS = ROOT / "docs" / "results.md"
NUM_ROWS = 98
FIELDS = {"system", "kind", "state", "has", "tests", "measured", "lacks"}

OPENING = """\
# Coverage

Every system that this package set out to have: the paper itself (A), the work it cites (B) and the
wider field (C). Written by `make rows` from `docs/rows.toml`, after running the tests it names; a
claim without a passing test fails that command.

*Works*: what the system is said to do is shown by tests, and where it takes more training than a
test has time for, by a section of the [results](results.md). *In part*: usable, with what is
missing said. An empty state: to come.
"""

Rows = Mapping[str, Mapping[str, Any]]


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description="Run the tests of docs/rows.toml and count.")
    parser.add_argument("--check", action="store_true", help="run and write nothing")
    check = parser.parse_args().check
    rows: Rows = tomllib.loads(TABLE.read_text("utf-8"))
    if faults := [fault for name, row in rows.items() for fault in faults_of(name, row)]:
        print("\n".join(faults), file=sys.stderr)
        return 1
    if len(rows) != NUM_ROWS:
        print(f"{TABLE.name}: expected {NUM_ROWS} rows, found {len(rows)}", file=sys.stderr)
        return 1
    page = written(rows)
    if check:
        if not PAGE.exists() or PAGE.read_text("utf-8") != page:
            print(f"{PAGE.name} is not what {TABLE.name} says; run make rows", file=sys.stderr)
            return 1
        return 0
    tests = sorted({test for row in rows.values() for test in row.get("tests", [])})
    # Whatever is marked slow is run too: a claim is a claim.
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not gpu", *tests]
    if ended := subprocess.run(command, cwd=ROOT, check=False).returncode:
        print(f"{PAGE.name} is left as it was: a test that {TABLE.name} names failed")
        return ended
    PAGE.write_text(page, "utf-8")
    print(f"rows: {num_working(rows)} of {len(rows)} work")
    return 0


def num_working(rows: Rows) -> int:
    """How many rows claim to work whole."""
    return sum(row.get("state") == "works" for row in rows.values())


def faults_of(name: str, row: Mapping[str, Any]) -> list[str]:
    """What is wrong with one row, each fault a line that says where."""
    found: list[str] = [f"unknown field {field!r}" for field in row.keys() - FIELDS]
    found += [f"no {field!r}" for field in ("system", "kind") if not row.get(field)]
    state = row.get("state")
    if state not in {None, "works", "part"}:
        found.append(f"expected state 'works' or 'part', found {state!r}")
    if state is None:
        found += [f"{field!r} without a state" for field in ("has", "tests") if field in row]
    else:
        found += [
            f"{state!r} without {field!r}" for field in ("has", "tests") if not row.get(field)
        ]
    if (state == "part") != ("lacks" in row):
        found.append("'lacks' belongs to every row that works in part, and to no other")
    found += [f"there is no {name!r}" for name in row.get("has", []) if not is_there(name)]
    found += [f"no test {test!r}" for test in row.get("tests", []) if not is_test(test)]
    if (section := row.get("measured")) and section not in sections():
        found.append(f"{RESULTS.name} has no section #{section}")
    return [f"{TABLE.name}, {name}: {fault}" for fault in found]


def is_there(name: str) -> bool:
    """Whether a name is a dotted one of the package, or a file of the project."""
    if (ROOT / name).is_file():
        return True
    module, _, attribute = name.rpartition(".")
    try:
        return module.startswith("jurist") and hasattr(importlib.import_module(module), attribute)
    except ImportError:
        return False


def is_test(node: str) -> bool:
    """Whether a test's name is of a file, or of a function in it."""
    file, _, function = node.partition("::")
    path = ROOT / file
    if not (path.is_file() and path.name.startswith("test_")):
        return False
    if not function:
        return True
    found = ast.parse(path.read_text("utf-8")).body
    return any(isinstance(one, ast.FunctionDef) and one.name == function for one in found)


def sections() -> set[str]:
    """Anchors of the headings of the results page, as its links have them."""
    headings = re.findall(r"^#{1,3} (.+)$", RESULTS.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def written(rows: Rows) -> str:
    """The page."""
    count = f"**{num_working(rows)} of {len(rows)} work.**"
    lines = [OPENING, count, "", "| # | system | kind | state | what is here | shown by |"]
    lines.append("|---|---|---|---|---|---|")
    for name, row in rows.items():
        state = {"works": "works", "part": "in part"}.get(row.get("state", ""), "")
        has = ", ".join(f"`{one.removeprefix('jurist.')}`" for one in row.get("has", []))
        shown = [f"`{test.removeprefix('tests/')}`" for test in row.get("tests", [])]
        if section := row.get("measured"):
            shown.append(f"[results](results.md#{section})")
        if lacks := row.get("lacks"):
            has += f". Lacking: {lacks}"
        cells = (name, row["system"], row["kind"], state, has, ", ".join(shown))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
