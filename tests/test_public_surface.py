"""What can be imported, what that exposes, and what it leaves alone."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import jurist

PACKAGE = Path(jurist.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")
ROOMS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))

HEAVY = {"torch", "transformers", "accelerate", "peft", "safetensors", "tokenizers"}
"""Libraries that the extra `train` brings."""

LAZY = HEAVY | {"pyarrow", "datasets", "matplotlib", "gguf"}
"""Libraries that no module imports at its top, unless they are its subject."""

SUBJECTS = {
    f"jurist.reports.{name}": {"matplotlib"}
    for name in (
        *("attack_figure", "drawing", "figures", "paper_figures", "selection_figure"),
        "training_figure",
    )
}
"""Modules about one of these libraries; whoever needs them imports them inside a function."""

HEAVY_ENGINES = {
    "decoding.py",
    "drawing.py",
    "keys_and_values.py",
    "local.py",
    "invariant_products.py",
    "partial_attention.py",
    "plain_decoder.py",
    "shared_prefix.py",
    "transformers.py",
    "vllm.py",
}
"""Files of the engines that run a model in this process."""

LIGHT = (
    "jurist",
    "jurist.cli",
    "jurist.data",
    "jurist.formats",
    "jurist.judges",
    "jurist.engines",
    "jurist.engines.openai",
    "jurist.engines.systemone",
    "jurist.evaluation",
    "jurist.rationales",
    "jurist.reports",
    "jurist.rewards",
    "jurist.search",
    "jurist.worlds",
    "jurist.attacks",
)
"""What judging through an API, evaluating and reporting import."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def may_be_heavy(path: Path) -> bool:
    room, name = path.relative_to(PACKAGE).parts[0], path.name
    if room == "engines":
        return name in HEAVY_ENGINES
    return room in {"objectives", "models", "training"}


def exposed(path: Path) -> set[str]:
    """Names that a room's `__init__` defines, or takes from the files of that room.

    A room may load some of them when they are first asked for; then it says where they are from to
    the type checker.
    """
    room = module_name(path)
    names: set[str] = set()
    top = ast.parse(path.read_text("utf-8")).body
    typed = [inner for node in top if isinstance(node, ast.If) for inner in node.body]
    for node in (*top, *typed):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{room}."):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_there_are_rooms_and_files_to_look_at():
    assert len(ROOMS) >= 12
    assert len(FILES) > 40


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_module_can_be_imported_and_says_what_is_in_it(path: Path):
    module = importlib.import_module(module_name(path))
    assert module.__doc__, f"{path} has no docstring"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_all_names_what_is_there_once_and_nothing_private(path: Path):
    module = importlib.import_module(module_name(path))
    names = getattr(module, "__all__", [])
    assert [name for name in names if not hasattr(module, name)] == []
    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("_") and name != "__version__"] == []


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_all_of_a_room_is_exactly_what_the_room_exposes(room: Path):
    module = importlib.import_module(f"jurist.{room.name}")
    assert set(getattr(module, "__all__", [])) == exposed(room / "__init__.py")


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_every_public_name_has_a_docstring(room: Path):
    module = importlib.import_module(f"jurist.{room.name}")
    things = [(name, getattr(module, name)) for name in getattr(module, "__all__", [])]
    bare = [
        name
        for name, thing in things
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and not thing.__doc__
    ]
    assert bare == []


@pytest.mark.parametrize("name", LIGHT)
def test_judging_through_an_api_evaluating_and_reporting_import_no_torch(name: str):
    code = f"import sys, {name}; print(*sorted({LAZY!r} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_heavy_libraries_are_imported_at_the_top_only_where_they_are_the_subject(path: Path):
    allowed = HEAVY if may_be_heavy(path) else SUBJECTS.get(module_name(path), set[str]())
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    assert found & LAZY <= allowed


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_module_of_a_light_room_imports_a_heavy_library_even_inside_a_function(path: Path):
    # pyarrow, datasets and matplotlib may be imported inside a function anywhere.
    if may_be_heavy(path) or path.relative_to(PACKAGE).parts[0] == "recipes":
        return
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    assert found & HEAVY == set()
