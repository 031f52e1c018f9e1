"""How long the rows of a training are, in tokens, before anything is learnt from them."""

from collections import Counter
from collections.abc import Mapping, Sequence

from jurist.training.examples import Example

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


def token_lengths(examples: Sequence[Example], *, max_length: int) -> dict[str, object]:
    """Lengths of a training's sequences, for a file.

    Args:
        examples: The rows. Both sequences of a pair count.
        max_length: Longest sequence that fits, in tokens.

    Returns:
        `rows`, `max_length`, and for `prompt`, `reply` and `total` the `quantiles` by their share
        and a `histogram`: how many sequences have at most so many tokens, a power of two, and more
        than half of that. JSON values.
    """
    sequences = [sequence for example in examples for sequence in example.sequences]
    prompts = [sequence.prompt_length for sequence in sequences]
    totals = [len(sequence.ids) for sequence in sequences]
    replies = [total - prompt for total, prompt in zip(totals, prompts, strict=True)]
    return {
        "rows": len(examples),
        "max_length": max_length,
        "prompt": _spread(prompts),
        "reply": _spread(replies),
        "total": _spread(totals),
    }


def _spread(lengths: Sequence[int]) -> Mapping[str, object]:
    ordered = sorted(lengths)
    bins = Counter(1 << max(0, length - 1).bit_length() for length in ordered)
    return {
        "quantiles": {
            f"{share:g}": ordered[min(len(ordered) - 1, int(len(ordered) * share))]
            for share in QUANTILES
        },
        "histogram": {str(edge): bins[edge] for edge in sorted(bins)},
    }
