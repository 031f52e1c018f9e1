"""Packages of the extras: which are missing, which are too old or too new, and what to do."""

import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Final, Literal

from jurist.errors import ConfigError

EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("torch", "transformers", "accelerate", "peft", "safetensors"),
    "parquet": ("pyarrow",),
    "datasets": ("datasets",),
    "report": ("matplotlib",),
    "gguf": ("gguf",),
    "serve": ("fastapi", "uvicorn", "httptools", "uvloop", "prometheus_client"),
    "ray": ("ray",),
    "vllm": ("vllm",),
}
"""What `pip install 'jurist[EXTRA]'` brings, by the names that are imported."""


_MISSING: Final[Mapping[str, str]] = {
    "ray": "actors need Ray, which is not installed: pip install 'jurist[ray]'",
    "vllm": (
        "the engine vllm needs vLLM, which is not installed here: in an environment of its own, "
        "pip install 'jurist[vllm]', then pip install 'transformers>=5.23,<6'; without vLLM, use "
        "--engine transformers"
    ),
}


def refuse_missing(package: Literal["ray", "vllm"]) -> None:
    """Refuse to go on without what one flag asks for. Does not import it.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # of something that hides it
        found = None
    if found is None:
        raise ConfigError(_MISSING[package])


def installed_version(package: str) -> str | None:
    """Version of an installed package, or None. Does not import it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def install_advice(error: BaseException | None) -> str | None:
    """What to install, if an error or what caused it is that a package of an extra is missing, or
    of a version that lacks what is imported from it."""
    while error is not None:
        if isinstance(error, ImportError):
            package = (error.name or "").partition(".")[0]
            for extra, brought in EXTRAS.items():
                if package not in brought:
                    continue
                if isinstance(error, ModuleNotFoundError) and error.name == package:
                    return f"{package} is not installed: pip install 'jurist[{extra}]'"
                if (unfit := unfit_versions(extra)) or isinstance(error, ModuleNotFoundError):
                    what = "; ".join(unfit) or f"{package} is not whole"
                    return f"{what}: pip install 'jurist[{extra}]'"
        error = error.__cause__
    return None


def unfit_versions(extra: str) -> list[str]:
    """Each installed package of an extra whose version is not one that this package asks for.

    Args:
        extra: Name of an extra, or "" for what is always needed.

    Returns:
        For each a text: its name, its version, and what is asked for.
    """
    unfit: list[str] = []
    for name, bounds in _asked_for().get(extra, {}).items():
        version = installed_version(name)
        if version is not None and not _fits(version, bounds):
            unfit.append(f"{name} {version} is installed, jurist needs {bounds}")
    return unfit


def refuse_unfit(extra: str) -> None:
    """Refuse to go on with a version that is too old or too new: what fails then says less.

    Raises:
        ConfigError: If there is one.
    """
    if unfit := unfit_versions(extra):
        raise ConfigError(f"{'; '.join(unfit)}: pip install 'jurist[{extra}]'")


@cache
def _asked_for() -> Mapping[str, Mapping[str, str]]:
    """Bounds of versions, such as ">=5.23,<6", by extra and package, as this package declares."""
    found: dict[str, dict[str, str]] = {}
    try:
        lines = metadata.requires("jurist") or []
    except metadata.PackageNotFoundError:  # of a source tree that was never installed
        return found
    for line in lines:
        asked, _, marker = line.partition(";")
        named = re.search(r"extra == ['\"](\w+)['\"]", marker)
        package = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*(.*)", asked.strip())
        if package is not None and package[2]:
            # As people write bounds, whatever order a builder put them in.
            bounds = ",".join(sorted(package[2].replace(" ", "").split(","), reverse=True))
            found.setdefault(named[1] if named else "", {})[package[1]] = bounds
    return found


def _fits(version: str, bounds: str) -> bool:
    found = release(version)
    for bound in bounds.split(","):
        parts = re.fullmatch(r"(>=|<)([\d.]+)", bound)
        if parts is None:
            continue
        least = parts[1] == ">="
        if (found >= release(parts[2])) is not least:
            return False
    return True


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare it by: of 2.13.0+cpu and of 2.13 they are (2, 13)."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    found = [int(number) for number in numbers[0].split(".")] if numbers else []
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)
