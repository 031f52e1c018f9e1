import pytest
import torch
from transformers import AutoModelForSequenceClassification, GPT2Config, LlamaConfig, Qwen2Config

from jurist.errors import DataError
from jurist.models.chat import encode_conversation
from jurist.models.heads import TransformersScorer
from jurist.models.load import load_scalar, load_tokenizer
from jurist.types import Message, user
from jurist.worlds import BASE

COMMON = {"vocab_size": 262, "num_labels": 1, "pad_token_id": 0, "initializer_range": 0.3}
SHAPE = COMMON | {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 128,
}
CONFIGS = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**SHAPE),
    "gpt2": GPT2Config(**COMMON, n_embd=16, n_layer=2, n_head=2, n_positions=128),
}
PROMPTS = [user("Q"), (Message(role="system", content="S"), *user("Longer question?")), user("Q")]
RESPONSES = ["short", "one that is a good deal longer than the others are", "!"]


@pytest.fixture(params=CONFIGS)
def scorer(request, make_tokenizer) -> TransformersScorer:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(CONFIGS[request.param]).eval()
    return TransformersScorer(model, make_tokenizer("chatml"))


def test_scores_are_those_of_the_model_on_each_response_alone(scorer):
    expected = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        ids = encode_conversation(scorer.tokenizer, prompt, response)
        with torch.inference_mode():
            hidden = scorer.model.base_model(torch.tensor([ids])).last_hidden_state
            expected.append(scorer.model.score(hidden[0, -1]).item())
    assert len({round(score, 2) for score in expected}) == 3
    assert scorer(PROMPTS, RESPONSES) == pytest.approx(expected, abs=1e-4)


def test_scores_do_not_depend_on_order_or_batch(scorer):
    whole = scorer(PROMPTS, RESPONSES)
    assert scorer(PROMPTS[::-1], RESPONSES[::-1]) == pytest.approx(whole[::-1], abs=1e-4)
    scorer.max_batch_tokens = 1
    assert scorer(PROMPTS, RESPONSES) == pytest.approx(whole, abs=1e-4)


def test_scores_depend_on_prompt_and_response(scorer):
    first, other_prompt, other_response = scorer(
        [user("Q"), user("R"), user("Q")], ["yes", "yes", "no"]
    )
    assert abs(first - other_prompt) > 1e-3
    assert abs(first - other_response) > 1e-3


def test_nothing_to_score_is_no_scores(scorer):
    assert scorer([], []) == []


def test_one_response_too_many_is_an_error(scorer):
    with pytest.raises(ValueError, match="zip"):
        scorer([user("Q")], ["a", "b"])


def test_what_does_not_fit_is_refused_before_anything_is_scored(scorer, monkeypatch):
    monkeypatch.setattr(scorer.model, "forward", lambda **_: pytest.fail("scored"))
    with pytest.raises(DataError, match=r"1 of 2 responses .*context of 128 tokens"):
        scorer([user("Q"), user("Q")], ["fine", "x" * 200])


def test_the_base_that_ships_scores_zero_until_it_is_trained():
    scorer = TransformersScorer.load(BASE)
    assert scorer([user("4 + 7 - 2")] * 2, ["4 + 7 = 1", "4"]) == [0.0, 0.0]


def test_a_last_token_that_is_the_padding_token_is_read_alike_in_every_batch(make_tokenizer):
    # A checkpoint without a padding token pads with its end of turn, and its own pooling then
    # reads the token before: alone, padded and with plain transformers.
    torch.manual_seed(0)
    tokenizer = make_tokenizer("chatml")
    model = AutoModelForSequenceClassification.from_config(CONFIGS["llama"]).eval()
    model.config.pad_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    scorer = TransformersScorer(model, tokenizer)
    alone = [scorer([p], [r])[0] for p, r in zip(PROMPTS, RESPONSES, strict=True)]
    assert scorer(PROMPTS, RESPONSES) == pytest.approx(alone, abs=1e-4)


def test_a_loaded_scorer_scores_as_its_model(tmp_path):
    model = load_scalar(BASE)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.score.weight)
    model.save_pretrained(tmp_path)
    load_tokenizer(BASE).save_pretrained(tmp_path)
    questions = [user("4 + 7 - 2"), user("4 + 7")]
    responses = ["4 + 7 = 1 - 2 = 9", "4 + 7 = 1"]
    expected = TransformersScorer(model, load_tokenizer(BASE))(questions, responses)
    assert TransformersScorer.load(tmp_path)(questions, responses) == expected
