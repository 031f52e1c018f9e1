"""The lock fits pyproject.toml, licences are known, and an audit that could not ask says so."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

SCRIPTS = Path(__file__).parents[2] / "scripts"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock, licences, audit = (loaded(name) for name in ("lock", "licences", "audit"))

COMPILED = """\
# written by a program
alpha[more]==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via
    #   -c held.txt
    #   jurist (pyproject.toml)
alpha==2.0 ; python_full_version >= '3.12' \\
    --hash=sha256:ac
    # via jurist (pyproject.toml)
Beta_Two==3.1 \\
    --hash=sha256:ba
    # via torch
gamma==1 \\
    --hash=sha256:ca
    # via
    #   beta-two
    #   torch
torch==2.13.0 \\
    --hash=sha256:da
    # via jurist (pyproject.toml)
"""


def test_the_lock_fits_what_is_asked_for():
    found = lock.entries(lock.LOCK.read_text("utf-8"))
    assert list(lock.faults(found, lock.wanted())) == []
    assert len(found) > 100
    assert not {"torch", "triton", "pip", "jurist"} & {one.name for one in found}
    assert not [one.name for one in found if one.name.startswith("nvidia-")]
    hashes = re.findall(r"--hash=(\S+)", lock.LOCK.read_text("utf-8"))
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


def test_what_torch_alone_brings_is_left_out():
    found = lock.entries(COMPILED)
    assert [(one.name, one.version, one.marker, one.num_hashes) for one in found] == [
        ("alpha", "1.0", "python_full_version < '3.12'", 2),
        ("alpha", "2.0", "python_full_version >= '3.12'", 1),
        ("beta-two", "3.1", "", 1),
        ("gamma", "1", "", 1),
        ("torch", "2.13.0", "", 1),
    ]
    kept = lock.entries(lock.written(found))
    assert [(one.name, one.version) for one in kept] == [("alpha", "1.0"), ("alpha", "2.0")]
    assert [one.num_hashes for one in kept] == [2, 1]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("alpha>=2", "alpha 1.0, but alpha>=2 is asked for"),
        ("delta", "lacks delta; run make lock"),
        ("alpha>=1", ""),
    ],
)
def test_a_lock_that_does_not_fit_is_said(asked: str, said: str):
    found = lock.entries(lock.written(lock.entries(COMPILED)))
    one = Requirement(asked)
    faults = list(lock.faults(found, {one.name: one}))
    assert (said in faults[0]) if said else faults == []
    bare = [found[0]._replace(num_hashes=0), found[1]._replace(name="torch")]
    assert [line.partition(": ")[2] for line in lock.faults(bare, {})] == [
        "alpha: no hash",
        "torch: is not to be locked",
    ]


def test_the_makefile_installs_what_is_locked_by_its_hashes():
    makefile = (SCRIPTS.parent / "Makefile").read_text("utf-8")
    assert "--no-deps --require-hashes --requirement $(LOCK)" in makefile
    assert f"LOCK ?= {lock.LOCK.name}\n" in makefile


def test_every_licence_is_known_and_listed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["licences.py", "--check"])
    assert licences.main() == 0, capsys.readouterr().out
    names = {one.name for one in licences.brought()}
    assert names >= {"torch", "transformers", "h11", "fastapi", "uvloop", "pyarrow", "matplotlib"}
    assert not names & {"pytest", "trl", "sphinx"}


@pytest.mark.parametrize(
    ("licence", "wrong"),
    [
        ("MIT", ""),
        ("Apache-2.0 WITH LLVM-exception AND (MIT OR GPL-3.0-only)", "GPL-3.0-only"),
        ("MPL-2.0 AND MIT", ""),
        ("not said", "not said"),
        ("AGPL-3.0-or-later", "AGPL-3.0-or-later"),
    ],
)
def test_a_licence_that_is_not_known_is_a_fault(licence: str, wrong: str):
    said = licences.fault(licences.Brought("x", "1", licence, "train"))
    assert said == (f"x 1: licence {wrong}" if wrong else "")


def test_a_package_that_is_asked_for_again_with_an_extra_is_followed_again(tmp_path, monkeypatch):
    for name, needs in (("alphax", "Provides-Extra: more\nRequires-Dist: betax; extra == 'more'\n"),
                        ("betax", "")):  # fmt: skip
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{needs}"
        )
    monkeypatch.syspath_prepend(tmp_path)
    by: dict[str, set[str]] = {}
    followed: set[object] = set()
    for asked in ("alphax", "alphax[more]"):
        licences._follow(Requirement(asked), "train", by, followed)
    assert by == {"alphax": {"train"}, "betax": {"train"}}


PTH = {
    # Sets an import hook for `distutils`, and nothing if SETUPTOOLS_USE_DISTUTILS says so.
    "distutils-precedence.pth": "setuptools",
    # Starts measuring where COVERAGE_PROCESS_START is set. For development alone.
    "a1_coverage.pth": "coverage",
    "_virtualenv.pth": "",
}
"""Files that run at every start of Python, which is how malware of 2026 ran: each is known."""


def test_nothing_that_is_installed_with_this_package_runs_at_the_start_of_python():
    shipped = {
        (one.name, file.name)
        for one in licences.brought()
        for file in metadata.files(one.name) or []
        if file.suffix == ".pth" or file.name in ("sitecustomize.py", "usercustomize.py")
    }
    assert shipped <= {("setuptools", "distutils-precedence.pth")}
    there = {path.name for path in Path(sysconfig.get_path("purelib")).glob("*.pth")}
    ours = {name for name in there if "editable" in name and "jurist" in name}
    assert there - ours <= PTH.keys()


def answer(*vulns: str, skipped: bool = False) -> str:
    holes = [{"id": name, "fix_versions": ["2"]} for name in vulns]
    one = {"name": "alpha", "version": "1", "vulns": holes}
    other = {"name": "beta", "skip_reason": "not found"}
    return json.dumps({"dependencies": [one, other] if skipped else [one], "fixes": []})


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ({"osv": answer()}, 0, "1 packages, no known vulnerability (osv)"),
        ({"osv": answer("PYSEC-1")}, 1, "alpha 1: PYSEC-1, mended in 2"),
        ({"osv": answer("PYSEC-1", skipped=True)}, 1, "alpha 1: PYSEC-1"),
        ({"osv": "", "pypi": answer()}, 0, "no known vulnerability (pypi)"),
        ({"osv": "", "pypi": answer("CVE-2")}, 1, "1 known vulnerabilities"),
        ({"osv": "", "pypi": ""}, 0, "not audited, for no service could be asked (osv: cannot re"),
        # Everything was skipped, which pip-audit itself ends well.
        ({"osv": "", "pypi": answer(skipped=True)}, 0, "not audited"),
        ({"osv": "[]", "pypi": "{}"}, 0, "not audited"),
    ],
)
def test_an_audit_says_what_it_could_ask(tmp_path, answers, code, said):
    program = (
        "import sys\n"
        f"said = {answers!r}[sys.argv[sys.argv.index('--vulnerability-service') + 1]]\n"
        "print(said) if said else sys.exit('cannot reach it')\n"
    )
    (tmp_path / "pip_audit.py").write_text(program)
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "audit.py")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout
