"""The house around the code: commands, pages, and what they promise."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jurist

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = (
    "quickstart",
    "test",
    "check",
    "bench",
    "all",
    "docs",
    "coverage",
    "smollm2",
    "clean",
    "faults",
    "lock",
    "audit",
)

# Written in pieces, so that this file does not hold them.
UNWANTED = re.compile("|".join(("/wo" r"rk\b", r"\.libr" "ary", r"/ro" r"ot\b", r"/ho" "me/")))
TEXT = {
    "",
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".jinja",
    ".html",
    ".css",
    ".js",
    ".txt",
}


def tracked() -> list[Path]:
    """Files that git knows, or in an unpacked archive all files."""
    found = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in found.stdout.split("\0") if name and (ROOT / name).is_file()]


def python_blocks(page: Path) -> str:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return "\n".join(blocks)


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_the_target_and_says_what_it_does(target: str):
    lines = (ROOT / "Makefile").read_text("utf-8").splitlines()
    assert any(re.match(rf"{target}:.*## \S", line) for line in lines)
    phony = next(line for line in lines if line.startswith(".PHONY:"))
    assert target in phony.split()


def test_the_first_commands_of_the_readme_are_the_two_that_set_everything_up():
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    assert blocks, "README.md shows no commands"
    commands = [line.partition("#")[0].strip() for line in blocks[0].splitlines()]
    wanted = [command for command in commands if command.startswith("make ")]
    assert wanted[:2] == ["make quickstart", "make test"]


def test_no_file_names_a_place_on_somebodys_machine():
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix in TEXT
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if UNWANTED.search(line)
    ]
    assert found == []


def test_no_file_is_left_half_written():
    left = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix in {".py", ".md", ".toml"}
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if left.search(line)
    ]
    assert found == []


def test_the_changelog_has_a_section_for_this_version_with_what_changes_results():
    sections = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    mine = [section for section in sections if section.startswith(f"[{jurist.__version__}]")]
    assert len(mine) == 1
    assert "### Added" in mine[0]
    assert re.search(r"### Changes to results\n\n\S", mine[0])


def test_the_version_is_said_once_in_the_package_and_once_in_its_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == jurist.__version__


def test_everything_that_methods_names_exists():
    page = (ROOT / "docs" / "methods.md").read_text("utf-8")
    names = set(re.findall(r"`(jurist(?:\.\w+)+)`", page))
    tests = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert len(names) > 15
    assert len(tests) > 8
    missing = [name for name in sorted(names) if not is_there(name)]
    assert missing == []
    assert [name for name in sorted(tests) if not (ROOT / name).is_file()] == []


def is_there(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return hasattr(importlib.import_module(module), attribute)


def test_every_recipe_has_a_row_in_methods_or_is_a_tool():
    from jurist.cli import COMMANDS

    page = (ROOT / "docs" / "methods.md").read_text("utf-8")
    tools = {
        "quickstart",
        "paper",
        "judge",
        "jury",
        "label",
        "select",
        "vote",
        "listwise",
        "evaluate",
        "compare",
        "suites",
        "faithfulness",
        "scan",
        "rerun",
        "serve",
        "doctor",
        "push",
        "export",
        "completion",
    }
    methods = [run.__name__ for name, run in COMMANDS.items() if name not in tools]
    assert [name for name in methods if name not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    local = [link for link in links if not link.startswith(("http://", "https://"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


# Run as a whole, commands and all, by tests/docs/test_tutorial.py.
FOLLOWED = {"tutorial.md"}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in FOLLOWED], ids=lambda path: path.name
)
def test_python_on_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(python_blocks(page), str(page), "exec"), {"__name__": page.stem})


def test_the_command_line_page_says_what_the_commands_say():
    run = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "cli_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr


def test_ci_runs_the_tests_and_the_quickstart_and_can_be_run():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text("utf-8")
    assert "make test" in text
    assert "make quickstart ARGS=--quick" in text
