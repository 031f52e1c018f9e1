"""Texts that no tokenizer should see: too long for any context, or no text at all."""

import time
from functools import partial

import pytest

from jurist.engines.transformers import TransformersEngine
from jurist.errors import DataError
from jurist.models.chat import (
    MAX_BYTES_PER_TOKEN,
    MAX_TEXT_BYTES,
    can_write,
    encode_conversation,
    encode_prompt,
    encode_reply,
    encode_text,
    most_bytes,
)
from jurist.rationales import PairRow, SupervisedRow
from jurist.training.examples import pair_examples, scalar_examples, supervised_examples
from jurist.types import Preference, Sampling, Verdict, user
from jurist.worlds import BASE

LONG = "All work and no play. " * 500_000
"""Eleven megabytes, which tokenizers take ten seconds for."""

HALF = "fine \ud83d"


def encoders(tokenizer, text: str):
    return {
        "prompt": partial(encode_prompt, tokenizer, user(text)),
        "text": partial(encode_text, tokenizer, text),
        "reply": partial(encode_reply, tokenizer, text),
        "conversation": partial(encode_conversation, tokenizer, user("Hi"), text),
        "conversation's prompt": partial(encode_conversation, tokenizer, user(text), "Hi"),
    }


@pytest.mark.fault(20, "long text before the tokenizer")
def test_a_long_text_is_refused_before_it_is_tokenised(tokenizer, figure):
    most = most_bytes(tokenizer)
    for encode in encoders(tokenizer, LONG).values():
        started = time.process_time()
        with pytest.raises(DataError) as caught:
            encode()
        assert time.process_time() - started < 0.5
        said = f"content of {len(LONG):,} bytes or more, where at most {most:,} are tokenised"
        assert said in str(caught.value)
    assert not can_write(tokenizer, LONG)


@pytest.mark.fault(20, "long text before the tokenizer")
def test_half_a_surrogate_pair_is_refused_and_its_place_is_said(tokenizer):
    for encode in encoders(tokenizer, HALF).values():
        with pytest.raises(DataError) as caught:
            encode()
        said = "content holds half of a surrogate pair, U+D83D at character 6, which is no text"
        assert said in str(caught.value)
    assert not can_write(tokenizer, HALF)


def test_the_bound_follows_the_context_and_counts_bytes(make_tokenizer):
    tokenizer = make_tokenizer("chatml")
    assert most_bytes(tokenizer) == MAX_TEXT_BYTES  # one that does not say how much it reads
    tokenizer.model_max_length = 5
    assert most_bytes(tokenizer) == 5 * MAX_BYTES_PER_TOKEN == 320
    assert len(encode_text(tokenizer, "a" * 320)) == 320
    assert len(encode_text(tokenizer, "\u00e9" * 160)) == 320
    for text in ("a" * 321, "\u00e9" * 161):
        with pytest.raises(DataError, match=r"content of 32[12] bytes or more, where at most 320"):
            encode_text(tokenizer, text)
    # The turns of a conversation count together.
    with pytest.raises(DataError, match="at most 320"):
        encode_prompt(tokenizer, (*user("a" * 200), *user("b" * 200)))


@pytest.mark.fault(20, "long text before the tokenizer")
@pytest.mark.parametrize(("text", "why"), [(LONG, "are tokenised"), (HALF, "half of a surrogate")])
def test_an_engine_says_which_prompt_or_continuation_it_was(text: str, why: str):
    engine = TransformersEngine.load(BASE)
    good = user("#7f Q 4 + 7 #7f Think")
    with pytest.raises(DataError, match=rf"^prompt 1 of 2, counted from 0: .*{why}"):
        engine.generate([good, user(text)], Sampling(max_tokens=2))
    with pytest.raises(DataError, match=rf"^prompt 1 of 2, counted from 0: .*{why}"):
        engine.score([good, user(text)], [["ok"], ["ok"]])
    with pytest.raises(DataError, match=rf"^continuation 1 of prompt 0, counted from 0: .*{why}"):
        engine.score([good], [["ok", text]])


@pytest.mark.fault(20, "long text before the tokenizer")
@pytest.mark.parametrize(("text", "why"), [(LONG, "are tokenised"), (HALF, "half of a surrogate")])
def test_a_training_row_is_named(make_tokenizer, text: str, why: str):
    tokenizer = make_tokenizer("chatml")
    prompt, named = user("Which?"), rf"^row 'pair-7': .*{why}"
    row = SupervisedRow(preference_id="pair-7", label=Verdict.FIRST, prompt=prompt, completion=text)
    with pytest.raises(DataError, match=named):
        supervised_examples(tokenizer, [row])
    pair = PairRow(
        preference_id="pair-7", label=Verdict.FIRST, prompt=prompt, chosen="x", rejected=text
    )
    with pytest.raises(DataError, match=named):
        pair_examples(tokenizer, [pair])
    preference = Preference(
        id="pair-7", prompt=prompt, chosen=text, rejected="x", source="s", group="g"
    )
    with pytest.raises(DataError, match=named):
        scalar_examples(tokenizer, [preference])
