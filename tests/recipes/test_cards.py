"""The model card of a checkpoint that a recipe made: what the hub reads, and what people read."""

import json
import shutil

import pytest
from huggingface_hub import ModelCard

from jurist.recipes.cards import write_model_card
from jurist.reports import load_results
from jurist.training.card import MARK, front_matter, is_hub_id


@pytest.mark.slow
def test_the_hub_reads_the_evaluation_off_the_card(trained):
    card = ModelCard.load(trained / "checkpoint" / "README.md").data
    assert card.to_dict()["library_name"] == "transformers"
    assert card.pipeline_tag == "text-classification"
    assert {"jurist", "reward-model", "bradley-terry"} <= set(card.tags)
    assert card.base_model is None, "a folder of this machine is nobody's base model"
    (row,) = load_results(trained / "results.json").rows
    found = {result.metric_type: result for result in card.eval_results}
    assert found["accuracy"].metric_value == round(row.agreement.accuracy.value, 4)
    assert found["failure_rate"].metric_value == 0.0
    assert {result.dataset_name for result in found.values()} == {"test"}


def test_people_read_what_it_is_how_well_it_agrees_and_how_to_load_it(trained):
    text = (trained / "checkpoint" / "README.md").read_text("utf-8")
    for words in (
        "one number for a prompt and a response",
        "| test | ",
        "longer wins",
        "seed 0",
        "AutoModelForSequenceClassification.from_pretrained",
        "jurist judge --model judge",
        "## Limits",
    ):
        assert words in text, words
    assert "vllm" not in text, "vLLM serves no such head"
    assert str(trained) not in text
    assert str(trained.parent) not in text


def test_a_card_is_written_anew_unless_somebody_made_it_their_own(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    results = load_results(run / "results.json")
    path = run / "checkpoint" / "README.md"
    path.write_text(f"{MARK}\nold")
    write_model_card(run, run / "checkpoint", results)
    assert "## Limits" in path.read_text()
    path.write_text("my own")
    write_model_card(run, run / "checkpoint", results)
    assert path.read_text() == "my own"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("meta-llama/Llama-3.1-8B", True),
        ("runs/star/checkpoint", False),
        ("/models/x", False),
        ("./a/b", False),
        ("gpt2", False),
    ],
)
def test_an_id_of_the_hub_is_told_from_a_path(name, is_one):
    assert is_hub_id(name) is is_one


def test_front_matter_that_the_hub_parses_whatever_the_names_hold():
    name = 'a: "b" \\ [c] é 😀\n---'
    text = front_matter({"kind": "reasoning", "method": name}, base_model="meta-llama/Llama-3.1-8B")
    card = ModelCard(f"{text}\n\nbody").data
    assert card.base_model == "meta-llama/Llama-3.1-8B"
    assert card.pipeline_tag == "text-generation"
    assert card.tags[-1] == "a-b-c"
    index = [
        {
            "name": name,
            "results": [
                {
                    "task": {"type": "text-classification"},
                    "dataset": {"type": name, "name": name},
                    "metrics": [{"type": "accuracy", "value": 0.5}],
                }
            ],
        }
    ]
    read = ModelCard(front_matter({}, model_index=index)).data
    assert read.model_name == name
    assert read.eval_results[0].dataset_name == name
    assert json.dumps(read.eval_results[0].metric_value) == "0.5"
