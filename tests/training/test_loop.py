import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from jurist.errors import ConfigError, TrainingError
from jurist.training import TrainingConfig, forward
from jurist.training.checkpoint import newest_whole, step_folder
from jurist.training.examples import supervised_examples
from jurist.training.loop import train
from jurist.training.metrics import read_metrics
from jurist.training.processes import make_accelerator

CONFIG = TrainingConfig(learning_rate=1e-2, epochs=2, batch_size=8, checkpoint_every=2)
"""24 rows in 3 steps an epoch: 6 steps, checkpoints after 2 and 4."""


@pytest.fixture
def run(tiny, tokenizer, supervised_rows, tmp_path):
    """Train the tiny model and return its weights; keeps its files in `tmp_path / work`."""

    def trained(
        config: TrainingConfig = CONFIG,
        *,
        examples=None,
        loss_function=forward.supervised,
        work: str = "work",
        seed: int = 0,
        pad_id: int = 0,
        model=None,
        told=lambda step, values: None,
    ) -> dict[str, torch.Tensor]:
        model = model or AutoModelForCausalLM.from_pretrained(tiny)
        train(
            model,
            examples or supervised_examples(tokenizer, supervised_rows),
            loss_function,
            config,
            seed=seed,
            work=tmp_path / work,
            inputs={"seed": seed},
            pad_id=pad_id,
            accelerator=make_accelerator(),
            told=told,
        )
        return {name: value.detach().clone() for name, value in model.named_parameters()}

    return trained


def farthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max((one[name] - other[name]).abs().max().item() for name in one)


def test_the_same_training_twice_gives_the_same_bytes(run, tmp_path):
    one, other = run(work="one"), run(work="other")
    assert all(torch.equal(one[name], other[name]) for name in one)
    metrics = [(tmp_path / work / "metrics.jsonl").read_bytes() for work in ("one", "other")]
    assert metrics[0] == metrics[1]


def test_another_seed_gives_another_model(run):
    assert farthest(run(work="one"), run(work="other", seed=1)) > 1e-4


def test_one_batch_of_eight_trains_as_eight_batches_of_one(run, tmp_path):
    config = replace(CONFIG, learning_rate=1e-3)
    whole = run(config, work="whole")
    pieces = run(replace(config, micro_batch_tokens=1), work="pieces")
    assert farthest(whole, pieces) < 1e-6
    losses = [
        [line["train/loss"] for line in read_metrics(tmp_path / work / "metrics.jsonl")]
        for work in ("whole", "pieces")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_loss_is_the_mean_over_rows_of_their_summed_token_losses(
    run, tiny, tokenizer, supervised_rows, tmp_path
):
    examples = supervised_examples(tokenizer, supervised_rows)
    run(replace(CONFIG, batch_size=24, epochs=1))
    model = AutoModelForCausalLM.from_pretrained(tiny)
    by_hand = 0.0
    for example in examples:
        (sequence,) = example.sequences
        ids = torch.tensor([sequence.ids])
        labels = ids.clone()
        labels[:, : sequence.prompt_length] = -100
        reply = len(sequence.ids) - sequence.prompt_length
        with torch.no_grad():
            by_hand += model(ids, labels=labels).loss.item() * reply
    (line,) = read_metrics(tmp_path / "work" / "metrics.jsonl")
    assert line["train/loss"] == pytest.approx(by_hand / 24, rel=1e-5)
    assert line["train/rows"] == 24


def test_a_row_of_weight_two_counts_as_two_rows(run, tokenizer, supervised_rows, tmp_path):
    first, second, *_ = supervised_examples(tokenizer, supervised_rows)
    config = replace(CONFIG, epochs=1)
    run(config, examples=[first, first, second], work="twice")
    run(config, examples=[replace(first, weight=2.0), second], work="weighted")
    losses = [
        read_metrics(tmp_path / work / "metrics.jsonl")[0]["train/loss"]
        for work in ("twice", "weighted")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_what_padding_is_filled_with_changes_nothing(run, monkeypatch):
    monkeypatch.setattr(forward, "shares_prefixes", lambda model: False)
    one, other = run(work="one"), run(work="other", pad_id=17)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_packed_trees_train_as_padded_rows(run, monkeypatch, tmp_path):
    config = replace(CONFIG, learning_rate=1e-3)
    packed = run(config, work="packed")
    monkeypatch.setattr(forward, "shares_prefixes", lambda model: False)
    padded = run(config, work="padded")
    assert farthest(packed, padded) < 1e-6
    losses = [
        [line["train/loss"] for line in read_metrics(tmp_path / work / "metrics.jsonl")]
        for work in ("packed", "padded")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_order_of_the_rows_changes_nothing(run, tokenizer, supervised_rows):
    examples = supervised_examples(tokenizer, supervised_rows)
    one, other = run(work="one"), run(work="other", examples=examples[::-1])
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_recomputing_activations_changes_nothing(run, tiny):
    model = AutoModelForCausalLM.from_pretrained(tiny)
    model.activation_checkpointing_enable()
    assert farthest(run(work="one"), run(work="other", model=model)) < 1e-6


def test_every_step_has_a_line_of_metrics_and_one_of_timings(run, tmp_path):
    run()
    metrics = read_metrics(tmp_path / "work" / "metrics.jsonl")
    timings = read_metrics(tmp_path / "work" / "timings.jsonl")
    assert (
        [line["step"] for line in metrics] == [line["step"] for line in timings] == [*range(1, 7)]
    )
    assert set(metrics[0]) == {
        "step",
        "train/loss",
        "train/grad_norm",
        "train/learning_rate",
        "train/rows",
    }
    assert set(timings[0]) == {
        "step",
        "train/seconds",
        "train/tokens",
        "train/tokens_per_second",
    }
    assert metrics[-1]["train/loss"] < metrics[0]["train/loss"]
    assert max(line["train/learning_rate"] for line in metrics) == CONFIG.learning_rate


@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_a_training_that_was_stopped_ends_in_the_same_bytes(run, tmp_path, stop):
    class StopError(Exception):
        pass

    calls = 0

    def stopping(model, batch):
        nonlocal calls
        calls += 1
        if calls == stop:
            raise StopError
        return forward.supervised(model, batch)

    whole = run(work="whole")
    with pytest.raises(StopError):
        run(loss_function=stopping, work="stopped")
    calls = 100
    resumed = run(loss_function=stopping, work="stopped")
    assert calls - 100 == 6 - (stop - 1) // 2 * 2, "goes on from the newest checkpoint"
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    files = [(tmp_path / work / "metrics.jsonl").read_bytes() for work in ("whole", "stopped")]
    assert files[0] == files[1]


def test_dropout_is_drawn_by_the_step_so_that_resuming_draws_it_again(run, tiny):
    def with_dropout():
        model = AutoModelForCausalLM.from_pretrained(tiny)
        model.config.attention_dropout = 0.3
        for layer in model.model.layers:
            layer.self_attn.attention_dropout = 0.3
        return model

    calls = 0

    def stopping(model, batch):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return forward.supervised(model, batch)

    without, whole = run(work="without"), run(work="whole", model=with_dropout())
    assert farthest(without, whole) > 1e-4
    with pytest.raises(KeyboardInterrupt):
        run(work="stopped", model=with_dropout(), loss_function=stopping)
    torch.manual_seed(99)
    resumed = run(work="stopped", model=with_dropout())
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.fault(2, "bit flipped")
@pytest.mark.parametrize("damage", ["weights.safetensors", "optimizer.safetensors"])
def test_a_damaged_checkpoint_costs_steps_and_changes_no_weight(run, tmp_path, damage):
    whole = run(work="whole")
    run(work="damaged")
    file = step_folder(tmp_path / "damaged", 4) / damage
    content = bytearray(file.read_bytes())
    content[-5] ^= 4
    file.write_bytes(content)
    resumed = run(work="damaged")
    assert newest_whole(tmp_path / "damaged") == step_folder(tmp_path / "damaged", 4)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_other_inputs_do_not_go_on_from_a_checkpoint(run):
    run()
    with pytest.raises(ConfigError, match="made with seed = 0, asked for 1"):
        run(seed=1)


@pytest.mark.fault(17, "loss not finite")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_at_its_step_and_keeps_the_checkpoint(run, tmp_path, value):
    steps = 0

    def poisoned(model, batch):
        nonlocal steps
        steps += 1
        losses = forward.supervised(model, batch)
        return losses * value if steps == 5 else losses

    with pytest.raises(TrainingError) as caught:
        run(loss_function=poisoned)
    assert steps == 5
    assert str(caught.value).startswith("step 5 of 6: train/loss is")
    assert "'row-" in str(caught.value)
    assert "the checkpoint of step 4 is kept" in str(caught.value)
    assert caught.value.exit_code == 1
    assert newest_whole(tmp_path / "work") == step_folder(tmp_path / "work", 4)
    assert [line["step"] for line in read_metrics(tmp_path / "work" / "metrics.jsonl")] == [
        1,
        2,
        3,
        4,
    ]
    # Without the poison it goes on, and ends where it would have.
    resumed = run()
    assert all(torch.equal(resumed[n], w) for n, w in run(work="whole").items())


@pytest.mark.fault(17, "gradient not finite")
def test_a_gradient_that_is_not_finite_stops_though_the_loss_is(run):
    def poisoned(model, batch):
        losses = forward.supervised(model, batch)
        # sqrt has slope infinity at 0, where its value is fine.
        return losses + torch.sqrt(losses * 0)

    with pytest.raises(TrainingError, match=r"step 1 of 6: train/grad_norm is nan.*no checkpoint"):
        run(loss_function=poisoned)


def test_a_weight_that_is_not_finite_is_never_written(run, tiny, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny)
    steps = 0

    def poisoning(model: forward.BatchReader, batch):
        nonlocal steps
        steps += 1
        if steps == 4:
            # Of no token in the rows, so that no loss and no gradient shows it.
            model.model.extra.data.fill_(float("inf"))
        return forward.supervised(model, batch) + 0 * model.model.extra.detach().isnan().float()

    model.extra = torch.nn.Parameter(torch.zeros(()))
    with pytest.raises(TrainingError, match="after step 4 of 6: weight extra is not finite"):
        run(loss_function=poisoning, model=model)
    assert newest_whole(tmp_path / "work") == step_folder(tmp_path / "work", 2)


def test_bfloat16_learns_much_the_same_and_keeps_weights_in_float32(run, tmp_path):
    run(work="float32")
    weights = run(replace(CONFIG, bf16=True), work="bf16")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    lines = [read_metrics(tmp_path / work / "metrics.jsonl") for work in ("float32", "bf16")]
    assert lines[0][0]["train/loss"] == pytest.approx(lines[1][0]["train/loss"], rel=0.02)
    assert lines[0] != lines[1]


def test_settings_files_are_json(run, tmp_path):
    run()
    manifest = json.loads((step_folder(tmp_path / "work", 4) / "manifest.json").read_text())
    assert manifest["step"] == 4
    assert manifest["inputs"] == {"seed": 0}
