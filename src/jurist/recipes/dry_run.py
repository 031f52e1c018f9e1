"""`--dry-run`: what a command would do, with everything checked that can be without doing it."""

import dataclasses
import functools
import importlib.util
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, cast

import tyro

from jurist.errors import ConfigError
from jurist.recipes.checkpoints import checkpoint_folder
from jurist.recipes.judge_config import VotingConfig
from jurist.rehearsal import Rehearsal, rehearsing
from jurist.showing import Console
from jurist.training.card import is_hub_id

_Flag = Annotated[
    bool,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.arg(
        help="Check settings, data, models and the output directory, say what would be done, and "
        "do nothing."
    ),
]
_MODELS = {"model": "base_url", "author": "author_url", "writer": "", "reference_model": ""}
"""Settings that name a model, each with the one beside it that says that a server has it."""


def with_dry_run(run: Callable[..., int | None]) -> Callable[..., int | None]:
    """A command with the flag `--dry-run`, unless it takes no settings or has such a flag."""
    given = list(inspect.signature(run, eval_str=True).parameters.values())
    if not given or "dry_run" in {one.name for one in dataclasses.fields(given[0].annotation)}:
        return run

    @functools.wraps(run)
    def command(config: object, *, dry_run: bool = False) -> int | None:
        if not dry_run:
            return run(config)
        with rehearsing() as found:
            run(config)
        _show(found, config)
        return 0

    flag = inspect.Parameter(
        "dry_run", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Flag
    )
    command.__signature__ = inspect.Signature([*given, flag])  # pyright: ignore[reportAttributeAccessIssue]
    command.__annotations__ = {given[0].name: given[0].annotation, "dry_run": _Flag}
    del command.__wrapped__  # pyright: ignore[reportAttributeAccessIssue]
    return command


def _show(found: Rehearsal, asked: object) -> None:
    config = found.config or asked
    models = [*_models(config), *_votes(config)]
    settings = list(_changed(config))
    width = max((len(name) for name, _ in [*settings, *models, *found.sets.items()]), default=0)
    console = Console()

    def line(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    line(f"{found.recipe or 'this'}: a dry run; nothing was written, loaded or asked")
    for title, rows in (
        ("settings that are no defaults", settings),
        ("models and votes", models),
        ("sets", list(found.sets.items())),
    ):
        if rows:
            line(f"\n{title}")
            for name, text in rows:
                line(f"  {name.ljust(width)}  {text}")
    if found.output:
        line(f"\noutput\n  {found.output}")


def _changed(config: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings that differ from their defaults, with these."""
    for field in dataclasses.fields(cast(Any, config)):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _changed(value, f"{prefix}{field.name}.")
            continue
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is dataclasses.MISSING:
            yield prefix + field.name, _shown(value)
        elif value != default:
            yield prefix + field.name, f"{_shown(value)}  (default {_shown(default)})"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, cast(tuple[object, ...], value))) or "none"
    return "''" if value == "" else str(value)


def _models(config: object) -> Iterator[tuple[str, str]]:
    """The models that a config names, each looked for, and none loaded.

    Raises:
        ConfigError: If one is no checkpoint, or can be nowhere.
    """
    for field in dataclasses.fields(cast(Any, config)):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _models(value)
        elif field.name in _MODELS and isinstance(value, str) and value:
            server = getattr(config, _MODELS[field.name], "") if _MODELS[field.name] else ""
            yield field.name, f"{value}: served at {server}" if server else _looked_for(value)


def _votes(config: object) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(cast(Any, config)):
        value = getattr(config, field.name)
        if isinstance(value, VotingConfig):
            yield "votes", f"{value.votes} in each order, of at most {value.max_tokens} tokens"
        elif dataclasses.is_dataclass(value):
            yield from _votes(value)


def _looked_for(model: str) -> str:
    folder = Path(checkpoint_folder(model))
    if folder.is_dir():
        weights = sorted(folder.glob("*.safetensors"))
        config = [
            name for name in ("config.json", "adapter_config.json") if (folder / name).exists()
        ]
        if not weights or not config:
            raise ConfigError(
                f"{folder}: no checkpoint: expected config.json and weights (*.safetensors), "
                f"found {', '.join(sorted(os.listdir(folder))[:8]) or 'nothing'}"
            )
        size = sum(path.stat().st_size for path in weights)
        return f"{folder}: a checkpoint, {size / 1e6:,.1f} MB of weights"
    if folder.exists() or not (is_hub_id(model) or "/" not in model):
        raise ConfigError(f"{model}: neither a checkpoint's folder nor an id of the hub")
    if _is_cached(model):
        return f"{model}: from the hub, in the cache of this machine"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise ConfigError(
            f"{model}: neither a folder here nor in the hub's cache, and HF_HUB_OFFLINE is set"
        )
    return f"{model}: no folder here; it would be fetched from the hub"


def _is_cached(model: str) -> bool:
    if importlib.util.find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model, "config.json"), str)
