import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jurist.errors import DataError
from jurist.evaluation import differences
from jurist.reports import (
    DifferencesRow,
    JudgeFacts,
    Results,
    RoundFacts,
    TokenLengths,
    TokenSpread,
    TrainingCurve,
    TrainingPoint,
    load_results,
    save_results,
)
from jurist.reports.sections import sections


def changed(path: Path, edit: object) -> Path:
    content = json.loads(path.read_text("utf-8"))
    edit(content)  # type: ignore[operator]
    path.write_text(json.dumps(content), "utf-8")
    return path


@pytest.fixture
def saved(tmp_path: Path, demo: Results) -> Path:
    save_results(tmp_path / "results.json", demo)
    return tmp_path / "results.json"


def test_results_read_back_are_the_results_written(saved: Path, demo: Results):
    assert load_results(saved) == demo


def test_what_tells_of_judges_rounds_and_differences_is_read_back_too(
    tmp_path: Path, demo: Results, judges
):
    row = DifferencesRow(
        method="STaR-DPO",
        baseline="GenRM",
        split="shifted",
        differences=differences(judges["STaR-DPO"]["shifted"], judges["GenRM"]["shifted"]),
    )
    facts = JudgeFacts(
        method="STaR-DPO",
        model="m",
        served=False,
        recipe="star-dpo",
        base="b",
        kind="reasoning",
        format="terse",
        trained_on="pairs.jsonl",
        num_rows=None,
    )
    turn = RoundFacts(
        method="STaR-DPO",
        name="round-1",
        num_preferences=10,
        num_traces=80,
        num_right=30,
        num_wrong=10,
        num_failed=40,
        num_rows=None,
    )
    curve = TrainingCurve(
        method="STaR-DPO",
        name="round-1",
        points=(TrainingPoint(step=1, loss=0.5, grad_norm=1.0),),
        lengths=TokenLengths(
            num_rows=40,
            limit=2048,
            prompt=TokenSpread(median=90, p99=1200, longest=1201),
            reply=TokenSpread(median=30, p99=60, longest=61),
            total=TokenSpread(median=121, p99=1250, longest=1260),
        ),
    )
    results = replace(demo, differences=(row,), judges=(facts,), rounds=(turn,), training=(curve,))
    save_results(tmp_path / "results.json", results)
    assert load_results(tmp_path / "results.json") == results
    cells = {section.title: section.cells for section in sections(results)}
    assert cells["Rounds"] == (("STaR-DPO", "round-1", "10", "80", "75.0", "50.0", "-"),)
    assert cells["Lengths of what was trained on"] == (
        (
            *("STaR-DPO", "round-1", "40", "2,048"),
            *("90 / 1,200 / 1,201", "30 / 60 / 61", "121 / 1,250 / 1,260"),
        ),
    )
    assert len(cells["Where they differ: shifted"]) == len(row.differences.parts)
    assert cells["Agreement of the judges"][0][:3] == ("STaR-DPO", "GenRM", "shifted")


def test_a_file_from_before_lengths_were_noted_is_read_without_them(tmp_path: Path, demo: Results):
    curve = TrainingCurve(
        method="GenRM", name="training", points=(TrainingPoint(step=1, loss=0.5, grad_norm=1.0),)
    )
    results = replace(demo, training=(curve,))
    save_results(tmp_path / "results.json", results)
    older = changed(tmp_path / "results.json", lambda c: c["training"][0].pop("lengths"))
    assert load_results(older) == results
    worse = changed(older, lambda c: c["training"][0].pop("points"))
    with pytest.raises(DataError, match=r"training\[0\]: TrainingCurve lacks \['points'\]"):
        load_results(worse)


def test_the_same_results_give_the_same_bytes(saved: Path, tmp_path: Path, demo: Results):
    save_results(tmp_path / "again.json", demo)
    assert (tmp_path / "again.json").read_bytes() == saved.read_bytes()


def test_the_file_says_what_schema_it_is_of(saved: Path):
    assert json.loads(saved.read_text("utf-8"))["schema"] == 7


def test_a_number_that_is_none_is_refused_on_the_way_out(tmp_path: Path, demo: Results):
    row = replace(demo.rows[0], judging_seconds=float("nan"))
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_results(tmp_path / "results.json", replace(demo, rows=(row,)))
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused_on_the_way_in(saved: Path, constant: str):
    text = saved.read_text("utf-8")
    saved.write_text(text.replace('"judging_seconds": ', f'"judging_seconds": {constant}, "x": '))
    with pytest.raises(DataError, match=f"found {constant}, which JSON has no word for"):
        load_results(saved)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(schema=1), "schema 1; this version reads schema 7"),
        (lambda c: c.pop("schema"), "schema None"),
        (lambda c: c.pop("rows"), r"Results lacks \['rows'\]"),
        (lambda c: c["rows"][0].update(colour=1), r"rows\[0\]: .*unknown \['colour'\]"),
        (lambda c: c["rows"][1].update(seed="0"), r"rows\[1\].seed: expected a int, got '0'"),
        (lambda c: c["rows"][0].update(seed=True), r"rows\[0\].seed: expected a int, got True"),
        (lambda c: c.update(rows={}), "rows: expected a list, got {}"),
        (lambda c: c.update(environment=[]), "environment: expected an object"),
        (lambda c: c["rows"].insert(0, None), r"rows\[0\]: expected an object for JudgedRow"),
        (
            lambda c: c["rows"][0]["agreement"]["failures"].update(bored=3),
            "failures: expected one of .*'truncated'.* got 'bored'",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_place(saved: Path, edit, message: str):
    with pytest.raises(DataError, match=message) as caught:
        load_results(changed(saved, edit))
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\x00"])
def test_a_file_that_is_no_results_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "results.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"results\.json"):
        load_results(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="cannot read results"):
        load_results(tmp_path / "none.json")


def test_a_whole_number_where_a_share_stands_is_read_as_one(saved: Path):
    path = changed(saved, lambda c: c["rows"][0]["agreement"]["accuracy"].update(value=1))
    value = load_results(path).rows[0].agreement.accuracy.value
    assert type(value) is float


def test_reporting_and_evaluating_import_nothing_heavy():
    code = (
        "import sys, jurist.reports, jurist.evaluation\n"
        "print([m for m in ('torch', 'transformers', 'matplotlib', 'scipy', 'pyarrow')"
        " if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
