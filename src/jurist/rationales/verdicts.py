"""GenRM: the labels themselves as replies to learn, without reasoning."""

import logging
from collections.abc import Mapping, Sequence
from typing import cast

from jurist.errors import ConfigError
from jurist.formats import Format, ResponseFormat
from jurist.rationales.rows import Label, SupervisedRow
from jurist.rationales.sample import asked_of
from jurist.types import Preference

logger = logging.getLogger(__name__)


def verdict_rows(
    format: Format | ResponseFormat, preferences: Sequence[Preference]
) -> list[SupervisedRow]:
    """Two rows of every preference: one for each order (Mahan et al. 2024, eq. 7), or one for each
    response (Zhang et al. 2024, the verifier without a rationale).

    Args:
        format: A format whose reply is the verdict alone.
        preferences: What to learn. Ties are left out, and logged, unless the format has a verdict
            for them.

    Returns:
        Rows in the order of the preferences, and of each as `asked_of` has them.

    Raises:
        ConfigError: If the format reasons, or nothing is left.
    """
    if format.reasoning:
        raise ConfigError(
            f"verdicts alone can be learnt only in a format without reasoning, not {format!r}"
        )
    verdicts = cast(Mapping[Label, str], format.verdicts)
    rows = [
        SupervisedRow(
            preference_id=preference.id, label=label, prompt=prompt, completion=verdicts[label]
        )
        for preference in preferences
        for prompt, label in asked_of(format, preference)
        if label in verdicts
    ]
    num_left_out = len(preferences) - len(rows) // 2
    if num_left_out:
        logger.info("%d ties left out: the format has no verdict for them", num_left_out)
    if not rows:
        raise ConfigError(
            f"no training rows: {len(preferences)} preferences, {num_left_out} of them ties"
        )
    return rows
