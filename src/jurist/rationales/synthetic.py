"""Self-Taught Evaluators: preferences by construction, from prompts alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from jurist.engines.base import Engine
from jurist.errors import ConfigError
from jurist.formats import Variation
from jurist.types import Completion, Conversation, Failure, Preference, Sampling

GoodResponse: TypeAlias = Literal["sampled", "chosen"]
"""Where the better response of a synthetic pair is from: the writer, or the data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Synthetic:
    """Pairs made of prompts."""

    preferences: list[Preference]
    """Chosen: a response to the prompt. Rejected: one to a variation of it."""

    counts: dict[str, int]
    """Of the different `prompts` those that make no pair: without a good response (`no_response`),
    a variation (`no_variation`) or a response to that (`no_worse_response`), or with both
    responses `alike`; and `pairs`."""


def synthetic_preferences(
    writer: Engine,
    variation: Variation,
    preferences: Sequence[Preference],
    sampling: Sampling,
    *,
    good: GoodResponse,
) -> Synthetic:
    """Make a worse response to every prompt, by replying to a variation of it.

    Wang et al. 2024, section 3. That the first response is better is a guess of construction: a
    good response may be wrong, and a reply to the variation may suit the prompt as well.

    Args:
        writer: Writes variations and responses.
        variation: How it is asked for variations.
        preferences: Where the prompts are from, each used once. With good responses sampled nothing
            else of them is looked at. With chosen ones the chosen response is, which is something
            that people said, though not in comparison with what it stands against here; a tie has
            none and is left out, counted as `no_response`.
        sampling: How it writes. One sample is taken of each.
        good: Where the better responses are from.

    Raises:
        ConfigError: If no pair comes of it.
        DataError: A prompt does not fit the model's context.
        EngineError: The model could not be reached.
    """
    asked = list({preference.prompt: preference for preference in preferences}.values())
    prompts = [preference.prompt for preference in asked]
    better = (
        _written(writer, prompts, sampling)
        if good == "sampled"
        else [None if preference.tie else preference.chosen for preference in asked]
    )
    replies = writer.generate([variation.render(prompt) for prompt in prompts], sampling)
    varied = [variation.parse(prompt, row[0]) for prompt, row in zip(prompts, replies, strict=True)]
    neighbours = [one for one in varied if not isinstance(one, Failure)]
    worse = iter(_written(writer, neighbours, sampling))
    counts = Counter[str]()
    made: list[Preference] = []
    for preference, chosen, other in zip(asked, better, varied, strict=True):
        rejected = None if isinstance(other, Failure) else next(worse)
        if chosen is None:
            counts["no_response"] += 1
        elif isinstance(other, Failure):
            counts["no_variation"] += 1
        elif rejected is None:
            counts["no_worse_response"] += 1
        elif rejected == chosen:
            counts["alike"] += 1
        else:
            made.append(
                Preference(
                    id=preference.id,
                    prompt=preference.prompt,
                    chosen=chosen,
                    rejected=rejected,
                    source="synthetic",
                    group=preference.group,
                )
            )
    names = ("no_response", "no_variation", "no_worse_response", "alike")
    found = {"prompts": len(asked), **{name: counts[name] for name in names}, "pairs": len(made)}
    if not made:
        raise ConfigError(
            f"no synthetic pairs: {found}; allow longer responses, or have another model write them"
        )
    return Synthetic(preferences=made, counts=found)


def _written(
    writer: Engine, prompts: Sequence[Conversation], sampling: Sampling
) -> list[str | None]:
    """A response to each prompt, or None where it was cut or says nothing."""
    return [_whole(row[0]) for row in writer.generate(prompts, sampling)]


def _whole(reply: Completion) -> str | None:
    return reply.text if reply.finish_reason == "stop" and reply.text.strip() else None
