import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jurist.training.attention import _explicit, _TreeAttention, shares_prefixes
from jurist.training.forest import Forest, Tree

CPU = torch.device("cpu")

trees = st.lists(
    st.tuples(st.integers(1, 40), st.lists(st.integers(1, 30), max_size=4)).map(
        lambda sizes: Tree(sizes[0], tuple(sizes[1]))
    ),
    min_size=1,
    max_size=6,
)


def seen(forest: Forest, window: int | None) -> torch.Tensor:
    """Who sees whom, which `test_forest` holds to the paths of the trees. Shape: [T, T]."""
    places = torch.arange(forest.num_tokens)
    return forest.seen(places[:, None], places, window)


def states(num_tokens: int, heads: int = 4, kv_heads: int = 2, width: int = 8, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(num_tokens, count, width, generator=generator).requires_grad_()
        for count in (heads, kv_heads, kv_heads)
    ]


def plain(query, key, value, seen, scale):
    group = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
    scores = torch.einsum("qhd,khd->hqk", query, key) * scale
    weights = scores.masked_fill(~seen, float("-inf")).softmax(dim=-1)
    return torch.einsum("hqk,khd->qhd", weights, value)


@given(shapes=trees, window=st.sampled_from([None, 1, 5, 25]), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_both_ways_give_the_output_and_gradients_of_the_whole_mask(shapes, window, seed):
    forest = Forest(shapes, CPU)
    scale = 0.7
    inputs = states(forest.num_tokens, seed=seed)
    upstream = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(seed + 1))
    wanted = plain(*inputs, seen(forest, window), scale)
    gradients = torch.autograd.grad(wanted, inputs, upstream)
    ways = {
        "merged": _TreeAttention.apply(*inputs, forest, scale, window),
        "explicit": _explicit(
            *inputs, forest, scale=scale, window=window, softcap=None, dropout=0.0
        ),
    }
    for found in ways.values():
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        for one, other in zip(torch.autograd.grad(found, inputs, upstream), gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("shapes", [[Tree(6)], [Tree(4, (2, 2))], [Tree(1, (6, 6))]])
def test_a_window_ends_where_it_says_though_one_token_only_is_beyond_it(shapes):
    forest = Forest(shapes, CPU)
    inputs = states(forest.num_tokens)
    found = _TreeAttention.apply(*inputs, forest, 1.0, 5)
    torch.testing.assert_close(found, plain(*inputs, seen(forest, 5), 1.0))


def test_scores_of_any_size_leave_no_trace_of_padding():
    # Lengths apart, so that rows are padded; scores of hundreds, whose exponentials overflow.
    forest = Forest([Tree(30, (20, 3)), Tree(25, (14, 7, 2)), Tree(29, (5, 18))], CPU)
    query, key, value = (each.detach().mul(30).requires_grad_() for each in states(153))
    found = _TreeAttention.apply(query, key, value, forest, 1.0, None)
    wanted = plain(query, key, value, seen(forest, None), 1.0)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-3)
    for gradient in torch.autograd.grad(found.sum(), (query, key, value)):
        assert bool(gradient.isfinite().all())


def test_bfloat16_is_as_near_as_its_digits():
    shapes = [Tree(30, (20, 3)), Tree(25, (14, 7, 2))]
    forest = Forest(shapes, CPU)
    inputs = [each.detach().bfloat16().requires_grad_() for each in states(forest.num_tokens)]
    found = _TreeAttention.apply(*inputs, forest, 0.35, None)
    wanted = plain(*(each.float() for each in inputs), seen(forest, None), 0.35)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, rtol=2e-2, atol=2e-2)


def test_models_that_see_ahead_or_keep_a_state_do_not_read_trees():
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, MambaConfig, MambaForCausalLM

    small = {"hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 8}
    mamba = MambaForCausalLM(MambaConfig(**small, state_size=4))
    config = Gemma3TextConfig(
        **small, intermediate_size=8, num_attention_heads=1, num_key_value_heads=1, head_dim=8
    )
    assert not shares_prefixes(mamba)
    assert shares_prefixes(Gemma3ForCausalLM(config))
    config.use_bidirectional_attention = True
    assert not shares_prefixes(Gemma3ForCausalLM(config))


@pytest.mark.gpu
@pytest.mark.parametrize("window", [None, 25])
def test_flex_attention_gives_the_output_and_gradients_of_the_explicit_way(window):
    from jurist.training.attention import tree_attention

    device = torch.device("cuda")
    forest = Forest([Tree(90, (40, 33)), Tree(120, (20, 64, 7)), Tree(50)], device)
    inputs = [
        each.detach().to(device).requires_grad_() for each in states(forest.num_tokens, width=64)
    ]
    wanted = _explicit(*inputs, forest, scale=0.125, window=window, softcap=5.0, dropout=0.0)
    query, key, value = (each.transpose(0, 1)[None] for each in inputs)
    found, _ = tree_attention(
        torch.nn.Module(),
        query,
        key,
        value,
        None,
        forest=forest,
        scaling=0.125,
        sliding_window=window,
        softcap=5.0,
    )
    upstream = torch.randn_like(wanted)
    torch.testing.assert_close(found[0], wanted, rtol=1e-2, atol=1e-2)
    for one, other in zip(
        torch.autograd.grad(found[0], inputs, upstream),
        torch.autograd.grad(wanted, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2)
