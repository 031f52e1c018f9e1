"""Packages of the extras: what is missing or unfit is told with the command that installs it."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from jurist import extras
from jurist.errors import ConfigError
from jurist.extras import EXTRAS, install_advice, refuse_unfit, release, unfit_versions

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))[
    "project"
]


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("2.13.0+cpu", (2, 13)),
        ("2.13", (2, 13)),
        ("0.2.0rc1", (0, 2)),
        ("10.0.1", (10, 0, 1)),
        ("unknown", ()),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, numbers: tuple[int, ...]):
    assert release(version) == numbers


def test_every_bound_that_this_package_declares_is_one_that_is_understood():
    lines = [*PROJECT["dependencies"]]
    lines += [line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra]]
    bounds = [bound for line in lines for bound in Requirement(line).specifier]
    assert len(bounds) > 15
    assert {bound.operator for bound in bounds} <= {">=", "<"}


@pytest.mark.parametrize(
    ("bounds", "fits"), [(">=1.2,<2", True), (">=1.3", False), ("<1.2", False), (">=1.2.0", True)]
)
def test_a_version_fits_its_bounds_or_is_told(monkeypatch, bounds: str, fits: bool):
    monkeypatch.setattr(extras, "_asked_for", lambda: {"train": {"torch": bounds}})
    monkeypatch.setattr(extras, "installed_version", lambda name: "1.2")
    told = f"torch 1.2 is installed, jurist needs {bounds}"
    assert unfit_versions("train") == ([] if fits else [told])
    if not fits:
        with pytest.raises(ConfigError, match=r"pip install 'jurist\[train\]'"):
            refuse_unfit("train")


def test_a_package_that_is_missing_is_told_with_its_extra_and_others_are_not():
    missing = ModuleNotFoundError("No module named 'torch'", name="torch")
    caused = RuntimeError("cannot")
    caused.__cause__ = missing
    for error in (missing, caused):
        assert install_advice(error) == "torch is not installed: pip install 'jurist[train]'"
    assert install_advice(ModuleNotFoundError("No module named 'mine'", name="mine")) is None
    assert install_advice(ImportError("cannot import name 'x' from 'torch'", name="torch")) is None
    assert install_advice(None) is None
