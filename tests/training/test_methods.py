import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from jurist.errors import ConfigError, DataError, StoreError, TrainingError
from jurist.formats import Terse
from jurist.models.chat import encode_prompt
from jurist.models.heads import TransformersComparer, TransformersScorer
from jurist.rationales import CritiquePair, PairRow, both_orders
from jurist.training import (
    CritiqueLossConfig,
    PairLossConfig,
    TrainingConfig,
    train_comparer,
    train_critic,
    train_pairs,
    train_scalar,
    train_supervised,
    train_verdict,
)
from jurist.training.batch import collate
from jurist.training.checkpoint import verify
from jurist.training.examples import Example, pair_examples, supervised_examples
from jurist.training.forward import BatchReader, reply_logps
from jurist.training.metrics import read_metrics
from jurist.types import Verdict, user

CONFIG = TrainingConfig(learning_rate=1e-2, epochs=4, batch_size=8)
CARD = {"method": "test", "kind": "reasoning", "format": "terse"}
CPU = torch.device("cpu")


def dpo(tiny: str, rows: list[PairRow], output: Path, config: TrainingConfig = CONFIG, **changed):
    options = {
        "reference": tiny,
        "loss": PairLossConfig(),
        "seed": 0,
        "output": output,
        "card": CARD,
    }
    train_pairs(tiny, rows, config, **{**options, **changed})


def logps(folder: object, examples: list[Example]) -> torch.Tensor:
    reader = BatchReader(AutoModelForCausalLM.from_pretrained(str(folder)).eval())
    with torch.no_grad(), reader.reading():
        batch = collate(examples, shared=reader.shared, pad_id=0, device=CPU)
        return reply_logps(reader, batch)


def pair_logps(folder: object, tokenizer, rows: list[PairRow]) -> torch.Tensor:
    return logps(folder, pair_examples(tokenizer, rows))


def verdict_log_odds(folder: object, tokenizer, rows) -> list[float]:
    """Log-odds of the right verdict."""
    model = AutoModelForCausalLM.from_pretrained(str(folder)).eval()
    marks = tokenizer.convert_tokens_to_ids(["[[A]]", "[[B]]"])
    found = []
    for row in rows:
        with torch.no_grad():
            logits = model(torch.tensor([encode_prompt(tokenizer, row.prompt)])).logits[0, -1]
        first = logits[marks[0]] - logits[marks[1]]
        found.append(float(first if row.label is Verdict.FIRST else -first))
    return found


def test_supervised_training_makes_the_replies_likelier(tiny, tokenizer, supervised_rows, output):
    train_supervised(tiny, supervised_rows, CONFIG, seed=0, output=output, card=CARD)
    examples = supervised_examples(tokenizer, supervised_rows)
    before, after = (logps(folder, examples) for folder in (tiny, output))
    assert bool((after > before).all())


def test_right_labels_raise_the_log_odds_of_the_right_verdict_and_swapped_ones_lower_them(
    tiny, tokenizer, verdict_rows, tmp_path
):
    swapped = [
        replace(
            row,
            label=row.label.swapped(),
            completion="[[B]]" if row.completion == "[[A]]" else "[[A]]",
        )
        for row in verdict_rows
    ]
    config = replace(CONFIG, epochs=10)
    for name, rows in (("right", verdict_rows), ("swapped", swapped)):
        train_verdict(tiny, rows, config, seed=0, output=tmp_path / name, card=CARD)
    before, right, wrong = (
        torch.tensor(verdict_log_odds(folder, tokenizer, verdict_rows)).mean()
        for folder in (tiny, tmp_path / "right", tmp_path / "swapped")
    )
    assert right > before + 0.1
    assert wrong < before - 0.1


def test_dpo_widens_the_gap_of_its_pairs_and_of_swapped_pairs_narrows_it(
    tiny, tokenizer, pair_rows, tmp_path
):
    swapped = [replace(row, chosen=row.rejected, rejected=row.chosen) for row in pair_rows]
    dpo(tiny, pair_rows, tmp_path / "right")
    dpo(tiny, swapped, tmp_path / "swapped")
    gaps = []
    for folder in (tiny, tmp_path / "right", tmp_path / "swapped"):
        chosen, rejected = pair_logps(folder, tokenizer, pair_rows)
        gaps.append((chosen - rejected).mean().item())
    assert gaps[1] > gaps[0] + 0.5
    assert gaps[2] < gaps[0] - 0.5


def test_dpo_begins_at_log_two_since_the_policy_is_the_reference(tiny, pair_rows, output):
    dpo(tiny, pair_rows, output)
    first, *_ = read_metrics(output / "metrics.jsonl")
    assert first["train/loss"] == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-5)


def test_a_pair_of_a_weight_counts_by_it_in_the_loss_and_in_its_denominator(
    tiny, tokenizer, pair_rows, output
):
    """ScPO's loss of one step, worked by hand: sum of w (DPO + alpha / |y+| NLL), over sum of w."""
    light, heavy = replace(pair_rows[0], weight=0.25), replace(pair_rows[1], weight=0.75)
    loss = PairLossConfig(beta=0.5, sft_weight=1.0)
    dpo(tiny, [light, heavy], output, replace(CONFIG, epochs=1), loss=loss)
    chosen, _ = pair_logps(tiny, tokenizer, [light, heavy]).tolist()
    lengths = [
        len(example.sequences[0].ids) - example.sequences[0].prompt_length
        for example in pair_examples(tokenizer, [light, heavy])
    ]
    # The policy is the reference still, so that DPO's part is log 2 of either row.
    each = [math.log(2.0) - chosen[0] / lengths[0], math.log(2.0) - chosen[1] / lengths[1]]
    (line,) = read_metrics(output / "metrics.jsonl")
    assert line["train/loss"] == pytest.approx(0.25 * each[0] + 0.75 * each[1], rel=1e-5)
    assert abs(each[0] - each[1]) > 1e-3


def test_pairs_of_one_weight_train_as_pairs_without_whatever_it_is(tiny, pair_rows, tmp_path):
    # All rows in each step: the order of the rows is drawn by their content, weights included.
    config = replace(CONFIG, batch_size=len(pair_rows))
    for name, weight in (("one", 1.0), ("quarter", 0.25)):
        dpo(tiny, [replace(row, weight=weight) for row in pair_rows], tmp_path / name, config)
    dpo(tiny, pair_rows, tmp_path / "without", config)
    without, one, quarter = (
        load_file(tmp_path / name / "model.safetensors") for name in ("without", "one", "quarter")
    )
    for name, weights in without.items():
        assert torch.equal(weights, one[name])
        torch.testing.assert_close(weights, quarter[name], rtol=1e-4, atol=1e-5)


def test_the_heavier_of_two_contrary_pairs_is_followed(tiny, tokenizer, pair_rows, tmp_path):
    swapped = [replace(row, chosen=row.rejected, rejected=row.chosen) for row in pair_rows]
    for name, (ours, theirs) in {"ours": (0.9, 0.1), "theirs": (0.1, 0.9)}.items():
        rows = [replace(row, weight=ours) for row in pair_rows]
        dpo(tiny, rows + [replace(row, weight=theirs) for row in swapped], tmp_path / name)
    gaps = []
    for folder in (tiny, tmp_path / "ours", tmp_path / "theirs"):
        chosen, rejected = pair_logps(folder, tokenizer, pair_rows)
        gaps.append((chosen - rejected).mean().item())
    assert gaps[1] > gaps[0] + 0.3
    assert gaps[2] < gaps[0] - 0.3


def test_reference_logps_in_the_rows_are_used_as_they_are(tiny, tokenizer, pair_rows, tmp_path):
    chosen, rejected = pair_logps(tiny, tokenizer, pair_rows).tolist()
    given = [
        replace(row, reference_chosen_logp=one, reference_rejected_logp=other)
        for row, one, other in zip(pair_rows, chosen, rejected, strict=True)
    ]
    # Had the reference thought the chosen reply likelier by 5 nats, the loss would begin higher.
    shifted = [replace(row, reference_chosen_logp=row.reference_chosen_logp + 5) for row in given]
    for name, rows in (("computed", pair_rows), ("given", given), ("shifted", shifted)):
        dpo(tiny, rows, tmp_path / name)
    computed, same, other = (
        read_metrics(tmp_path / name / "metrics.jsonl")[0]["train/loss"]
        for name in ("computed", "given", "shifted")
    )
    assert same == pytest.approx(computed, abs=1e-5)
    assert other == pytest.approx(torch.log1p(torch.exp(torch.tensor(5.0))).item(), rel=1e-4)


def test_rows_with_and_without_reference_logps_do_not_mix(tiny, pair_rows, output):
    mixed = [replace(pair_rows[0], reference_chosen_logp=-1.0, reference_rejected_logp=-2.0)]
    with pytest.raises(DataError, match="all or none"):
        dpo(tiny, [*mixed, *pair_rows[1:]], output)


def test_bradley_terry_learns_to_score_chosen_responses_higher(tiny, preferences, output):
    card = {"method": "bradley-terry", "kind": "scalar"}
    train_scalar(tiny, preferences, CONFIG, seed=0, output=output, card=card)
    first, *_ = read_metrics(output / "metrics.jsonl")
    # The head begins at zero, so every first reward is 0 and the loss log 2.
    assert first["train/loss"] == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-6)
    scorer = TransformersScorer.load(output)
    prompts = [preference.prompt for preference in preferences]
    chosen = scorer(prompts, [preference.chosen for preference in preferences])
    rejected = scorer(prompts, [preference.rejected for preference in preferences])
    assert sum(one > other for one, other in zip(chosen, rejected, strict=True)) >= 23


def test_bradley_terry_goes_on_from_a_reward_model(tiny, preferences, tmp_path):
    card = {"kind": "scalar"}
    train_scalar(tiny, preferences, CONFIG, seed=0, output=tmp_path / "one", card=card)
    train_scalar(
        str(tmp_path / "one"), preferences, CONFIG, seed=0, output=tmp_path / "two", card=card
    )
    first, *_ = read_metrics(tmp_path / "two" / "metrics.jsonl")
    assert first["train/loss"] < 0.5


def test_what_comes_out_loads_with_plain_transformers_and_says_what_it_is(
    tiny, tokenizer, supervised_rows, output
):
    train_supervised(tiny, supervised_rows, CONFIG, seed=0, output=output, card=CARD)
    model = AutoModelForCausalLM.from_pretrained(output)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert AutoTokenizer.from_pretrained(output).chat_template == tokenizer.chat_template
    card = json.loads((output / "jurist.json").read_text())
    assert {name: card[name] for name in CARD} == CARD
    assert card["training"]["learning_rate"] == 1e-2
    assert card["num_rows"] == 24
    assert "transformers.AutoModelForCausalLM" in (output / "README.md").read_text()
    assert not list(output.glob("*.bin")) + list(output.glob("*.pt"))
    assert not list(output.parent.glob("*.training"))
    verify(output)


def test_a_scalar_model_loads_with_plain_transformers(tiny, preferences, output):
    train_scalar(tiny, preferences, CONFIG, seed=0, output=output, card={"kind": "scalar"})
    model = AutoModelForSequenceClassification.from_pretrained(output)
    assert model.config.num_labels == 1
    assert bool((model.score.weight != 0).any())
    assert "AutoModelForSequenceClassification" in (output / "README.md").read_text()


def test_a_comparer_learns_which_response_is_better_wherever_it_stands(tiny, preferences, output):
    form = Terse(reasoning=False)
    config = replace(CONFIG, epochs=12)
    preferences = [
        replace(preference, chosen="1 = 1 as shown", rejected="1 = 2") for preference in preferences
    ]
    train_comparer(tiny, preferences, form, config, seed=0, output=output, card=CARD)
    model = AutoModelForSequenceClassification.from_pretrained(output)
    assert model.config.num_labels == 1
    comparer = TransformersComparer.load(output, form.render)
    shown = [both_orders(preference) for preference in preferences]
    chosen_first = comparer([orders[0][0] for orders in shown])
    chosen_second = comparer([orders[1][0] for orders in shown])
    assert min(chosen_first) > 0.3
    assert max(chosen_second) < -0.3


def test_a_comparer_of_another_format_is_another_model(tiny, preferences, output):
    train_comparer(tiny, preferences, Terse(), CONFIG, seed=0, output=output, card=CARD)
    with pytest.raises(ConfigError, match="made with format = "):
        train_comparer(tiny, preferences, Terse(seed=1), CONFIG, seed=0, output=output, card=CARD)


def critic(tiny: str, rows, output: Path, config: TrainingConfig = CONFIG, **loss) -> Path:
    settings = CritiqueLossConfig(**loss)
    train_critic(tiny, rows, config, loss=settings, seed=0, output=output, card=CARD)
    return output


def critique_margin(folder: Path, rows: list[CritiquePair]) -> float:
    """Mean difference of the rewards that the checkpoint's head reads after the critiques."""
    scorer = TransformersScorer.load(folder)
    chosen, rejected = (
        torch.tensor(scorer([one.prompt for one in side], [one.completion for one in side]))
        for side in zip(*rows, strict=True)
    )
    return (chosen - rejected).mean().item()


@pytest.fixture
def critiques(supervised_rows) -> list[CritiquePair]:
    """Of each response the same prompt; it is the critique that says which is better."""
    return [
        CritiquePair(
            chosen=replace(row, label=True, completion="redo so ok"),
            rejected=replace(row, label=False, completion="skim so bad"),
        )
        for row in supervised_rows
    ]


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_critic_learns_to_reward_by_the_critique_and_swapped_pairs_teach_the_reverse(
    tiny, critiques, tmp_path, lora_rank
):
    config = replace(CONFIG, lora_rank=lora_rank, epochs=8)
    right = critic(tiny, critiques, tmp_path / "right", config)
    swapped = [CritiquePair(chosen=pair.rejected, rejected=pair.chosen) for pair in critiques]
    wrong = critic(tiny, swapped, tmp_path / "wrong", config)
    assert critique_margin(right, critiques) > 0.2
    assert critique_margin(wrong, critiques) < -0.2


def test_lora_trains_the_new_head_of_a_critic_whole(tiny, critiques, tmp_path):
    # Adapters scaled to nothing leave only what is trained whole.
    config = replace(CONFIG, lora_rank=2, lora_alpha=1e-9, epochs=8)
    assert critique_margin(critic(tiny, critiques, tmp_path / "critic", config), critiques) > 0.01


def test_a_critic_writes_as_any_causal_model_and_has_its_head_in_a_file_beside(
    tiny, tokenizer, critiques, tmp_path
):
    folder = critic(tiny, critiques, tmp_path / "critic", lm_weight=2.0)
    assert "score.weight" not in load_file(folder / "model.safetensors")
    (head,) = json.loads((folder / "reward_head.json").read_text())["weight"]
    assert len(head) == 32 and any(head)
    examples = supervised_examples(tokenizer, [half for pair in critiques for half in pair])
    assert bool((logps(folder, examples) > logps(tiny, examples)).all())
    # Trained on, the head is where the training begins.
    further = critic(str(folder), critiques, tmp_path / "further", replace(CONFIG, epochs=1))
    (first, *_) = read_metrics(further / "metrics.jsonl")
    assert first["train/loss"] < read_metrics(folder / "metrics.jsonl")[0]["train/loss"]


def test_of_the_first_share_of_a_shifting_training_the_head_learns_nothing(
    tiny, critiques, tmp_path
):
    few = critic(
        tiny, critiques, tmp_path / "few", replace(CONFIG, weight_decay=0.0), lm_share=0.99
    )
    assert critique_margin(few, critiques) == 0.0
    all_along = critic(tiny, critiques, tmp_path / "all", replace(CONFIG, epochs=8), lm_share=0.0)
    assert critique_margin(all_along, critiques) > 0.05


def test_lora_trains_few_weights_and_is_merged_into_an_ordinary_folder(
    tiny, tokenizer, pair_rows, output
):
    dpo(tiny, pair_rows, output, replace(CONFIG, lora_rank=4, learning_rate=3e-2))
    names = {path.name for path in output.iterdir()}
    assert "model.safetensors" in names
    assert not any("adapter" in name for name in names)
    before = load_file(Path(tiny) / "model.safetensors")
    after = load_file(output / "model.safetensors")
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("proj" in name for name in changed)
    gaps = []
    for folder in (tiny, output):
        chosen, rejected = pair_logps(folder, tokenizer, pair_rows)
        gaps.append((chosen - rejected).mean().item())
    assert gaps[1] > gaps[0] + 0.5


def test_lora_of_a_scalar_model_trains_its_head(tiny, preferences, output):
    config = replace(CONFIG, lora_rank=4)
    train_scalar(tiny, preferences, config, seed=0, output=output, card={"kind": "scalar"})
    model = AutoModelForSequenceClassification.from_pretrained(output)
    assert bool((model.score.weight != 0).any())


def test_lora_goes_on_from_a_checkpoint_to_the_same_bytes(tiny, pair_rows, tmp_path, monkeypatch):
    config = replace(CONFIG, lora_rank=4, checkpoint_every=2)
    dpo(tiny, pair_rows, tmp_path / "whole", config)
    from jurist.training import forward

    calls, loss = 0, forward.pairs

    def stopping(*args, **options):
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return loss(*args, **options)

    monkeypatch.setattr(forward, "pairs", stopping)
    with pytest.raises(KeyboardInterrupt):
        dpo(tiny, pair_rows, tmp_path / "stopped", config)
    calls = 100
    dpo(tiny, pair_rows, tmp_path / "stopped", config)
    steps = len(read_metrics(tmp_path / "whole" / "metrics.jsonl"))
    assert calls == 100 + steps - 4, "four steps are in the checkpoint"
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert files[0] == files[1]


def test_a_finished_model_is_not_made_again(tiny, pair_rows, output, caplog):
    dpo(tiny, pair_rows, output)
    times = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    caplog.set_level(logging.INFO)
    # Neither where the checkpoints fall nor the order of the rows changes what comes out.
    dpo(tiny, pair_rows[::-1], output, replace(CONFIG, checkpoint_every=3))
    assert "made already" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in output.iterdir()} == times


def test_what_a_kill_left_beside_a_finished_model_is_removed(tiny, pair_rows, output):
    dpo(tiny, pair_rows, output)
    output.with_name("model.training").mkdir()
    dpo(tiny, pair_rows, output)
    assert [path.name for path in output.parent.iterdir()] == ["model"]


def test_changed_inputs_are_refused_by_the_first_that_differs(
    tiny, pair_rows, output, tmp_path, tokenizer
):
    dpo(tiny, pair_rows, output)
    other = tmp_path / "other"
    model = AutoModelForCausalLM.from_pretrained(tiny)
    with torch.no_grad():
        model.model.norm.weight[0] += 1
    model.save_pretrained(other)
    tokenizer.save_pretrained(other)
    for name, call in {
        "rows": lambda: dpo(tiny, pair_rows[1:], output),
        "learning_rate": lambda: dpo(tiny, pair_rows, output, replace(CONFIG, learning_rate=1e-3)),
        "beta": lambda: dpo(tiny, pair_rows, output, loss=PairLossConfig(beta=0.5)),
        "loss": lambda: dpo(tiny, pair_rows, output, loss=PairLossConfig(loss="ipo", beta=1.0)),
        "logps": lambda: dpo(tiny, pair_rows, output, loss=PairLossConfig(logps="averaged")),
        "sft_weight": lambda: dpo(tiny, pair_rows, output, loss=PairLossConfig(sft_weight=1.0)),
        "seed": lambda: dpo(tiny, pair_rows, output, seed=1),
        "reference": lambda: dpo(tiny, pair_rows, output, reference=str(other)),
        "card": lambda: dpo(tiny, pair_rows, output, card={"method": "mine"}),
        "model": lambda: dpo(str(other), pair_rows, output, reference=tiny),
    }.items():
        with pytest.raises(ConfigError, match=f"made with {name} = "):
            call()


def test_a_damaged_finished_model_is_told_and_not_trained_on(tiny, pair_rows, output):
    dpo(tiny, pair_rows, output)
    file = output / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"model\.safetensors: its SHA-256 is not"):
        dpo(tiny, pair_rows, output)


def test_a_folder_with_something_else_in_it_is_not_overwritten(tiny, pair_rows, output):
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty, and not a model made here"):
        dpo(tiny, pair_rows, output)
    assert (output / "thesis.txt").read_text() == "mine"


def test_rows_beyond_the_models_context_are_refused_before_any_work(tiny, pair_rows, output):
    long = replace(pair_rows[0], preference_id="wordy", prompt=user("Q " + "1 " * 70))
    with pytest.raises(DataError, match=r"(?s)row 'wordy': .*64 is the model's context"):
        dpo(tiny, [long, *pair_rows[1:]], output)
    assert not output.exists()


def test_rows_beyond_max_length_are_refused_with_the_flag(tiny, supervised_rows, output):
    with pytest.raises(DataError, match="Raise --max-length"):
        train_supervised(
            tiny,
            supervised_rows,
            replace(CONFIG, max_length=8),
            seed=0,
            output=output,
            card=CARD,
        )


def test_training_that_stops_itself_leaves_no_model(tiny, supervised_rows, output):
    # Loads fine, and overflows in the first pass.
    model = AutoModelForCausalLM.from_pretrained(tiny)
    with torch.no_grad():
        model.model.norm.weight.fill_(3e38)
    broken = output.with_name("broken")
    model.save_pretrained(broken)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(broken)
    with pytest.raises(TrainingError, match="step 1 of 12: train/loss is"):
        train_supervised(str(broken), supervised_rows, CONFIG, seed=0, output=output, card=CARD)
    assert not output.exists()


@pytest.mark.fault(4, "full disk")
def test_a_full_disk_leaves_no_half_model_and_once_there_is_room_it_is_made(
    tiny, supervised_rows, small_disk, output
):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100_000))
    model = small_disk / "model"

    def train() -> None:
        train_supervised(tiny, supervised_rows, CONFIG, seed=0, output=model, card=CARD)

    with pytest.raises(StoreError, match=r"model: cannot write: .*No space left"):
        train()
    assert sorted(path.name for path in small_disk.iterdir()) == ["ballast", "model.training"]
    ballast.unlink()
    train()
    assert [path.name for path in small_disk.iterdir()] == ["model"]
    train_supervised(tiny, supervised_rows, CONFIG, seed=0, output=output, card=CARD)
    files = [folder / "model.safetensors" for folder in (model, output)]
    assert files[0].read_bytes() == files[1].read_bytes()
