import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines import decoding
from jurist.engines.decoding import draw, uniforms

HALF_QUARTER_QUARTER = torch.tensor([[math.log(0.5), math.log(0.25), math.log(0.25)]])


def drawn(logits: torch.Tensor, place: float, *, temperature: float = 1.0, top_p: float = 1.0):
    at = torch.tensor([place], dtype=torch.float64)
    return int(draw(logits, at, temperature=temperature, top_p=top_p)[0])


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
    assert draw(logits, at, temperature=1.0, top_p=1.0).max() == 14


def test_top_p_over_many_tokens_is_that_over_all_of_them(monkeypatch):
    torch.manual_seed(0)
    flat = torch.randn(50, 300)
    places = torch.rand(50, dtype=torch.float64)
    whole = draw(flat, places, temperature=1.0, top_p=0.95)
    monkeypatch.setattr(decoding, "COMMON_TOKENS", 20)
    assert torch.equal(draw(flat, places, temperature=1.0, top_p=0.95), whole)
    peaked = flat * 20
    expected = draw(peaked, places, temperature=1.0, top_p=0.5)
    monkeypatch.setattr(decoding, "COMMON_TOKENS", 300)
    assert torch.equal(draw(peaked, places, temperature=1.0, top_p=0.5), expected)


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
    assert draw(logits, at, temperature=1.0, top_p=1.0).tolist() == [0, 0]
    assert draw(logits, at, temperature=0, top_p=1.0).tolist() == [0, 2]


def test_uniforms_are_those_of_their_seed_however_many_are_wanted():
    assert np.array_equal(uniforms(7, 10)[:4], uniforms(7, 4))
    assert not np.array_equal(uniforms(7, 4), uniforms(8, 4))
    many = uniforms(2**63 - 1, 20_000)
    assert 0 <= many.min() < many.max() < 1
    # The mean of n uniforms has a standard error of sqrt(1 / (12 n)), here 0.002.
    assert abs(many.mean() - 0.5) < 0.008
