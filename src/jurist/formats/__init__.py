"""Judge formats: a prompt and the parser of its replies, together."""

from typing import Final, Literal, TypeAlias, get_args

from jurist.errors import ConfigError
from jurist.formats.additive import MOST_POINTS, Additive, AdditiveFormat, TerseAdditive
from jurist.formats.base import Format, GradedFormat
from jurist.formats.control import neutralised
from jurist.formats.direct import Direct
from jurist.formats.fence import fence_mark
from jurist.formats.listwise import Listwise, Synthesis
from jurist.formats.pairwise import Pairwise
from jurist.formats.pointwise import Pointwise, ResponseFormat, TersePointwise
from jurist.formats.principles import Principle, Principles
from jurist.formats.prometheus import Prometheus, Rubric
from jurist.formats.rationalizer import Rationalizer
from jurist.formats.reply import reasoning
from jurist.formats.rubrics import Rubrics, TaskType
from jurist.formats.scores import Scores
from jurist.formats.statements import without_statements
from jurist.formats.strength import Strength
from jurist.formats.terse import Terse
from jurist.formats.variation import Variation

__all__ = [
    "MOST_POINTS",
    "Additive",
    "AdditiveFormat",
    "AdditiveName",
    "Direct",
    "Format",
    "FormatName",
    "GradedFormat",
    "Listwise",
    "Pairwise",
    "Pointwise",
    "PointwiseName",
    "Principle",
    "Principles",
    "Prometheus",
    "Rationalizer",
    "ResponseFormat",
    "Rubric",
    "Rubrics",
    "ScoreFormat",
    "Scores",
    "Strength",
    "Synthesis",
    "TaskType",
    "Terse",
    "TerseAdditive",
    "TersePointwise",
    "Variation",
    "fence_mark",
    "make_additive",
    "make_format",
    "make_pointwise",
    "make_rationalizer",
    "neutralised",
    "reasoning",
    "without_statements",
]

FormatName: TypeAlias = Literal[
    "pairwise", "direct", "strength", "scores", "rubrics", "terse", "terse-direct"
]
"""What a format is called in a config."""

AdditiveName: TypeAlias = Literal["additive", "terse-additive"]
"""What a format that asks for a response's points is called in a config."""

ScoreFormat: TypeAlias = AdditiveFormat | Prometheus
"""A way of asking for a whole number for one response."""

PointwiseName: TypeAlias = Literal[
    "pointwise", "pointwise-direct", "terse-pointwise", "terse-pointwise-direct"
]
"""What a format that asks about one response is called in a config."""

_NAMES: Final[tuple[str, ...]] = get_args(FormatName)


def make_format(name: FormatName, seed: int) -> Format:
    """The format of a name.

    Args:
        name: `pairwise` and `direct` for chat models, `terse` and `terse-direct` for the tiny ones
            that ship; the second of each asks for the verdict alone. `strength`, `scores` and
            `rubrics` are further ways of asking a chat model to reason.
        seed: The run's seed.

    Raises:
        ConfigError: If no format has that name.

    Example:
        >>> make_format("direct", seed=7)
        Direct(seed=7, ties=False)
    """
    match name:
        case "pairwise":
            return Pairwise(seed=seed)
        case "direct":
            return Direct(seed=seed)
        case "strength":
            return Strength(seed=seed)
        case "scores":
            return Scores(seed=seed)
        case "rubrics":
            return Rubrics(seed=seed)
        case "terse":
            return Terse(seed=seed)
        case "terse-direct":
            return Terse(seed=seed, reasoning=False)
        case _:
            raise ConfigError(f"no format is called {name!r}; there are {', '.join(_NAMES)}")


def make_additive(name: AdditiveName, seed: int) -> AdditiveFormat:
    """The format of a name that asks for points, as `make_format` makes those of two responses.

    Example:
        >>> make_additive("terse-additive", seed=7)
        TerseAdditive(seed=7)
    """
    return TerseAdditive(seed=seed) if name == "terse-additive" else Additive(seed=seed)


def make_pointwise(name: PointwiseName, seed: int) -> ResponseFormat:
    """The format of a name that asks about one response, as `make_format` makes those of two.

    Example:
        >>> make_pointwise("terse-pointwise-direct", seed=7)
        TersePointwise(seed=7, reasoning=False)
    """
    kind = TersePointwise if name.startswith("terse") else Pointwise
    return kind(seed=seed, reasoning=not name.endswith("direct"))


def make_rationalizer(name: FormatName, seed: int) -> Rationalizer:
    """What asks for the reasoning behind given verdicts, for a judge of the format of a name.

    Raises:
        ConfigError: If no format with reasoning has that name.
    """
    format = make_format(name, seed=seed)
    if not (isinstance(format, Pairwise | Terse) and format.reasoning):
        raise ConfigError(f"format {name!r} has no reasoning, so nothing to rationalise")
    return Rationalizer(format)
