"""Every message on the page of messages is one that the source has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jurist import errors
from jurist.types import Failure

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
STEMS = [" ".join(stem.split()) for stem in re.findall(r"\*\*`([^`]+)`\*\*", PAGE)]


def texts() -> Iterator[str]:
    """Every text in the source that is no docstring, with a mark where something is put in."""
    for path in (ROOT / "src" / "jurist").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        parts = {id(part) for node in ast.walk(tree) for part in inner(node)}
        for node in ast.walk(tree):
            if id(node) not in parts:
                yield text_of(node)


def inner(node: ast.AST) -> list[ast.AST]:
    """Docstrings, and the pieces of a text with gaps: no texts of their own."""
    match node:
        case ast.Expr(value=ast.Constant() as said):
            return [said]
        case ast.JoinedStr(values=values):
            return list(values)
        case _:
            return []


def text_of(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(
                str(value.value) if isinstance(value, ast.Constant) else "…" for value in values
            )
        case _:
            return ""


SAID = "\n".join(filter(None, texts()))


@pytest.mark.parametrize("stem", STEMS)
def test_a_message_on_the_page_is_one_of_the_source(stem):
    assert stem in SAID


def test_the_page_has_the_likely_messages_and_each_of_them_once():
    assert len(STEMS) >= 40
    assert sorted(set(STEMS)) == sorted(STEMS)
    assert [
        stem for stem in STEMS if len(stem) < 12 and stem not in ("bad rows", "in use by …")
    ] == []


def test_every_kind_of_failure_and_every_exit_code_is_on_the_page():
    assert [kind for kind in Failure if f"| `{kind}` |" not in PAGE] == []
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.JuristError)
    }
    opening = PAGE.partition("\n## ")[0]
    assert [code for code in codes if not re.search(rf"\b{code}\b", opening)] == []


def test_a_message_that_nobody_says_is_found_out():
    assert "no such message was ever written" not in SAID
    assert "holds a run with" in SAID
