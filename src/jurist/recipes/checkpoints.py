"""Checkpoints by the runs that made them, and what they say of themselves."""

from pathlib import Path
from typing import Any, cast, get_args

from jurist.data.objects import read_object
from jurist.errors import ConfigError, DataError
from jurist.formats import FormatName, PointwiseName
from jurist.recipes.run import read_run_config


def checkpoint_folder(model: str) -> str:
    """The checkpoint a model name stands for: a run directory stands for its last checkpoint.

    Raises:
        ConfigError: If a run has not come to its last checkpoint: which round is meant is then to
            be said.
    """
    run = Path(model)
    if not (run / "run.lock").exists():
        return model
    rounds = read_run_config(run / "config.json")["config"].get("star", {}).get("rounds")
    last = run / "checkpoint" if rounds is None else last_of(run, rounds)
    if last.exists():
        return str(last)
    found = [path for number in range(1, rounds or 1) if (path := last_of(run, number)).exists()]
    raise ConfigError(
        f"{model}: a run directory without {last.relative_to(run)}, so the run has not finished; "
        f"run it again to go on"
        + (f", or name the round that is meant: {found[-1]}" if found else "")
    )


def last_of(run: Path, number: int) -> Path:
    """The checkpoint that a round of a STaR run ends in."""
    return run / f"round-{number}" / "checkpoint"


def read_card(folder: str) -> dict[str, Any]:
    """What `jurist.json` in a checkpoint folder says of it; nothing if there is none."""
    path = Path(folder) / "jurist.json"
    try:
        return read_object(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except DataError as error:
        raise ConfigError(str(error)) from None


def format_name(asked: str, card: dict[str, Any], *, reasoning: bool | None = None) -> FormatName:
    """The format to ask a model in: the one asked for, or with auto the one it was trained in.

    Args:
        asked: Name of a format, or auto.
        card: The model's `jurist.json`.
        reasoning: Whether auto means a format with reasoning or its sister without; None: as the
            card says.
    """
    if asked != "auto":
        return cast(FormatName, asked)
    name = str(card.get("format", "pairwise"))
    sisters = {"pairwise": "direct", "terse": "terse-direct"}
    if reasoning is False:
        name = sisters.get(name, name)
    if reasoning:
        name = {sister: one for one, sister in sisters.items()}.get(name, name)
    if name not in get_args(FormatName):
        raise ConfigError(f"jurist.json names a format {name!r}; there are {get_args(FormatName)}")
    return cast(FormatName, name)


def pointwise_name(asked: str, card: dict[str, Any], *, reasoning: bool) -> PointwiseName:
    """The format to ask a model about one response in; auto goes by the model's `jurist.json`.

    Args:
        asked: auto, pointwise or terse-pointwise.
        card: The model's `jurist.json`.
        reasoning: Whether the reply reasons before its verdict.
    """
    if asked == "auto":
        terse = str(card.get("format", "")).startswith("terse")
        asked = "terse-pointwise" if terse else "pointwise"
    return cast(PointwiseName, asked if reasoning else f"{asked}-direct")
