import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jurist.engines.partial_attention import attention, merged


def portable(*args, **settings):
    """The same by two products: a cap too high to bind takes the way that GPUs take."""
    return attention(*args, softcap=1e6, **settings)


def test_two_keys_by_hand():
    # Scores log 3 and 0 weigh 3 : 1, so values 4 and 8 give 5; log-sum-exp is log 4.
    query = torch.tensor([[[[math.log(3.0), 0.0]]]])
    keys = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    values = torch.tensor([[[[4.0, 0.0], [8.0, 0.0]]]])
    for way in (attention, portable):
        output, total = way(query, keys, values, scale=1.0)
        torch.testing.assert_close(output, torch.tensor([[[[5.0, 0.0]]]]))
        torch.testing.assert_close(total, torch.tensor([[[math.log(4.0)]]]))


def test_capped_scores_are_bounded():
    query = torch.tensor([[[[100.0]]]])
    keys, values = torch.tensor([[[[1.0], [-1.0]]]]), torch.tensor([[[[1.0], [0.0]]]])
    # Scores of +-100 become +-1, so the first key weighs e / (e + 1/e).
    output, _ = attention(query, keys, values, scale=1.0, softcap=1.0)
    assert float(output) == pytest.approx(math.e / (math.e + 1 / math.e), abs=1e-6)


@pytest.mark.parametrize("way", [attention, portable])
@given(num_first=st.integers(1, 40), num_second=st.integers(1, 40), seed=st.integers(0, 99))
def test_two_parts_merged_are_the_whole(way, num_first, num_second, seed):
    chance = torch.Generator().manual_seed(seed)
    query = torch.randn(2, 3, 5, 8, generator=chance)
    keys = 3 * torch.randn(2, 3, num_first + num_second, 8, generator=chance)
    values = torch.randn(2, 3, num_first + num_second, 8, generator=chance)
    whole, _ = way(query, keys, values, scale=0.5)
    first = way(query, keys[:, :, :num_first], values[:, :, :num_first], scale=0.5)
    second = way(query, keys[:, :, num_first:], values[:, :, num_first:], scale=0.5)
    torch.testing.assert_close(merged(*first, *second), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(merged(*second, *first), whole, atol=1e-5, rtol=1e-5)


def test_a_part_without_keys_adds_nothing():
    output = torch.randn(4, 8)
    nothing, total = torch.zeros(4, 8), torch.full((4,), -torch.inf)
    assert torch.equal(merged(nothing, total, output, torch.zeros(4)), output)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_two_ways_agree(dtype):
    torch.manual_seed(0)
    query, keys, values = (torch.randn(2, 3, n, 16).to(dtype) for n in (4, 30, 30))
    bias = torch.zeros(4, 30, dtype=dtype).masked_fill(torch.rand(4, 30) < 0.3, -torch.inf)
    tolerance = 1e-5 if dtype is torch.float32 else 2e-2
    for one, other in zip(
        attention(query, keys, values, scale=0.25, bias=bias),
        portable(query, keys, values, scale=0.25, bias=bias),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)
        assert one.dtype == other.dtype
