"""The bar of faults: what passes, what is lacking, and how its numbers are shown."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
faults = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "faults.py"), run_name="faults"))

ROW = {"fault": "x", "expected": "y", "parts": ["one", "two"]}


def found(test: str, outcome: str, *parts: str, number: int = 3, figures=()):
    return {
        "test": test,
        "outcome": outcome,
        "faults": [(number, part) for part in parts],
        "figures": figures,
    }


def test_a_row_passes_if_every_part_has_a_test_that_passed():
    assert (
        faults.lacking("3", ROW, [found("a", "passed", "one"), found("b", "passed", "two")]) == []
    )
    assert faults.lacking("3", ROW, [found("a", "passed", "one", "two")]) == []


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([], ["no test of 'one' ran", "no test of 'two' ran"]),
        ([found("a", "passed", "one")], ["no test of 'two' ran"]),
        ([found("a", "passed", "one", "two"), found("b", "failed", "two")], ["b failed"]),
        ([found("a", "skipped", "one", "two")], ["a skipped"]),
        (
            [found("a", "passed", "one", "two", number=4)],
            ["no test of 'one' ran", "no test of 'two' ran"],
        ),
    ],
)
def test_a_row_does_not_pass_on_less(tests, said):
    assert faults.lacking("3", ROW, tests) == said


def test_counts_are_added_up_and_measures_are_spread():
    tests = [
        found("a", "passed", "one", figures=[("kills", 20), ("recovery_seconds", 1.0)]),
        found("b", "passed", "two", figures=[("kills", 30), ("recovery_seconds", 3.0)]),
    ]
    assert faults.figures_of(tests) == {
        "kills": "50",
        "recovery_seconds": "median 2, p95 3, max 3 (n = 2)",
    }


def test_the_table_and_the_marks_of_the_tests_have_to_agree():
    rows = {str(number): {**ROW, "parts": ["one"]} for number in range(1, 27)}
    marks = {(number, "one"): ["test_x.py:1"] for number in range(1, 27)}
    assert list(faults.faults_of(rows, marks)) == []
    assert list(faults.faults_of(rows, {**marks, (9, "two"): ["test_y.py:2"]})) == [
        "test_y.py:2: fault(9, 'two') is not in faults.toml"
    ]
    del marks[7, "one"]
    assert list(faults.faults_of(rows, marks)) == [
        "faults.toml, 7: no test is marked fault(7, 'one')"
    ]
    del rows["26"]
    assert "expected rows 1 to 26" in next(faults.faults_of(rows, marks))


def test_the_page_holds_the_table_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{faults.MARKS[0]}\nold\n{faults.MARKS[1]}\nafter\n", "utf-8")
    rows = {"3": ROW}
    tests = [found("a", "passed", "one", "two", figures=[("kills", 20)])]
    faults.replace(page, faults.written(rows, tests, 90.0))
    text = page.read_text("utf-8")
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| 3 | x | y | 1 tests: one, two | yes |" in text
    assert "| kills | 20 |" in text
    assert "1 tests in 1.5 minutes.\n\nrows: 1 of 1\n" in text
    for lacking in ("no marks", faults.MARKS[0], faults.MARKS[1]):
        page.write_text(lacking, "utf-8")
        with pytest.raises(SystemExit, match="between which the table goes"):
            faults.replace(page, "table")
        assert page.read_text("utf-8") == lacking


PYTEST = """
import json, pathlib, sys, tomllib
(record,) = (one.partition("=")[2] for one in sys.argv if one.startswith("--record-faults="))
rows = tomllib.loads(pathlib.Path("docs/faults.toml").read_text("utf-8"))
alone = "fault and alone and not gpu" in sys.argv
with open(record, "a") as file:
    for name, row in rows.items() if alone else ():
        faults = [[int(name), part] for part in row["parts"]]
        line = {"test": name, "outcome": "passed", "faults": faults, "figures": []}
        file.write(json.dumps(line) + "\\n")
sys.exit(0 if alone else CODE)
"""


@pytest.mark.parametrize(("code", "ended"), [(0, 0), (5, 0), (1, 1), (2, 2)])
def test_tests_that_could_not_be_run_are_no_success(tmp_path, code, ended):
    """Though every part has another test that passed. Of a part of the tests, half may be none."""
    (tmp_path / "pytest.py").write_text(PYTEST.replace("CODE", str(code)))
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "faults.py"), "tests/x.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert "rows: 26 of 26" in done.stdout, done.stderr
    assert done.returncode == ended


@pytest.mark.slow
def test_what_tests_of_faults_show_is_recorded_by_every_process(tmp_path):
    """Of two processes, as `make faults` has them."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = fault\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.fault(1, 'one', 'two')\n"
        "def test_a(figure, size): figure('kills', size(2, 5))\n"
        "@pytest.mark.fault(2, 'three')\n"
        "def test_b(): pytest.skip('not here')\n"
        "def test_c(): pass\n"
    )
    record = tmp_path / "record.jsonl"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--full"]
    done = subprocess.run(
        [*command, f"--record-faults={record}", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = sorted(map(faults.json.loads, record.read_text("utf-8").splitlines()), key=str)
    assert [(one["outcome"], one["faults"], one["figures"]) for one in lines] == [
        ("passed", [[1, "one"], [1, "two"]], [["kills", 5]]),
        ("skipped", [[2, "three"]], []),
    ]
