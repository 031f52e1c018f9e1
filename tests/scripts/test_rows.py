"""The table of systems: its claims name what is there, and the page says what the table says."""

import runpy
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
rows = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "rows.py"), run_name="rows"))

FINE = {
    "system": "x",
    "kind": "y",
    "state": "works",
    "has": ["jurist.types.user"],
    "tests": ["tests/test_types.py"],
    "measured": "results",
}


def test_the_table_has_every_system_and_the_page_is_of_the_table(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rows", "--check"])
    assert rows.main() == 0, capsys.readouterr().err
    table = tomllib.loads((ROOT / "docs" / "rows.toml").read_text("utf-8"))
    named = [f"A{i}" for i in range(1, 13)] + [f"B{i}" for i in range(1, 25)]
    assert list(table) == named + [f"C{i}" for i in range(1, 63)]


def test_a_row_that_is_fine_has_no_fault():
    assert rows.faults_of("A1", FINE) == []
    assert rows.faults_of("A1", {"system": "x", "kind": "y"}) == []
    assert rows.faults_of("A1", {**FINE, "has": ["scripts/rows.py"]}) == []
    assert rows.num_working({"A1": FINE, "A2": {**FINE, "state": "part"}, "A3": {}}) == 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"tests": []}, "'works' without 'tests'"),
        ({"has": []}, "'works' without 'has'"),
        ({"tests": ["tests/test_types.py::test_nothing_of_the_kind"]}, "no test 'tests/test_t"),
        ({"tests": ["tests/test_none.py"]}, "no test 'tests/test_none.py'"),
        ({"has": ["jurist.types.nobody"]}, "there is no 'jurist.types.nobody'"),
        ({"has": ["os.path"]}, "there is no 'os.path'"),
        ({"measured": "no-such-heading"}, "has no section #no-such-heading"),
        ({"state": "nearly"}, "found 'nearly'"),
        ({"state": "part"}, "'lacks' belongs to every row that works in part"),
        ({"lacks": "much"}, "'lacks' belongs to every row that works in part"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"system": ""}, "no 'system'"),
    ],
)
def test_a_row_that_claims_what_is_not_there_is_refused(change, fault):
    found = rows.faults_of("A1", {**FINE, **change})
    assert any(fault in one for one in found), found
    assert all(one.startswith("rows.toml, A1: ") for one in found)


def test_a_row_without_a_state_claims_nothing():
    found = rows.faults_of("C1", {"system": "x", "kind": "y", "tests": ["tests/test_types.py"]})
    assert found == ["rows.toml, C1: 'tests' without a state"]
