"""`jurist doctor` says what works and what to do about the rest."""

import sys
import tomllib
from pathlib import Path

import pytest

from jurist.extras import EXTRAS
from jurist.recipes import doctor
from jurist.recipes.doctor import DoctorConfig, examine, run_doctor

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def lacking(monkeypatch):
    """Make packages look as if they were not installed."""

    def hide(*names: str) -> None:
        monkeypatch.setattr(
            doctor.importlib.util,
            "find_spec",
            lambda name: None if name in names else real(name),
        )

    real = doctor.importlib.util.find_spec
    return hide


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_every_extra_that_a_user_can_install_is_looked_at():
    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    wanted = {
        name: tuple(package.partition(">")[0].replace("-", "_") for package in packages)
        for name, packages in extras.items()
        if name not in {"all", "consumers", "docs", "dev"}
    }
    assert wanted == EXTRAS


def test_extras_are_listed_by_name_and_by_the_command_that_installs_them(lacking, wide, capsys):
    lacking("pyarrow")
    assert run_doctor(DoctorConfig()) == 1
    said = capsys.readouterr().out
    # As written: brackets are no markup here.
    for extra in EXTRAS:
        assert f"extra [{extra}]" in said
    assert "without pyarrow" in said
    assert "pip install 'jurist[parquet]'" in said


@pytest.mark.parametrize(("extra", "flag"), [("ray", "--ray"), ("vllm", "--engine vllm")])
def test_an_extra_that_only_a_flag_needs_is_no_fault(lacking, extra, flag):
    lacking(extra)
    (found,) = (finding for finding in examine() if finding.what == f"extra [{extra}]")
    assert found.found == f"without {extra}; for {flag}: pip install 'jurist[{extra}]'"
    assert found.advice == ""


def test_without_torch_the_accelerator_is_not_looked_for(lacking):
    lacking("torch")
    found = {finding.what: finding for finding in examine()}
    assert found["accelerator"].found == "not looked for: no torch"
    assert found["extra [train]"].advice == "pip install 'jurist[train]'"


def test_transformers_are_not_loaded_to_look_at_a_machine(monkeypatch):
    """They take longer than everything else that the doctor does."""
    monkeypatch.delitem(sys.modules, "jurist.models.load", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    found = {finding.what: finding for finding in examine()}
    assert found["accelerator"].found


@pytest.mark.parametrize(
    ("free", "advice"), [(2 * 2**30, ""), (2 * 2**30 - 1, "make room: a run of a small model")]
)
def test_little_room_on_the_disk_is_said(monkeypatch, free, advice):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: doctor_usage(free))
    found = {finding.what: finding for finding in examine()}["this folder"]
    assert found.advice.startswith(advice) and bool(found.advice) == bool(advice)


def doctor_usage(free):
    return type("Usage", (), {"free": free})()


def test_a_machine_where_everything_works_ends_with_0(monkeypatch, wide, capsys):
    monkeypatch.setattr(doctor, "EXTRAS", {"train": ("numpy",)})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: doctor_usage(2**40))
    assert run_doctor(DoctorConfig()) == 0
    said = capsys.readouterr().out
    assert "1024.0 GiB free" in said and "OMP_NUM_THREADS" in said and "ships" in said


def test_an_incomplete_installation_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "BASE", tmp_path)
    found = {finding.what: finding for finding in examine()}["tiny base model"]
    assert (found.found, found.advice[:26]) == ("missing", "install the package again:")
