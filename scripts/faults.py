"""Run every test of a fault, write the table of `docs/reliability.md`, and count what passes.

    python scripts/faults.py            run them at full size, write, print `rows: N of 26`
    python scripts/faults.py --check    run nothing: exit with 1 if the table names what no test has

A test says what it injects with `@pytest.mark.fault(ROW, PART, ...)`, and tells numbers with the
fixture `figure`.
"""

import argparse
import ast
import json
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "faults.toml"
PAGE = ROOT / "docs" / "reliability.md"
NUM_ROWS = 26
NO_TESTS = 5
"""What pytest ends with if it found none."""

FIELDS = {"fault", "expected", "parts"}
MARKS = ("<!-- faults -->", "<!-- end of faults -->")
DISTRIBUTED = ("seconds", "milliseconds", "mib", "ratio", "percent")
"""Units whose values are shown by median, 95th percentile and maximum; all others are counted."""

Rows = Mapping[str, Mapping[str, Any]]
Found = Mapping[str, Any]
"""One test's outcome: `test`, `outcome`, `faults` (pairs of row and part), `figures` (pairs)."""


def main() -> int:
    """Write the table, or check what it names."""
    parser = argparse.ArgumentParser(description="Run every test of a fault, and count the rows.")
    parser.add_argument("--check", action="store_true", help="run and write nothing")
    arguments, passed_on = parser.parse_known_args()
    rows: Rows = tomllib.loads(TABLE.read_text("utf-8"))
    marks = marked(ROOT)
    if faults := list(faults_of(rows, marks)):
        print("\n".join(faults), file=sys.stderr)
        return 1
    if arguments.check:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        ended = 0
        found: list[Found] = []
        # Those that measure times first, with nothing beside them. Of the others many wait.
        for processes, only in (("0", "fault and alone"), ("4", "fault and not alone")):
            record = Path(folder) / f"{processes}.jsonl"
            record.touch()
            command = [sys.executable, "-m", "pytest", "-q", "-n", processes, "--dist=worksteal"]
            command += ["-m", f"{only} and not gpu", "--full", f"--record-faults={record}"]
            command += passed_on or files(marks)
            status = subprocess.run(command, cwd=ROOT, check=False).returncode
            # Of a part of the tests, either half may have none.
            ended = ended or (0 if passed_on and status == NO_TESTS else status)
            found += [json.loads(line) for line in record.read_text("utf-8").splitlines()]
        seconds = time.monotonic() - started
    passing = [name for name, row in rows.items() if not lacking(name, row, found)]
    if passed_on:
        print("part of the tests was asked for: the page is left as it was")
    else:
        replace(PAGE, written(rows, found, seconds))
    for name, row in rows.items():
        for fault in lacking(name, row, found):
            print(f"row {name}: {fault}")
    print(f"rows: {len(passing)} of {len(rows)}")
    return ended or int(len(passing) < len(rows))


def faults_of(rows: Rows, marks: Mapping[tuple[int, str], Sequence[str]]) -> Iterator[str]:
    """What is wrong with the table, each a line that says where."""
    if list(rows) != [str(number) for number in range(1, NUM_ROWS + 1)]:
        yield f"{TABLE.name}: expected rows 1 to {NUM_ROWS}, found {', '.join(rows)}"
    known: set[tuple[int, str]] = set()
    for name, row in rows.items():
        if row.keys() != FIELDS or not row["parts"]:
            yield f"{TABLE.name}, {name}: expected {', '.join(sorted(FIELDS))}"
            continue
        known |= {(int(name), part) for part in row["parts"]}
    for (number, part), tests in marks.items():
        if (number, part) not in known:
            yield f"{tests[0]}: fault({number}, {part!r}) is not in {TABLE.name}"
    for number, part in sorted(known - marks.keys()):
        yield f"{TABLE.name}, {number}: no test is marked fault({number}, {part!r})"


def marked(root: Path) -> dict[tuple[int, str], list[str]]:
    """Rows and parts that tests are marked with, and the tests."""
    found: dict[tuple[int, str], list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "pytest.mark.fault":
                continue
            number, *parts = map(ast.literal_eval, node.args)
            for part in parts:
                found[number, part].append(f"{path.relative_to(root)}:{node.lineno}")
    return found


def files(marks: Mapping[tuple[int, str], Sequence[str]]) -> list[str]:
    """Where the tests of faults are: to collect all others takes longer than many a fault."""
    return sorted({place.rpartition(":")[0] for places in marks.values() for place in places})


def lacking(name: str, row: Mapping[str, Any], found: Sequence[Found]) -> list[str]:
    """Why a row does not pass; nothing if it does."""
    of_row = [one for one in found if int(name) in {number for number, _ in one["faults"]}]
    reasons = [f"{one['test']} {one['outcome']}" for one in of_row if one["outcome"] != "passed"]
    shown = {part for one in of_row for number, part in one["faults"] if number == int(name)}
    return reasons + [f"no test of {part!r} ran" for part in row["parts"] if part not in shown]


def figures_of(found: Sequence[Found]) -> dict[str, str]:
    """Every figure that tests told, as it is shown: counts added up, measures by their spread."""
    values: dict[str, list[float]] = defaultdict(list)
    for one in found:
        for name, value in one["figures"]:
            values[name].append(value)
    return {name: _shown(name, values[name]) for name in sorted(values)}


def _shown(name: str, values: list[float]) -> str:
    if name.rpartition("_")[2] not in DISTRIBUTED:
        return f"{sum(values):,.0f}"
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"median {statistics.median(ordered):.3g}, p95 {p95:.3g}, max {ordered[-1]:.3g}" + (
        f" (n = {len(ordered)})"
    )


def written(rows: Rows, found: Sequence[Found], seconds: float) -> str:
    """The table with its figures."""
    lines = ["| # | fault | expected | shown by | passes |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        number = int(name)
        tests = {one["test"] for one in found if number in {each for each, _ in one["faults"]}}
        shown = f"{len(tests)} tests: {', '.join(row['parts'])}"
        passes = "no" if lacking(name, row, found) else "yes"
        lines.append(f"| {name} | {row['fault']} | {row['expected']} | {shown} | {passes} |")
    lines += ["", "| figure | value |", "|---|---|"]
    lines += [
        f"| {name.replace('_', ' ')} | {value} |" for name, value in figures_of(found).items()
    ]
    passing = sum(not lacking(name, row, found) for name, row in rows.items())
    num = len({one["test"] for one in found})
    lines += ["", f"{num} tests in {seconds / 60:.1f} minutes."]
    lines += ["", f"rows: {passing} of {len(rows)}"]
    return "\n".join(lines)


def replace(page: Path, table: str) -> None:
    """Put the table between its marks."""
    before, opening, rest = page.read_text("utf-8").partition(MARKS[0])
    _, closing, after = rest.partition(MARKS[1])
    if not closing:
        raise SystemExit(f"{page}: expected {' and '.join(MARKS)}, between which the table goes")
    page.write_text(f"{before}{opening}\n\n{table}\n\n{closing}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
