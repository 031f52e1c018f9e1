"""The base model that ships: the weights on record, an exact tokenizer, and judgements of a kind.

torch and transformers are imported inside the tests, so that collecting them stays cheap.
"""

import json
from pathlib import Path

import pytest

from jurist.digest import file_digest
from jurist.formats.terse import Terse
from jurist.types import Comparison, Completion, Verdict, user
from jurist.worlds import (
    BASE,
    CorpusConfig,
    documents,
    preferences,
    read_chain,
    read_question,
    work,
)

CHAIN = "redo 4 + 7 = 1 - 2 = 9 ; 9 A 8 B ; so 9 A \n [[A]]"


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(BASE)


@pytest.fixture(scope="module")
def model():
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()


def write(tokenizer, model, content: str, max_new_tokens: int) -> Completion:
    """The likeliest reply to one user turn."""
    import torch

    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )["input_ids"]
    with torch.inference_mode():
        reply = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
        )[0, ids.shape[1] :]
    ended = tokenizer.eos_token_id in reply.tolist()
    text = tokenizer.decode(reply, skip_special_tokens=True)
    return Completion(text=text, finish_reason="stop" if ended else "length")


def test_the_weights_are_the_ones_on_record_and_small():
    record = json.loads((BASE / "base.json").read_text())
    weights = BASE / "model.safetensors"
    assert file_digest(weights) == record["sha256"]
    assert weights.stat().st_size < 2_000_000


def test_the_folder_holds_what_a_model_folder_holds_and_no_path_of_the_machine_that_made_it():
    for name in (
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "base.json",
        "README.md",
    ):
        text = (BASE / name).read_text()
        assert str(Path.home()) not in text
        assert "_name_or_path" not in text


@pytest.mark.parametrize(
    "text", [CHAIN, "[[B]]", "4 + 7 - 2", "#7f Q 4 + 7 as shown #00", "\n", ""]
)
def test_decoding_gives_back_what_was_encoded(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == text
    assert len(ids) == len(text.split(" ")) * (text != "")


def test_every_word_of_the_corpus_and_every_mark_is_in_the_vocabulary(tokenizer):
    from itertools import islice

    texts = [
        text
        for document in islice(documents(CorpusConfig(), 7), 300)
        for text in (document.question, document.first, document.second, document.reply)
    ]
    for text in [*texts, " ".join(f"#{number:02x}" for number in range(256))]:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("reasoning", [True, False])
def test_the_chat_template_opens_and_closes_turns(tokenizer, reasoning):
    shown = Comparison(
        prompt=user("4 + 7 - 2"), first="4 + 7 = 1 - 2 = 9 as shown", second="4 + 7 = 1 - 2 = 8"
    )
    content = Terse(reasoning=reasoning).render(shown)[0].content
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": CHAIN}]
    opened = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
    assert opened == f"<user> {content} <assistant>"
    whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)["input_ids"]
    ids = tokenizer(opened)["input_ids"]
    assert whole[: len(ids)] == ids
    assert whole[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(whole[len(ids) : -1]) == CHAIN
    assert tokenizer.unk_token_id not in whole
    assert len(ids) == len(content.split(" ")) + 2


def test_a_scalar_head_goes_on_the_same_folder(tokenizer):
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.set_verbosity_error()
    scorer = AutoModelForSequenceClassification.from_pretrained(
        BASE, num_labels=1, dtype=torch.float32
    )
    ids = tokenizer(["<user> 4 + 7 <assistant> 4 + 7 = 1 <eos>"], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        assert scorer(ids).logits.shape == (1, 1)


def test_the_base_writes_judgements_that_can_be_read_and_chains_that_are_mostly_right(
    tokenizer, model
):
    form, readable, exact = Terse(), 0, 0
    asked = preferences("in_distribution", "validation", 16, seed=2)
    for preference in asked:
        completion = write(
            tokenizer, model, form.render(preference.shown(0).comparison)[0].content, 64
        )
        readable += isinstance(form.parse(completion), Verdict)
        exact += completion.text.startswith(f"redo {work(read_question(preference.group)).text} ;")
    # Its likeliest habit is to redo, and about one fact in eight is believed wrongly.
    assert readable >= 15
    assert exact >= 8


def test_the_base_solves_most_questions(tokenizer, model):
    asked = preferences("in_distribution", "validation", 16, seed=3)
    right = 0
    for preference in asked:
        text = write(tokenizer, model, preference.group, 32).text
        right += read_chain(text).final == work(read_question(preference.group)).final
    assert right >= 9


def test_a_verdict_without_reasoning_is_the_whole_reply(tokenizer, model):
    form = Terse(reasoning=False)
    for preference in preferences("shifted", "validation", 4, seed=2):
        completion = write(
            tokenizer, model, form.render(preference.shown(0).comparison)[0].content, 8
        )
        assert isinstance(form.parse(completion), Verdict)
