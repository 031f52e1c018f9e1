"""Judge formats: a prompt and the parser of its replies, together."""

from typing import Final, Literal, TypeAlias, get_args

from jurist.errors import ConfigError
from jurist.formats.base import Format
from jurist.formats.control import neutralised
from jurist.formats.direct import Direct
from jurist.formats.fence import fence_mark
from jurist.formats.pairwise import Pairwise
from jurist.formats.pointwise import Pointwise, ResponseFormat, TersePointwise
from jurist.formats.rationalizer import Rationalizer
from jurist.formats.terse import Terse

__all__ = [
    "Direct",
    "Format",
    "FormatName",
    "Pairwise",
    "Pointwise",
    "PointwiseName",
    "Rationalizer",
    "ResponseFormat",
    "Terse",
    "TersePointwise",
    "fence_mark",
    "make_format",
    "make_pointwise",
    "make_rationalizer",
    "neutralised",
]

FormatName: TypeAlias = Literal["pairwise", "direct", "terse", "terse-direct"]
"""What a format is called in a config."""

PointwiseName: TypeAlias = Literal[
    "pointwise", "pointwise-direct", "terse-pointwise", "terse-pointwise-direct"
]
"""What a format that asks about one response is called in a config."""

_NAMES: Final[tuple[str, ...]] = get_args(FormatName)


def make_format(name: FormatName, seed: int) -> Format:
    """The format of a name.

    Args:
        name: `pairwise` and `direct` for chat models, `terse` and `terse-direct` for the tiny ones
            that ship; the second of each asks for the verdict alone.
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
        case "terse":
            return Terse(seed=seed)
        case "terse-direct":
            return Terse(seed=seed, reasoning=False)
        case _:
            raise ConfigError(f"no format is called {name!r}; there are {', '.join(_NAMES)}")


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
