"""How the documentation is built. The pages under `api/` are written here, from the docstrings."""

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx

import jurist

DOCS = Path(__file__).parent
sys.dont_write_bytecode = True

project = "jurist"
author = "the jurist contributors"
copyright = "2026, the jurist contributors"
version = release = jurist.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_title = f"jurist {release}"

myst_heading_anchors = 3
myst_enable_extensions = ["deflist", "colon_fence"]

# Docstrings write `names` in single backticks, as Markdown does.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
# Type variables and aliases have no page of their own to link to.
nitpicky = False

ON_THEIR_OWN = {
    "engines": ("jurist.engines.transformers", "jurist.engines.openai"),
    "training": ("jurist.training.methods",),
    "worlds": ("jurist.worlds.scripted",),
}
"""Modules that are public by their own name, because their room can be imported without them."""

FOUNDATIONS = ("types", "errors", "digest", "storage", "progress")


def sections(module: ModuleType) -> list[str]:
    """Names of the modules that a page shows: the room's own names, then modules apart from it."""
    name = module.__name__
    if not hasattr(module, "__path__"):
        return [name]
    if getattr(module, "__all__", ()):
        return [name, *ON_THEIR_OWN.get(name.rpartition(".")[2], ())]
    inner = sorted(info.name for info in pkgutil.iter_modules(module.__path__, f"{name}."))
    return [name, *(inner_name for inner_name in inner if "._" not in inner_name)]


def page(name: str) -> str:
    """The page of a module or room, in Markdown."""
    parts = [f"# {name}\n"]
    for number, section in enumerate(sections(importlib.import_module(f"jurist.{name}"))):
        importlib.import_module(section)
        if number:
            parts.append(f"## {section}\n")
        parts.append(f"```{{eval-rst}}\n.. automodule:: {section}\n   :members:\n```\n")
    return "\n".join(parts)


def write_api() -> None:
    """Write a page for every room and every foundation, and leave alone what is there already."""
    rooms = sorted(
        info.name
        for info in pkgutil.iter_modules(jurist.__path__)
        if info.ispkg and not info.name.startswith("_")
    )
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    pages = {f"{name}.md": page(name) for name in (*FOUNDATIONS, *rooms)}
    for stale in set(folder.glob("*.md")) - {folder / name for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        path = folder / name
        # A page written again is built again, so the same text is not.
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")


def shield(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep napoleon from reading "Whether it may answer: no" as a type and a description.

    It does so on the first line of what documents a field; an empty comment takes that place.
    """
    if what in {"attribute", "property", "data"}:
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", shield, priority=400)


write_api()
