"""Trainings that break by what they are given: rows, weights, learning rates. None is patched."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jurist.data import write_preferences
from jurist.errors import TrainingError
from jurist.rationales import PairRow, SupervisedRow
from jurist.training import (
    PairLossConfig,
    TrainingConfig,
    train_pairs,
    train_scalar,
    train_supervised,
)
from jurist.training.checkpoint import newest_whole, verify
from jurist.training.guard import (
    CHOSEN_DROP,
    CONSTANT_STEPS,
    DIVERGENCE,
    EARLY,
    EARLY_LOSS_SPIKE,
    GRADIENT_SPIKE,
    LEARNT,
    LOSS_SPIKE,
    NO_CHANGE,
    WEIGHT_GROWTH,
    WINDOW,
    Instability,
    TrainingGuard,
    weight_growth,
)
from jurist.training.metrics import read_metrics
from jurist.types import Preference, Verdict
from jurist.worlds import BASE, preferences

CONFIG = TrainingConfig(learning_rate=1e-3, epochs=2, batch_size=8, checkpoint_every=1)
PAIRS = preferences("in_distribution", "train", num=64, seed=0)


def supervised(**poison: object) -> list[SupervisedRow]:
    """Replies to learn, the last of them poisoned."""
    rows = [
        SupervisedRow(
            preference_id=pair.id, label=Verdict.FIRST, prompt=pair.prompt, completion=pair.chosen
        )
        for pair in PAIRS
    ]
    return [*rows[:-1], replace(rows[-1], **poison)]


def pairs(**poison: object) -> list[PairRow]:
    """Pairs with log-probabilities under a reference, the last of them poisoned."""
    rows = [
        PairRow(
            preference_id=pair.id,
            label=Verdict.FIRST,
            prompt=pair.prompt,
            chosen=pair.chosen,
            rejected=pair.rejected,
            reference_chosen_logp=-10.0,
            reference_rejected_logp=-10.0,
        )
        for pair in PAIRS
    ]
    return [*rows[:-1], replace(rows[-1], **poison)]


def dpo(
    output: Path,
    rows: list[PairRow],
    config: TrainingConfig = CONFIG,
    loss: PairLossConfig = PairLossConfig(),  # noqa: B008 - a frozen value
) -> None:
    train_pairs(
        str(BASE), rows, config, loss=loss, reference=str(BASE), seed=0, output=output, card={}
    )


def sft(output: Path, rows: list[SupervisedRow], config: TrainingConfig = CONFIG) -> None:
    train_supervised(str(BASE), rows, config, seed=0, output=output, card={})


def scalar(output: Path, rows: list[Preference], config: TrainingConfig = CONFIG) -> None:
    train_scalar(str(BASE), rows, config, seed=0, output=output, card={})


def stopped_at(output: Path, error: TrainingError) -> int:
    """The step that a training stopped at, once what it left behind was found to be whole."""
    work = output.with_name(f"{output.name}.training")
    step = int(str(error).split()[1])
    newest = newest_whole(work)
    assert error.exit_code == 1
    assert not output.exists(), "a judge that broke was written"
    if newest is None:
        assert "no checkpoint was due yet" in str(error)
    else:
        manifest = verify(newest)
        assert f"the checkpoint of step {manifest['step']} is kept, whole, in {newest}" in str(
            error
        )
        assert manifest["step"] in (step - 1, step - 2), "more than a step was lost"
        weights = load_file(newest / "weights.safetensors")
        assert all(weight.isfinite().all() for weight in weights.values())
    return step


def holds(output: Path, step: int, name: str) -> None:
    """The row whose step it was stands in the step's plan, and no line was written of it."""
    lines = read_metrics(output.with_name(f"{output.name}.training") / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, step)), name


@pytest.mark.fault(17, "loss not finite")
def test_a_row_of_a_weight_beyond_all_bounds_stops_at_its_step(output):
    with pytest.raises(TrainingError, match=r"train/loss is (inf|nan)") as caught:
        sft(output, supervised(weight=3e38))
    step = stopped_at(output, caught.value)
    holds(output, step, PAIRS[-1].id)


@pytest.mark.fault(17, "loss not finite")
def test_weights_that_overflow_stop_at_the_first_step(tmp_path, output):
    broken = tmp_path / "broken"
    shutil.copytree(BASE, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], 3e38)
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"step 1 of 16: train/(loss|grad_norm) is (inf|nan)"):
        train_supervised(str(broken), supervised(), CONFIG, seed=0, output=output, card={})


@pytest.mark.fault(17, "gradient not finite")
def test_a_reference_that_is_absurd_overflows_the_gradient_though_the_loss_is_finite(output):
    rows = pairs(reference_rejected_logp=-1e19)
    with pytest.raises(TrainingError, match=r"train/grad_norm is (inf|nan)") as caught:
        dpo(output, rows, loss=PairLossConfig(loss="ipo"))
    holds(output, stopped_at(output, caught.value), rows[-1].preference_id)


@pytest.mark.fault(17, "loss spike")
def test_a_row_with_a_wrong_reference_is_a_spike_at_its_step(output):
    rows = pairs(reference_rejected_logp=-1e6)
    with pytest.raises(TrainingError, match=r"train/loss is .*, limit .*: a spike") as caught:
        dpo(output, rows)
    step = stopped_at(output, caught.value)
    holds(output, step, rows[-1].preference_id)
    assert "at learning rate" in str(caught.value)
    assert "--guard warn" in str(caught.value)
    # The same rows without it train to their end.
    dpo(output.with_name("healthy"), rows[:-1])


@pytest.mark.fault(17, "loss spike")
@pytest.mark.parametrize(
    ("train", "rate", "by"), [(scalar, 1e6, 2), (scalar, 1.0, 6), (sft, 0.1, 16)]
)
def test_a_learning_rate_that_cannot_be_right_is_stopped(output, train, rate, by):
    rows = PAIRS if train is scalar else supervised()
    with pytest.raises(TrainingError, match="try a lower --learning-rate") as caught:
        train(output, rows, replace(CONFIG, learning_rate=rate))
    assert stopped_at(output, caught.value) <= by


def contradictory() -> list[Preference]:
    turned = [
        replace(pair, id=f"{pair.id}-turned", chosen=pair.rejected, rejected=pair.chosen)
        for pair in PAIRS[:8]
    ]
    return [*PAIRS[:8], *turned]


@pytest.mark.fault(17, "constant signal")
def test_labels_that_contradict_each_other_are_nothing_to_learn_from(output):
    config = replace(CONFIG, batch_size=16, epochs=20)
    with pytest.raises(TrainingError, match="so nothing is learnt; look for rows") as caught:
        scalar(output, contradictory(), config)
    assert stopped_at(output, caught.value) == CONSTANT_STEPS


@pytest.mark.fault(17, "collapse")
@pytest.mark.parametrize("loss", ["dpo", "ipo"])
def test_replies_that_the_judge_unlearns_to_write_are_a_collapse(output, loss):
    plain = [
        replace(row, reference_chosen_logp=None, reference_rejected_logp=None) for row in pairs()
    ]
    config = replace(CONFIG, learning_rate=3e-2)
    with pytest.raises(TrainingError, match=r"log-probability a token is .*: a collapse") as caught:
        dpo(output, plain, config, PairLossConfig(loss=loss))
    assert 1 < stopped_at(output, caught.value) < 6


def test_a_healthy_training_has_the_same_bytes_with_the_guard_and_without(tmp_path, caplog):
    for guard in ("stop", "warn"):
        dpo(tmp_path / guard, pairs(), replace(CONFIG, guard=guard))
    for name in ("model.safetensors", "metrics.jsonl", "manifest.json", "jurist.json"):
        assert len({(tmp_path / guard / name).read_bytes() for guard in ("stop", "warn")}) == 1
    assert "going on" not in caplog.text


def test_what_is_allowed_is_said_once_and_trained_to_the_end(output, caplog):
    caplog.set_level(logging.WARNING)
    config = replace(CONFIG, batch_size=16, epochs=12, guard="warn")
    scalar(output, contradictory(), config)
    assert (output / "model.safetensors").exists()
    assert caplog.text.count("so nothing is learnt") == 1
    assert "step 8 of 12" in caplog.text


def test_a_training_that_goes_on_knows_what_was_before_it(output):
    config = replace(CONFIG, batch_size=16, epochs=20)

    with pytest.raises(TrainingError) as caught:
        scalar(output, contradictory(), config)
    assert stopped_at(output, caught.value) == CONSTANT_STEPS
    # What it left is a checkpoint of step 7: asked for again it stops at step 8 again.
    with pytest.raises(TrainingError, match=f"step {CONSTANT_STEPS} of 20"):
        scalar(output, contradictory(), config)


@pytest.mark.fault(17, "loss spike", "constant signal")
@pytest.mark.parametrize(
    ("rate", "said"),
    [("1", "norm of the trained weights"), ("1e-3", "so nothing is learnt")],
    ids=["spike", "flat"],
)
def test_the_command_ends_with_1_and_names_step_signal_limit_and_checkpoint(
    tmp_path, forked, rate, said
):
    rows = PAIRS[:32] if rate == "1" else contradictory()
    write_preferences(tmp_path / "pairs.jsonl", rows)
    write_preferences(tmp_path / "test.jsonl", PAIRS[40:48])
    command = ["bradley-terry", "--model", str(BASE)]
    command += ["--train", "pairs.jsonl", "--test", "test.jsonl", "--output", "run"]
    command += ["--learning-rate", rate, "--batch-size", "16", "--epochs", "20"]
    command += ["--checkpoint-every", "1", "--allow-overlap"]
    ended = forked(tmp_path, *command)
    assert ended.returncode == 1, ended.stderr[-2000:]
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("jurist: step ")
    assert said in last
    assert "limit" in last
    assert "is kept, whole, in run/checkpoint.training/step-" in last
    assert "Traceback" not in ended.stderr
    assert newest_whole(tmp_path / "run" / "checkpoint.training") is not None
    assert not (tmp_path / "run" / "results.json").exists()


@pytest.mark.fault(17, "nothing to learn from", "verdict cut off")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "no rows to train on"),
        (["--max-length", "20"], "since their end, where the verdict stands, would be cut"),
    ],
    ids=["ties", "cut"],
)
def test_rows_that_cannot_be_learnt_end_with_3_before_a_step_is_taken(
    tmp_path, forked, flags, said
):
    rows = PAIRS[:16] if flags else [replace(pair, tie=True) for pair in PAIRS[:16]]
    write_preferences(tmp_path / "pairs.jsonl", rows)
    write_preferences(tmp_path / "test.jsonl", PAIRS[40:48])
    command = ["bradley-terry", "--model", str(BASE)]
    command += ["--train", "pairs.jsonl", "--test", "test.jsonl", "--output", "run", *flags]
    ended = forked(tmp_path, *command)
    assert ended.returncode == 3, ended.stderr[-2000:]
    assert said in ended.stderr
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_lengths_of_all_rows_are_kept_with_the_judge(output):
    sft(output, supervised())
    kept = json.loads((output / "lengths.json").read_text())
    assert kept["rows"] == 64
    for part in ("prompt", "reply", "total"):
        assert sum(kept[part]["histogram"].values()) == 64
        marks = list(kept[part]["quantiles"].values())
        assert marks == sorted(marks)
    assert kept["total"]["quantiles"]["1"] <= kept["max_length"]
    assert "lengths.json" in verify(output)["files"]


# The guard by itself, on numbers


def look(losses: list[float], *, norms: list[float] | None = None, num_steps: int = 1000):
    """What is found at the last of some steps; nothing may be found before."""
    guard = TrainingGuard(num_steps=num_steps)
    norms = norms or [1.0 + 0.001 * step for step in range(len(losses))]
    found: list[Instability | None] = [
        guard.instability(*both) for both in zip(losses, norms, strict=True)
    ]
    assert not any(found[:-1])
    return found[-1]


STEADY = [2.0 + 0.01 * (step % 7) for step in range(WINDOW + EARLY)]


def test_a_spike_is_one_beyond_the_limit_and_none_at_it():
    # The median of the eight before is 2.025.
    before = STEADY[:EARLY]
    limit = LOSS_SPIKE * 2.025
    assert look([*before, limit * 0.999]) is None
    found = look([*before, limit * 1.001])
    assert found is not None
    assert found.signal == "train/loss"
    assert found.limit == pytest.approx(limit)


def test_in_the_first_steps_more_is_allowed():
    assert look([2.0, 2.0 * EARLY_LOSS_SPIKE * 0.999]) is None
    assert look([2.0, 2.0 * EARLY_LOSS_SPIKE * 1.001]) is not None


def test_a_jump_from_nothing_is_held_against_a_nat():
    small = [1e-6 * (step + 1) for step in range(EARLY)]
    assert look([*small, LOSS_SPIKE * 0.999]) is None
    assert look([*small, LOSS_SPIKE * 1.001]) is not None


def test_a_gradient_may_spike_as_well():
    norms = [1.0] * 9
    assert look(STEADY[:10], norms=[*norms, GRADIENT_SPIKE * 0.999]) is None
    found = look(STEADY[:10], norms=[*norms, GRADIENT_SPIKE * 1.001])
    assert found is not None
    assert found.signal == "train/grad_norm"


def test_a_loss_that_creeps_up_is_drift():
    # A sixth more every step: no jump, and it is ten times as high in the end.
    creeping = [2.0 * 1.06**step for step in range(WINDOW + 40)]
    guard = TrainingGuard(num_steps=1000)
    found = [guard.instability(loss, 1.0 + loss) for loss in creeping]
    first = next(number for number, one in enumerate(found) if one)
    latest = sorted(creeping[first - EARLY + 1 : first + 1])
    middle = (latest[EARLY // 2 - 1] + latest[EARLY // 2]) / 2
    assert found[first].value == pytest.approx(middle)
    assert middle > DIVERGENCE * 2.0 * 1.06**3.5 > middle / 1.06
    assert "times that of the first" in found[first].what


def test_a_loss_that_stands_still_is_constant_and_one_that_moves_a_bit_is_not():
    assert look([0.693] * (CONSTANT_STEPS - 1)) is None
    assert look([0.693] * CONSTANT_STEPS) is not None
    assert look([*[0.693] * (CONSTANT_STEPS - 1), 0.693 * (1 + 0.9 * NO_CHANGE)]) is not None
    assert look([*[0.693] * (CONSTANT_STEPS - 1), 0.693 * (1 + 1.1 * NO_CHANGE)]) is None


def test_no_gradient_at_all_is_nothing_to_learn_in_however_short_a_training():
    losses = [1.0, 2.0, 3.0]
    assert look(losses, norms=[0.0] * 3, num_steps=3) is not None
    assert look(losses, norms=[0.0, 0.0, 1e-3], num_steps=3) is None
    assert look(losses, norms=[0.0] * 3, num_steps=4) is None


def test_a_training_that_has_learnt_may_come_to_rest():
    # All rows in one batch, and a learning rate that ends at nothing.
    falling = [2.0 * 0.7**step for step in range(20)]
    assert look([*falling, *[falling[-1]] * 50]) is None
    assert look([*falling, *[0.0] * 50], norms=[*[1.0] * 20, *[0.0] * 50]) is None
    fallen = 2.0 * LEARNT
    assert look([2.0, *[fallen * 0.999] * CONSTANT_STEPS]) is None
    assert look([2.0, *[fallen * 1.001] * CONSTANT_STEPS]) is not None


def test_replies_may_fall_a_little():
    guard = TrainingGuard(num_steps=9)
    assert guard.instability(1.0, 1.0, CHOSEN_DROP) is None
    found = guard.instability(1.1, 1.0, CHOSEN_DROP * 1.01)
    assert found is not None
    assert "a collapse" in found.what


def test_weights_may_grow_a_little():
    assert weight_growth(2.0 * WEIGHT_GROWTH, 2.0) is None
    assert weight_growth(2.0 * WEIGHT_GROWTH * 1.01, 2.0) is not None
    assert weight_growth(1.0, 0.0) is None, "there was nothing to grow from"


def test_a_training_that_ends_far_above_its_beginning_is_refused_at_the_end():
    guard = TrainingGuard(num_steps=9)
    for loss in [1.0, *[50.0 + 0.1 * step for step in range(EARLY)]]:
        assert guard.instability(loss, 1.0) is None
    assert guard.at_the_end() is not None
    healthy = TrainingGuard(num_steps=9)
    for loss in [1.0, *[9.0 + 0.1 * step for step in range(EARLY)]]:
        assert healthy.instability(loss, 1.0) is None
    assert healthy.at_the_end() is None


def test_history_counts_as_steps_seen():
    history = [{"train/loss": 0.5, "train/grad_norm": 1.0}] * (CONSTANT_STEPS - 1)
    assert TrainingGuard(num_steps=99, history=history).instability(0.5, 1.0) is not None
    assert TrainingGuard(num_steps=99, history=history[1:]).instability(0.5, 1.0) is None
