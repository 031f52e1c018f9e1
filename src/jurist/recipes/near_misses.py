"""Mistyped commands and flags, and what was probably meant."""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast, get_args, get_type_hints

_HELP = ("-h", "--help", "--tyro-print-completion", "--tyro-write-completion")

_CLOSE = 0.7
"""Least likeness of two words, as difflib measures it, for one to be taken for the other."""


def near_misses(
    arguments: Sequence[str], commands: Mapping[str, Callable[..., int | None]]
) -> list[str]:
    """Sentences on what of a command line is no command or flag, where something near is one.

    Args:
        arguments: As given, without the program's name.
        commands: By name.

    Example:
        >>> near_misses(["docter"], {"doctor": lambda: None})
        ["no command 'docter'; did you mean doctor?"]
    """
    if not arguments:
        return []
    name = arguments[0]
    if name not in commands:
        near = _near(name, commands)
        return [f"no command {name!r}; did you mean {' or '.join(near)}?"] if near else []
    flags = set(flags_of(commands[name]))
    found: list[str] = []
    for argument in dict.fromkeys(arguments[1:]):
        flag = argument.partition("=")[0].replace("_", "-")
        if flag.startswith("--") and flag not in flags and flag not in _HELP:
            near = _near(flag, sorted(flags))
            if near:
                found.append(f"{name} has no {flag}; did you mean {' or '.join(near)}?")
    return found


def _near(word: str, words: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(word, list(words), n=3, cutoff=_CLOSE)


def flags_of(command: Callable[..., int | None]) -> Iterator[str]:
    """The flags of a command, read off its settings."""
    hints = get_type_hints(command)
    for parameter in inspect.signature(command).parameters:
        hint = hints[parameter]
        if dataclasses.is_dataclass(hint):
            yield from _flags(cast(type, hint))
        else:
            yield f"--{parameter.replace('_', '-')}"


def _flags(config: type) -> Iterator[str]:
    hints = get_type_hints(config)
    for field in dataclasses.fields(cast(Any, config)):
        hint = hints[field.name]
        nested = [hint, *get_args(hint)]
        inner = next((one for one in nested if dataclasses.is_dataclass(one)), None)
        flag = field.name.replace("_", "-")
        if inner is not None:
            yield from _flags(cast(type, inner))
        else:
            yield f"--{flag}"
            if hint is bool:
                yield f"--no-{flag}"
