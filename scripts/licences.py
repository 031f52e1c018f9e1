"""Write `docs/licences.md`: what this package brings with it, and under which licences.

    python scripts/licences.py            write the page, from the metadata of what is installed
    python scripts/licences.py --check    write nothing: exit with 1 if the page is old, or a
                                          licence is not known or not permissive

Looked at is what the package and its extras require, and what that requires in turn. Versions are
those of requirements-ci.lock.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "licences.md"
LOCK = ROOT / "requirements-ci.lock"

PERMISSIVE = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CNRI-Python"}
PERMISSIVE |= {"HPND", "ISC", "MIT", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"}
PERMISSIVE |= {"CC0-1.0", "LicenseRef-Public-Domain"}

FILE_BY_FILE = {"MPL-2.0"}
"""Not permissive: who changes a file of it shares that file. Used as it is, it asks for nothing."""

SAID = {
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache-2": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "The MIT License": "MIT",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
}
"""What packages say in words, and what is meant."""

ELSEWHERE = {"ray": "Apache-2.0", "vllm": "Apache-2.0"}
"""Extras of their own environments, not looked into: these have many requirements of their own."""

FROM_ITS_FILE: Mapping[str, str] = {}
"""Licences of packages whose metadata names none, as read in the licence file they ship."""

OPENING = """\
# Licences

jurist itself is under the [Apache License 2.0](https://www.apache.org/licenses/LICENSE-2.0). What
follows is what it and its extras install, directly or through others, with the versions that the
tests run on. Nothing of it is copied into this package. Written by `make lock` from what the
packages say of themselves; `make check` fails on a licence that is not known, or is neither
permissive nor one that asks for nothing of those who use a package as it is (MPL-2.0).

The extras `ray` and `vllm` (Apache-2.0, both) are installed in environments of their own and have
many requirements, which are not listed. Builds of torch for accelerators bring libraries of NVIDIA
under NVIDIA's terms; the build for processors does not.
"""


class Brought(NamedTuple):
    """A package that is installed with this one."""

    name: str
    version: str
    licence: str
    extras: str
    """What brings it."""


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description="Write or check docs/licences.md.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    found = brought()
    wrong = [line for one in found if (line := fault(one))]
    if arguments.check:
        listed = re.findall(r"^\| ([\w.-]+) \| \d.*\| ([^|]+) \|$", PAGE.read_text("utf-8"), re.M)
        now = {(one.name, one.licence) for one in found}
        wrong += [f"{PAGE.name}: has {name}: {said}" for name, said in set(listed) - now]
        wrong += [f"{PAGE.name}: lacks {name}: {said}" for name, said in now - set(listed)]
        if wrong:
            wrong.append("run make lock, and look at what it changes")
    elif not wrong:
        PAGE.write_text(page(found), "utf-8")
    print("\n".join(wrong) or f"{PAGE.name}: {len(found)} packages, every licence known")
    return 1 if wrong else 0


def brought() -> list[Brought]:
    """Everything that is installed with this package and its extras, by name."""
    by: dict[str, set[str]] = {}
    followed: set[tuple[str, frozenset[str], str]] = set()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups: dict[str, list[str]] = {
        "always": project["dependencies"],
        **project["optional-dependencies"],
    }
    for extra, lines in groups.items():
        if extra in ("all", "consumers", "docs", "dev", *ELSEWHERE):
            continue
        for one in map(Requirement, lines):
            if one.marker is None or one.marker.evaluate():
                _follow(one, extra, by, followed)
    locked = _locked()
    return [
        Brought(name, locked.get(name, _version(name)), licence(name), ", ".join(sorted(extras)))
        for name, extras in sorted(by.items())
    ]


def _follow(
    asked: Requirement,
    extra: str,
    by: dict[str, set[str]],
    followed: set[tuple[str, frozenset[str], str]],
) -> None:
    name = canonicalize_name(asked.name)
    by.setdefault(name, set()).add(extra)
    # Asked for again with extras of its own, it may bring more.
    if (name, frozenset(asked.extras), extra) in followed:
        return
    followed.add((name, frozenset(asked.extras), extra))
    for line in metadata.requires(name) or []:
        one = Requirement(line)
        if one.marker is None or any(
            one.marker.evaluate({"extra": chosen}) for chosen in ("", *asked.extras)
        ):
            _follow(one, extra, by, followed)


def _locked() -> dict[str, str]:
    lines = re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text("utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in lines}


def _version(name: str) -> str:
    return metadata.version(name).partition("+")[0]


def licence(name: str) -> str:
    """The licence of a package as an SPDX expression, or what it says instead."""
    if name in FROM_ITS_FILE:
        return FROM_ITS_FILE[name]
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = about.get_all("Classifier") or []
    ends = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    short = str(about.get("License") or "").strip()
    said = [short] if short and "\n" not in short and len(short) < 60 else []
    for one in [*said, *ends]:
        meant = SAID.get(one, one)
        if set(_names(meant)) <= PERMISSIVE | FILE_BY_FILE:
            return meant
    return (said or ends or ["not said"])[0]


def _names(expression: str) -> Iterator[str]:
    """The licences of an SPDX expression; an exception to one leaves it what it is."""
    text = re.sub(r"\bWITH\s+\S+", "", expression)
    yield from (name for name in re.split(r"\s+(?:AND|OR|and|or)\s+|[()]", text) if name.strip())


def fault(one: Brought) -> str:
    """What is wrong with the licence of a package; empty if nothing is."""
    strange = [name.strip() for name in _names(one.licence)]
    strange = [name for name in strange if name not in PERMISSIVE | FILE_BY_FILE]
    return f"{one.name} {one.version}: licence {', '.join(strange)}" if strange else ""


def page(found: list[Brought]) -> str:
    """The page, a row for each package."""
    rows = [f"| {one.name} | {one.version} | {one.extras} | {one.licence} |" for one in found]
    return (
        "\n".join(
            [OPENING, "| package | version | brought by | licence |", "|---|---|---|---|", *rows]
        )
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
