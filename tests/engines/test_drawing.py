import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines import drawing
from jurist.engines.drawing import draw, follow, uniforms

HALF_QUARTER_QUARTER = torch.tensor([[math.log(0.5), math.log(0.25), math.log(0.25)]])


def drawn(logits: torch.Tensor, place: float, *, temperature: float = 1.0, top_p: float = 1.0):
    at = torch.tensor([place], dtype=torch.float64)
    return int(draw(logits, at, temperature=temperature, top_p=top_p)[0][0])


@pytest.mark.parametrize(
    ("place", "token"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.74, 1), (0.76, 2), (0.999999, 2)]
)
def test_a_place_is_a_share_of_the_probability_before_the_token(place, token):
    assert drawn(HALF_QUARTER_QUARTER, place) == token


def test_temperature_divides_the_logits():
    # At temperature 1/2 the probabilities are as 4 : 1 : 1, so the first holds two thirds.
    assert drawn(HALF_QUARTER_QUARTER, 0.66, temperature=0.5) == 0
    assert drawn(HALF_QUARTER_QUARTER, 0.67, temperature=0.5) == 1
    assert drawn(HALF_QUARTER_QUARTER, 0.99, temperature=0) == 0


def test_top_p_draws_from_the_fewest_tokens_that_hold_so_much():
    # 0.5 is not yet 0.6, so the second token is in; the third is not. They share 0.75.
    assert drawn(HALF_QUARTER_QUARTER, 0.66, top_p=0.6) == 0
    assert drawn(HALF_QUARTER_QUARTER, 0.67, top_p=0.6) == 1
    assert drawn(HALF_QUARTER_QUARTER, 0.999999, top_p=0.6) == 1
    assert drawn(HALF_QUARTER_QUARTER, 0.999999, top_p=0.4) == 0
    # Two equal tokens: the first holds all of 0.5, and the second is no longer wanted.
    assert drawn(torch.zeros(1, 2), 0.999999, top_p=0.5) == drawn(torch.zeros(1, 2), 0, top_p=0.5)


def test_which_of_equal_tokens_are_in_the_nucleus_does_not_depend_on_other_rows():
    """A flat row needs all tokens sorted, a peaked one does not: side by side neither changes."""
    peaked = torch.zeros(1, 4_000)
    peaked[0, :3] = 10.0  # So that some 500 of the others are in.
    flat = torch.zeros(1, 4_000)
    at = torch.linspace(0, 0.999, 40, dtype=torch.float64)
    for row in (peaked, flat):
        alone = draw(row.expand(40, -1), at, temperature=1.0, top_p=0.95)
        both = torch.cat((row, peaked, flat)).repeat(40, 1)
        beside = draw(both, at.repeat_interleave(3), temperature=1.0, top_p=0.95)
        assert torch.equal(beside[0][::3], alone[0]) and torch.equal(beside[1][::3], alone[1])


def test_top_p_smaller_than_any_probability_still_leaves_the_likeliest():
    assert drawn(torch.zeros(1, 7), 0.999999, top_p=1e-9) in range(7)


def test_tokens_of_no_probability_are_never_drawn():
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]])
    assert [drawn(logits, place) for place in (0.0, 0.49, 0.5, 1 - 2**-53)] == [1, 1, 3, 3]


def test_rounding_never_draws_a_token_of_no_probability():
    # The largest place there is, and totals that are not quite 1.
    torch.manual_seed(0)
    logits = torch.randn(500, 20)
    logits[:, 15:] = -math.inf
    at = torch.full((500,), 1 - 2**-53, dtype=torch.float64)
    tokens, _ = draw(logits, at, temperature=1.0, top_p=1.0)
    assert tokens.max() == 14


def test_top_p_over_many_tokens_is_that_over_all_of_them(monkeypatch):
    torch.manual_seed(0)
    flat = torch.randn(50, 300)
    places = torch.rand(50, dtype=torch.float64)
    whole, _ = draw(flat, places, temperature=1.0, top_p=0.95)
    monkeypatch.setattr(drawing, "COMMON_TOKENS", 20)
    assert torch.equal(draw(flat, places, temperature=1.0, top_p=0.95)[0], whole)
    peaked = flat * 20
    expected, _ = draw(peaked, places, temperature=1.0, top_p=0.5)
    monkeypatch.setattr(drawing, "COMMON_TOKENS", 300)
    assert torch.equal(draw(peaked, places, temperature=1.0, top_p=0.5)[0], expected)


@given(
    st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=12),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.1, 3),
    st.floats(0.01, 1),
)
def test_whatever_is_drawn_is_in_the_nucleus(logits, place, temperature, top_p):
    token = drawn(torch.tensor([logits]), place, temperature=temperature, top_p=top_p)
    weights = np.exp((np.array(logits) - max(logits)) / temperature)
    # Logits that float32 cannot tell apart after the softmax are equally likely.
    likelier = np.array(logits) - logits[token] > 1e-5 * temperature
    before = weights[likelier].sum() / weights.sum()
    assert before < top_p + 1e-5


def test_rows_are_drawn_apart():
    logits = torch.cat((HALF_QUARTER_QUARTER, HALF_QUARTER_QUARTER.flip(-1)))
    at = torch.tensor([0.1, 0.1], dtype=torch.float64)
    assert draw(logits, at, temperature=1.0, top_p=1.0)[0].tolist() == [0, 0]
    assert draw(logits, at, temperature=0, top_p=1.0)[0].tolist() == [0, 2]


def test_uniforms_are_those_of_their_seed_however_many_are_wanted():
    assert np.array_equal(uniforms(7, 10)[:4], uniforms(7, 4))
    assert not np.array_equal(uniforms(7, 4), uniforms(8, 4))
    many = uniforms(2**63 - 1, 20_000)
    assert 0 <= many.min() < many.max() < 1
    # The mean of n uniforms has a standard error of sqrt(1 / (12 n)), here 0.002.
    assert abs(many.mean() - 0.5) < 0.008


@pytest.mark.parametrize("num_tokens", [1, 255, 256, 257, 1000, 3000])
@pytest.mark.parametrize("drawn", [{"temperature": 1.0}, {"temperature": 0.7}], ids=str)
def test_chunks_and_blocks_find_what_one_long_scan_finds(monkeypatch, num_tokens, drawn):
    monkeypatch.setattr(drawing, "BLOCK_LOGITS", 3 * num_tokens)
    torch.manual_seed(0)
    logits = 3 * torch.randn(40, num_tokens)
    logits[:, ::7] = -math.inf if num_tokens > 1 else 0.0
    at = torch.rand(40, dtype=torch.float64)
    tokens, logps = draw(logits, at, **drawn, top_p=1.0)
    scan = (logits.double() / drawn["temperature"]).softmax(-1).cumsum(-1)
    assert torch.equal(tokens, torch.searchsorted(scan, at[:, None], right=True)[:, 0])
    expected = logits.double().log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
    torch.testing.assert_close(logps, expected, atol=1e-6, rtol=0)


def test_places_between_chunks_find_the_next_token_that_can_be_drawn():
    # 600 tokens in three chunks, of which only the first of each has any probability.
    logits = torch.full((1, 600), -math.inf)
    logits[0, [0, 256, 512]] = 0.0
    for place, token in ((0.0, 0), (0.3333, 0), (0.3334, 256), (0.6667, 512), (1 - 2**-53, 512)):
        assert drawn(logits, place) == token


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_given_tokens_are_as_likely_as_the_model_says(dtype):
    torch.manual_seed(0)
    logits, tokens = torch.randn(30, 700).to(dtype), torch.randint(700, (30,))
    same, logps = follow(logits, tokens)
    assert torch.equal(same, tokens)
    expected = logits.double().log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
    torch.testing.assert_close(logps, expected, atol=1e-5, rtol=0)


def test_drawing_leaves_the_logits_as_they_are():
    logits = torch.randn(3, 50)
    before = logits.clone()
    draw(logits, torch.rand(3, dtype=torch.float64), temperature=1.0, top_p=0.9)
    follow(logits, torch.zeros(3, dtype=torch.long))
    assert torch.equal(logits, before)
