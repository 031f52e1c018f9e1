import pytest
import torch

from jurist.objectives import token_logps, token_logps_from_hidden, vocabulary


def random_case(num_tokens: int = 23, width: int = 5, size: int = 17):
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(num_tokens, width, generator=generator).requires_grad_()
    weight = torch.randn(size, width, generator=generator).requires_grad_()
    labels = torch.randint(0, size, (num_tokens,), generator=generator)
    upstream = torch.randn(num_tokens, generator=generator)
    return hidden, weight, labels, upstream


def whole(hidden, weight, labels, softcap):
    logits = hidden @ weight.T
    if softcap is not None:
        logits = torch.tanh(logits / softcap) * softcap
    return token_logps(logits, labels)


@pytest.mark.parametrize("softcap", [None, 1.5])
@pytest.mark.parametrize("chunk", [1, 7, 23, 1000])
def test_chunks_give_the_values_and_gradients_of_all_logits_at_once(monkeypatch, chunk, softcap):
    hidden, weight, labels, upstream = random_case()
    monkeypatch.setattr(vocabulary, "CHUNK_LOGITS", chunk * len(weight))
    wanted = whole(hidden, weight, labels, softcap)
    found = token_logps_from_hidden(hidden, weight, labels, softcap=softcap)
    torch.testing.assert_close(found, wanted)
    for one, other in zip(
        torch.autograd.grad(found, (hidden, weight), upstream),
        torch.autograd.grad(wanted, (hidden, weight), upstream),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_no_more_logits_are_made_at_once_than_a_chunk_has(monkeypatch):
    made: list[int] = []
    usual = vocabulary._logits

    def counted(*args):
        logits = usual(*args)
        made.append(logits.numel())
        return logits

    hidden, weight, labels, upstream = random_case()
    monkeypatch.setattr(vocabulary, "CHUNK_LOGITS", 5 * len(weight))
    monkeypatch.setattr(vocabulary, "_logits", counted)
    logps = token_logps_from_hidden(hidden, weight, labels)
    logps.backward(upstream)
    assert max(made) == 5 * len(weight)
    assert sum(made) == 2 * len(labels) * len(weight), "once forward, once backward"


def test_a_frozen_head_has_no_gradient_and_the_states_have_theirs():
    hidden, weight, labels, upstream = random_case()
    weight.requires_grad_(False)
    (found,) = torch.autograd.grad(
        token_logps_from_hidden(hidden, weight, labels), hidden, upstream
    )
    (wanted,) = torch.autograd.grad(whole(hidden, weight, labels, None), hidden, upstream)
    torch.testing.assert_close(found, wanted)


def test_bfloat16_under_autocast_keeps_sums_in_float32():
    hidden, weight, labels, _ = random_case()
    with torch.autocast("cpu", torch.bfloat16):
        found = token_logps_from_hidden(hidden, weight, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, whole(hidden, weight, labels, None), rtol=0.05, atol=0.1)
    found.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.dtype == torch.float32


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"got \[2, 3\], \[4, 3\] and \[3\]"):
        token_logps_from_hidden(
            torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(3, dtype=torch.long)
        )
