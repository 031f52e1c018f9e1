"""Write `requirements-ci.lock`: one version and the hashes of its files for all that tests run on.

    python scripts/lock.py --uv PATH    write it, with the versions that are installed here
    python scripts/lock.py --check      write nothing: exit with 1 if it does not fit pyproject.toml

pip is not in it, which every environment has already, nor torch, nor what torch alone brings:
whoever has an accelerator installs a build of it of their own, and each build is another file. The
Makefile names its version.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements-ci.lock"
NOT_LOCKED = ("jurist", "pip", "torch")
BUILDING = ("editables>=0.5", "hatchling>=1.27")
"""What builds and installs this package where pip may not fetch it for itself."""

HEAD = """\
# Written by `make lock`: what `make test` installs, each file by its hash.
# torch is not here, nor what torch alone brings (scripts/lock.py says why).
"""


class Entry(NamedTuple):
    """One package of the lock."""

    name: str
    version: str
    marker: str
    num_hashes: int
    text: str
    """As it stands in the file, without what brought it."""

    brought_by: frozenset[str]


def main() -> int:
    """Write the lock, or check it."""
    parser = argparse.ArgumentParser(description="Write or check requirements-ci.lock.")
    parser.add_argument("--uv", default="uv", help="the program uv, which resolves")
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    if not arguments.check:
        LOCK.write_text(written(entries(compiled(arguments.uv))), "utf-8")
    found = list(faults(entries(LOCK.read_text("utf-8")), wanted()))
    print("\n".join(found) or f"{LOCK.name}: fits pyproject.toml")
    return 1 if found else 0


def compiled(uv: str) -> str:
    """What uv resolves for every platform, holding on to the versions installed here."""
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held.txt"
        held.write_text("\n".join(installed()) + "\n", "utf-8")
        building = Path(folder) / "building.in"
        building.write_text("\n".join(BUILDING) + "\n", "utf-8")
        out = Path(folder) / "lock"
        command = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--python-version", "3.11", "--extra", "dev", "--constraint", str(held)]
        command += ["--output-file", str(out), str(ROOT / "pyproject.toml"), str(building)]
        subprocess.run(command, check=True)
        return out.read_text("utf-8")


def installed() -> Iterator[str]:
    """Versions of this environment as constraints.

    Those that ask for a later Python than this package are held where they can be installed only.
    """
    for one in metadata.distributions():
        if canonicalize_name(one.name) in NOT_LOCKED:
            continue
        asked = str(one.metadata.get("Requires-Python") or "")
        least = re.search(r">=\s*(3\.\d+(?:\.\d+)?)", asked)
        marker = ""
        if least and Version(least[1]) > Version("3.11"):
            marker = f" ; python_full_version >= '{least[1]}'"
        yield f"{one.name}=={Version(one.version).public}{marker}"


def entries(text: str) -> list[Entry]:
    """The packages of a lock, in its order."""
    found: list[Entry] = []
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        lines = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        head = re.fullmatch(r"(\S+?)==([^\s;]+)(?: ; (.+?))?(?: \\)?", lines[0])
        if head is None:
            raise SystemExit(f"{LOCK.name}: not a pinned package: {lines[0]!r}")
        notes = [line for line in block.splitlines() if line.lstrip().startswith("#")]
        brought = re.findall(r"#(?: +via)? +([\w.-]+)", "\n".join(notes).replace("via\n", "\n"))
        found.append(
            Entry(
                name=canonicalize_name(re.sub(r"\[.*\]", "", head[1])),
                version=head[2],
                marker=head[3] or "",
                num_hashes=block.count("--hash=sha256:"),
                text="\n".join(line for line in lines if line.strip()),
                brought_by=frozenset(canonicalize_name(name) for name in brought),
            )
        )
    return found


def written(found: Sequence[Entry]) -> str:
    """The lock, without what is not locked and what nothing else brings."""
    left_out = set(NOT_LOCKED)
    while more := {
        one.name
        for one in found
        if one.name not in left_out and one.brought_by and one.brought_by <= left_out - {"jurist"}
    }:
        left_out |= more
    return HEAD + "".join(f"{one.text}\n" for one in found if one.name not in left_out)


def wanted() -> Mapping[str, Requirement]:
    """What pyproject.toml asks for, all of `dev`, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras: Mapping[str, Sequence[str]] = project["optional-dependencies"]
    found: dict[str, Requirement] = {}
    waiting = [*project["dependencies"], *extras["dev"], *BUILDING]
    while waiting:
        one = Requirement(waiting.pop())
        if canonicalize_name(one.name) == "jurist":
            waiting += [line for extra in one.extras for line in extras[extra]]
        else:
            found[canonicalize_name(one.name)] = one
    return found


def faults(found: Sequence[Entry], asked: Mapping[str, Requirement]) -> Iterator[str]:
    """What is wrong with the lock, each a line."""
    for one in found:
        if not one.num_hashes:
            yield f"{LOCK.name}: {one.name}: no hash"
        if one.name in NOT_LOCKED:
            yield f"{LOCK.name}: {one.name}: is not to be locked"
    for name, requirement in asked.items():
        if name in NOT_LOCKED:
            continue
        versions = [one.version for one in found if one.name == name]
        if not versions:
            yield f"{LOCK.name}: lacks {name}; run make lock"
        for version in versions:
            if not requirement.specifier.contains(version):
                yield f"{LOCK.name}: {name} {version}, but {requirement} is asked for; make lock"


if __name__ == "__main__":
    sys.exit(main())
