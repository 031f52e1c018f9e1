"""Labels are trained on by TRL as they are written: no conversion."""

import math

import pytest

torch = pytest.importorskip("torch")
trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

from jurist.data.label_files import NAMES  # noqa: E402 - what is skipped without TRL
from jurist.data.labelled import LabelLayout  # noqa: E402
from jurist.digest import derive_seed  # noqa: E402
from jurist.engines import ScriptedEngine  # noqa: E402
from jurist.engines import openai as served  # noqa: E402
from jurist.recipes.judge_config import JudgeConfig, VotingConfig  # noqa: E402
from jurist.recipes.label import run_label  # noqa: E402
from jurist.recipes.label_config import LabelConfig  # noqa: E402
from jurist.worlds import BASE, preferences  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with labels of a few pairs of the world that ships, by a judge that draws lots."""
    from jurist.data import write_preferences

    def drawn(prompt, index):
        return "[[A]]" if derive_seed(prompt[-1].content) % 2 else "[[B]]"

    monkeypatch.setattr(served, "OpenAIEngine", lambda *_, **__: ScriptedEngine(drawn))
    write_preferences(
        tmp_path / "pairs.jsonl", preferences("in_distribution", "train", num=12, seed=0)
    )
    judge = JudgeConfig(model="m", base_url="http://scripted", voting=VotingConfig(votes=1))
    config = LabelConfig(
        judge=judge,
        output=tmp_path / "run",
        pairs=str(tmp_path / "pairs.jsonl"),
        layouts=("trl", "datasets"),
        consistent=False,
        min_confidence=0.5,
    )
    run_label(config)
    return tmp_path / "run"


@pytest.fixture
def load(run, tmp_path):
    """Open what was written in a layout, by `datasets` alone."""
    datasets.disable_progress_bars()

    def loaded(layout):
        path, cache = str(run / NAMES[layout]), str(tmp_path / "cache")
        if layout is LabelLayout.DATASETS:
            return datasets.load_dataset(path, split="train", cache_dir=cache)
        return datasets.load_dataset("json", data_files=path, split="train", cache_dir=cache)

    return loaded


SETTINGS = {
    "max_steps": 2,
    "per_device_train_batch_size": 2,
    "learning_rate": 1e-3,
    "report_to": [],
    "use_cpu": True,
    "bf16": False,
    "save_strategy": "no",
    "logging_steps": 1,
    "disable_tqdm": True,
}


def losses(trainer):
    trainer.train()
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


@pytest.mark.parametrize("layout", [LabelLayout.TRL, LabelLayout.DATASETS])
def test_dpo_trains_two_steps_on_them(load, tmp_path, layout):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trainer = trl.DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(str(BASE)),
        args=trl.DPOConfig(output_dir=str(tmp_path / "dpo"), **SETTINGS),
        processing_class=AutoTokenizer.from_pretrained(str(BASE)),
        train_dataset=load(layout),
    )
    found = losses(trainer)
    # Before the first step policy and reference are one: log 2.
    assert found[0] == pytest.approx(math.log(2), abs=1e-3)
    assert len(found) == 2


def test_a_reward_model_takes_no_column_for_a_margin(load, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(str(BASE), num_labels=1)
    torch.nn.init.zeros_(model.score.weight)
    trainer = trl.RewardTrainer(
        model=model,
        args=trl.RewardConfig(output_dir=str(tmp_path / "reward"), **SETTINGS),
        processing_class=AutoTokenizer.from_pretrained(str(BASE)),
        train_dataset=load(LabelLayout.DATASETS),
    )
    # All rewards are 0 before the first step; a margin would be in the loss. It is in bfloat16.
    assert losses(trainer)[0] == pytest.approx(math.log(2), abs=5e-3)
