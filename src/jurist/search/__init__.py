"""Search: choosing among many responses to a prompt, and what choosing among n of them is worth."""

from jurist.search.answers import ANSWERS, last_number, plain_text
from jurist.search.best_of_n import (
    Choice,
    Met,
    best_of_n,
    first_drawn,
    knockout,
    knockout_rounds,
    met,
    replayed_knockout,
)
from jurist.search.curves import (
    MAX_DRAWS,
    Curve,
    Knockout,
    Rewarded,
    draws,
    expected_best,
    judged_curve,
    majority_curve,
    oracle_curve,
    random_curve,
    scored_curve,
    sizes_of,
)

__all__ = [
    "ANSWERS",
    "MAX_DRAWS",
    "Choice",
    "Curve",
    "Knockout",
    "Met",
    "Rewarded",
    "best_of_n",
    "draws",
    "expected_best",
    "first_drawn",
    "judged_curve",
    "knockout",
    "knockout_rounds",
    "last_number",
    "majority_curve",
    "met",
    "oracle_curve",
    "plain_text",
    "random_curve",
    "replayed_knockout",
    "scored_curve",
    "sizes_of",
]
