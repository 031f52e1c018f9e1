"""Every regular expression of the package, on texts made to be slow for it."""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _parser as sre  # pyright: ignore[reportAttributeAccessIssue]
from typing import NamedTuple

import pytest

import jurist

SOURCE = Path(jurist.__file__).parent
USES = ("match", "fullmatch", "search", "sub", "findall", "finditer", "split")
BUILT = {
    "worlds/evidence.py:_pattern": r"(\w+)\ lives\ in\ (\w+)\.",
    "recipes/push.py:files_to_send": r"model-[0-9]+\.safetensors|.*\.json",
}
"""What is made of other text while the program runs, and holds against all of a name or sentence: a
pattern of the same shape."""

NUM_CHARACTERS = 2**15
MOST_SECONDS = 0.05
"""For so many characters: what is quadratic takes seconds, what is linear 10 ms at the most."""

MOST_SECONDS_A_MEGABYTE = 0.8
"""Where every character begins a match, as in a search for all words. Verdicts have a narrower
bound of their own, in `tests/judges/test_resource_texts.py`."""


class Pattern(NamedTuple):
    name: str
    compiled: re.Pattern[str]
    uses: tuple[str, ...]


def enclosing(tree: ast.Module, call: ast.Call) -> str:
    """The function around a call, or the variable that it is assigned to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(one is call for one in ast.walk(node)):
            return node.name
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if any(one is call for one in ast.walk(node)):
                return ast.unparse(target)
    raise AssertionError(f"line {call.lineno}: a pattern that nothing is called")


def patterns() -> Iterator[Pattern]:
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        for call in calls:
            function = ast.unparse(call.func)
            if function not in ("re.compile", *(f"re.{use}" for use in USES)):
                continue
            around = enclosing(tree, call)
            name = f"{path.relative_to(SOURCE).as_posix()}:{around}"
            used = {
                use for use in USES for one in calls if ast.unparse(one.func) == f"{around}.{use}"
            }
            uses = (
                (function[3:],) if function != "re.compile" else tuple(sorted(used or {"finditer"}))
            )
            flags = re.RegexFlag(0)
            for one in call.args[1:]:
                if ast.unparse(one).startswith("re.") and isinstance(one, ast.Attribute):
                    flags |= getattr(re, one.attr)
            match call.args[0]:
                case ast.Constant(value=str() | bytes() as given):
                    text = given if isinstance(given, str) else given.decode("latin-1")
                    yield Pattern(name, re.compile(text, flags), uses)
                case _ if name in BUILT:
                    yield Pattern(name, re.compile(BUILT[name], flags), ("fullmatch",))
                case _:
                    module = "jurist." + ".".join(path.relative_to(SOURCE).with_suffix("").parts)
                    value = getattr(importlib.import_module(module), around)
                    for number, one in enumerate(value if isinstance(value, tuple) else (value,)):
                        yield Pattern(f"{name}[{number}]", one, uses)


PATTERNS = {f"{number} {one.name}": one for number, one in enumerate(dict.fromkeys(patterns()))}


def shortest(parsed, first: bool = True) -> str:
    """A text that a parsed pattern matches, looking around aside: what leads deep into it."""
    return "".join(_shortest(str(operation), value, first) for operation, value in parsed)


def _shortest(operation: str, value, first: bool) -> str:
    match operation:
        case "LITERAL":
            return chr(value)
        case "IN":
            return one_of(value)
        case "NOT_LITERAL" | "ANY":
            return "a" if value != ord("a") else "b"
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return shortest(value[2]) * max(1, value[0])
        case "SUBPATTERN" | "ATOMIC_GROUP":
            return shortest(value[3] if operation == "SUBPATTERN" else value)
        case "BRANCH":
            return shortest(value[1][0 if first else -1])
        case _:
            return ""


def one_of(items) -> str:
    """A character of a set."""
    kinds = {
        "CATEGORY_DIGIT": "7",
        "CATEGORY_WORD": "w",
        "CATEGORY_SPACE": " ",
        "CATEGORY_NOT_SPACE": "n",
        "CATEGORY_NOT_WORD": "~",
        "CATEGORY_NOT_DIGIT": "n",
    }
    for operation, value in items:
        match str(operation):
            case "LITERAL":
                return chr(value)
            case "RANGE":
                return chr(value[0])
            case "CATEGORY":
                return kinds[str(value)]
            case "NEGATE":
                taken = {chr(one) for kind, one in items if str(kind) == "LITERAL"}
                return next(letter for letter in "z. 0\n~\1" if letter not in taken)
    raise AssertionError(f"no character of {items}")


def units(pattern: re.Pattern[str]) -> list[str]:
    """What to repeat: a match, its parts, its characters, and characters of every kind."""
    parsed = sre.parse(pattern.pattern, pattern.flags)
    matches = {shortest(parsed), shortest(parsed, first=False)} - {""}
    halves = {one[: len(one) // 2] for one in matches} | {one[:-1] for one in matches}
    letters = {letter for one in matches for letter in one[:12]}
    return sorted(
        (matches | halves | letters | set(" \n.a7<[\\\"'-,|(") | {"1 ", "a ", ".a"}) - {""}
    )


def slow_texts(pattern: re.Pattern[str], num: int) -> Iterator[str]:
    lead = shortest(sre.parse(pattern.pattern, pattern.flags))
    for unit in units(pattern):
        body = unit * (num // len(unit))
        yield body
        yield body + "\1"
        yield lead + body + "\1"


def seconds(work: Callable[[], object], *, rounds: int = 3) -> float:
    """Of this process alone: how busy the machine is says nothing about a pattern."""
    taken: list[float] = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
        if taken[-1] < MOST_SECONDS / 5:
            break
    return min(taken)


def scanned(pattern: Pattern, text: str) -> float:
    def work() -> None:
        for use in pattern.uses:
            if use == "sub":
                pattern.compiled.sub("", text)
            elif use == "finditer":
                for _ in pattern.compiled.finditer(text):
                    pass
            else:
                getattr(pattern.compiled, use)(text)

    return seconds(work)


@pytest.mark.fault(20, "slow patterns")
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_time_in_proportion_to_the_text(name: str, size):
    pattern = PATTERNS[name]
    taken = {text: scanned(pattern, text) for text in slow_texts(pattern.compiled, NUM_CHARACTERS)}
    assert max(taken.values()) < MOST_SECONDS, ascii(max(taken, key=taken.__getitem__)[:60])
    for text in sorted(taken, key=taken.__getitem__, reverse=True)[: size(0, 2)]:
        whole = text[:-1] * (2**20 // len(text)) + text[-1]
        assert scanned(pattern, whole) < MOST_SECONDS_A_MEGABYTE, ascii(text[:60])


def test_every_pattern_is_found():
    assert len(PATTERNS) >= 40
    named = {one.name.partition("[")[0] for one in PATTERNS.values()}
    assert {"rationales/leaks.py:_DISCLOSURES", "formats/control.py:_OPENINGS", *BUILT} <= named


def test_a_pattern_that_is_not_linear_is_told():
    # This one was our own, and cut sentences.
    slow = re.compile(r"\S[^\n]*?(?:[.!?;]+(?=\s|$)|$)", re.MULTILINE)
    pattern = Pattern("slow", slow, ("finditer",))
    texts = slow_texts(slow, NUM_CHARACTERS // 4)
    assert any(scanned(pattern, text) > MOST_SECONDS for text in texts)
