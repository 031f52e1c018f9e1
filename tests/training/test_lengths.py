"""Lengths of rows, by hand."""

from jurist.training.examples import Encoded, Example
from jurist.training.lengths import token_lengths


def example(*lengths: tuple[int, int]) -> Example:
    """A row of sequences with so many tokens of prompt and of reply."""
    return Example(
        name="row",
        sequences=tuple(
            Encoded(ids=list(range(prompt + reply)), prompt_length=prompt)
            for prompt, reply in lengths
        ),
    )


def test_lengths_by_hand():
    pair, single = example((3, 1), (3, 5)), example((16, 17))
    assert token_lengths([single, pair], max_length=64) == {
        "rows": 2,
        "max_length": 64,
        "prompt": {
            "quantiles": dict(zip(SHARES, (3, 3, 3, 3, 16, 16, 16, 16), strict=True)),
            "histogram": {"4": 2, "16": 1},
        },
        "reply": {
            "quantiles": dict(zip(SHARES, (1, 1, 1, 5, 17, 17, 17, 17), strict=True)),
            "histogram": {"1": 1, "8": 1, "32": 1},
        },
        "total": {
            "quantiles": dict(zip(SHARES, (4, 4, 4, 8, 33, 33, 33, 33), strict=True)),
            "histogram": {"4": 1, "8": 1, "64": 1},
        },
    }


SHARES = ("0", "0.1", "0.25", "0.5", "0.75", "0.9", "0.99", "1")
