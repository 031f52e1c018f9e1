"""What a report says of a judge's making, read from the folders that made it."""

import json
from pathlib import Path

import pytest

from jurist.errors import StoreError
from jurist.recipes.provenance import NUM_POINTS, judge_facts, rounds_of, training_of
from jurist.reports import TokenLengths, TokenSpread
from jurist.training.examples import Encoded, Example
from jurist.training.lengths import token_lengths

COUNTS = {"truncated": 3, "unparseable": 1, "refused": 0, "error": 0}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def metrics(folder: Path, losses) -> None:
    lines = [
        json.dumps({"step": i, "train/loss": loss, "train/grad_norm": 2.0 * loss})
        for i, loss in enumerate(losses, 1)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")


@pytest.fixture
def trained(tmp_path) -> Path:
    """A STaR run of eleven rounds, as its folders tell of it."""
    run = tmp_path / "star"
    config = {
        "model": "base-model",
        "data": {"train": "pairs.jsonl"},
        "star": {"rounds": 11},
        "training": {},
        "voting": {},
        "format": "auto",
    }
    write(run / "config.json", {"recipe": "star-dpo", "config": config})
    (run / "run.lock").touch()
    for number in range(1, 12):
        folder = run / f"round-{number}"
        write(
            folder / "traces.json",
            {"author": "x", "preferences": 10, "traces": 80, "right": 40, "wrong": 36, **COUNTS},
        )
        write(folder / "rows.json", {"rows": 20 + number})
        metrics(folder / "checkpoint", [1.0, 0.5])
        card = {"method": "star-dpo", "kind": "reasoning", "format": "terse", "num_rows": 31}
        write(folder / "checkpoint" / "jurist.json", card)
    return run


def evaluation(tmp_path: Path, model: object, **judge) -> Path:
    run = tmp_path / "evaluation"
    config = {
        "judge": {"model": str(model), "format": "auto", "voting": {}, **judge},
        "test": ["t"],
    }
    write(run / "config.json", {"recipe": "evaluate", "config": config})
    (run / "run.lock").touch()
    return run


def test_a_trained_judge_is_told_of_by_its_run_and_its_checkpoint(trained: Path):
    facts = judge_facts("STaR-DPO", trained)
    assert facts is not None
    assert (facts.method, facts.recipe, facts.base) == ("STaR-DPO", "star-dpo", "base-model")
    assert (facts.kind, facts.format, facts.num_rows) == ("reasoning", "terse", 31)
    assert (facts.trained_on, facts.served) == ("pairs.jsonl", False)


@pytest.mark.parametrize("named", [".", "round-11/checkpoint"])
def test_an_evaluation_is_led_back_to_the_run_that_trained(tmp_path, trained: Path, named: str):
    run = evaluation(tmp_path, trained / named)
    facts = judge_facts("judge", run)
    assert facts is not None
    assert (facts.model, facts.base) == (str(trained / named), "base-model")
    assert len(rounds_of("judge", run)) == len(training_of("judge", run)) == 11


def test_of_a_served_judge_nothing_is_made_up(tmp_path):
    run = evaluation(tmp_path, "some-model", base_url="http://there/v1", format="pairwise")
    facts = judge_facts("judge", run)
    assert facts is not None
    assert (facts.model, facts.served, facts.format) == ("some-model", True, "pairwise")
    assert (facts.recipe, facts.base, facts.trained_on, facts.num_rows) == ("", "", "", None)
    assert rounds_of("judge", run) == training_of("judge", run) == []


def test_a_folder_that_is_no_run_of_one_model_has_no_facts(tmp_path):
    assert judge_facts("judge", tmp_path) is None
    assert rounds_of("judge", tmp_path) == training_of("judge", tmp_path) == []
    write(tmp_path / "config.json", {"recipe": "jury", "config": {"judged": ["a", "b"]}})
    (tmp_path / "run.lock").touch()
    assert judge_facts("jury", tmp_path) is None


def test_rounds_come_in_the_order_of_their_numbers_with_their_counts(trained: Path):
    rounds = rounds_of("STaR-DPO", trained)
    assert [row.name for row in rounds] == [f"round-{number}" for number in range(1, 12)]
    first = rounds[0]
    assert (first.num_preferences, first.num_traces) == (10, 80)
    assert (first.num_right, first.num_wrong, first.num_failed) == (40, 36, 4)
    assert [row.num_rows for row in rounds] == [20 + number for number in range(1, 12)]


def test_what_a_recipe_does_not_count_is_not_known_rather_than_none(trained: Path):
    write(trained / "round-1" / "traces.json", {"preferences": 10, "traces": 80})
    (trained / "round-2" / "traces.json").unlink()
    one, two, *_ = rounds_of("STaR-DPO", trained)
    assert (one.num_traces, one.num_right, one.num_failed) == (80, None, None)
    assert (two.num_traces, two.num_rows) == (None, 22)


def test_a_curve_is_the_loss_step_by_step(trained: Path):
    curve = training_of("STaR-DPO", trained)[0]
    assert [(p.step, p.loss, p.grad_norm) for p in curve.points] == [(1, 1.0, 2.0), (2, 0.5, 1.0)]


def test_a_long_curve_is_of_means_and_ends_where_training_did(trained: Path):
    steps = 3 * NUM_POINTS + 7
    metrics(trained / "checkpoint", [float(i) for i in range(1, steps + 1)])
    curve = training_of("STaR-DPO", trained)[0]
    assert curve.name == "training"
    assert len(curve.points) <= NUM_POINTS
    assert curve.points[0].step == 4 and curve.points[0].loss == pytest.approx(2.5)
    assert curve.points[-1].step == steps


def test_a_curve_comes_with_the_lengths_that_its_training_noted(trained: Path):
    examples = [
        Example(name="", sequences=(Encoded(ids=list(range(total)), prompt_length=prompt),))
        for prompt, total in ((4, 6), (5, 9), (6, 20))
    ]
    path = trained / "round-2" / "checkpoint" / "lengths.json"
    write(path, token_lengths(examples, max_length=32))
    one, two, *_ = training_of("STaR-DPO", trained)
    assert one.lengths is None
    assert two.lengths == TokenLengths(
        num_rows=3,
        limit=32,
        prompt=TokenSpread(median=5, p99=6, longest=6),
        reply=TokenSpread(median=4, p99=14, longest=14),
        total=TokenSpread(median=9, p99=20, longest=20),
    )


@pytest.mark.parametrize("content", [{"rows": 3}, {"rows": "many", "max_length": 2}, []])
def test_lengths_that_are_damaged_are_told_and_not_taken_for_none(trained: Path, content):
    write(trained / "round-2" / "checkpoint" / "lengths.json", content)
    with pytest.raises(StoreError, match=r"lengths\.json.*delete the run and start it again"):
        training_of("STaR-DPO", trained)


def test_a_run_that_is_not_done_has_what_there_is(tmp_path, trained: Path):
    for path in (trained / "round-11" / "checkpoint").iterdir():
        path.unlink()
    (trained / "round-11" / "checkpoint").rmdir()
    facts = judge_facts("judge", evaluation(tmp_path, trained))
    assert facts is not None and facts.recipe == ""
    assert len(training_of("judge", trained)) == 10
