"""Every block of every page is what it says it is, and every command on it is one that exists.

Python on pages is run by `tests/test_house.py`. Commands are not run, but held to the programs they
call: one of `jurist` goes through the real command line, with recorders where the recipes are, so
a flag that is not there or a value that is refused is a complaint. Benchmarks and scripts are
loaded up to where they have parsed their flags. Of `make`, `pip` and `curl`: the target, the extra
and the route must exist.
"""

import argparse
import ast
import dataclasses
import functools
import importlib.util
import inspect
import json
import re
import runpy
import shlex
import sys
import tomllib
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import tyro

from jurist import cli

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
LANGUAGES = {"sh", "python", "json", "toml", "yaml", "text", "{toctree}"}

OTHERS_FLAGS = {
    "--enable-structured-decisions": "of a server that docs/engines.md is about",
}
"""Flags on pages that are those of other programs, and whose."""

CONTROL = re.compile(r"[();<>|&\n]+")
KEYWORDS = {"do", "then", "else", "until", "while", "if", "!", "time", "exec"}
LONE = {"done", "fi", "for"}
NOT_OURS = {
    "export": "the shell's",
    "cd": "the shell's",
    ".": "the shell's",
    "source": "the shell's",
    "kill": "the shell's",
    "true": "the shell's",
    "sleep": "the system's",
    "mkdir": "the system's",
    "git": "nothing that its line says is ours",
    "tensorboard": "a program of its own, not required here",
}
"""Programs that are not held to anything, and why."""


class Wrong(Exception):
    """What is wrong with a command."""


class Parsed(BaseException):
    """Thrown by a program that came as far as having its flags. Not for `except Exception`."""


def commands(block: str) -> Iterator[list[str]]:
    """The simple commands of a block of shell, as words, those within `$(...)` too.

    Raises:
        ValueError: If a quotation is not closed.
    """
    block = re.sub(r"(^|\s)#.*$", r"\1", block, flags=re.MULTILINE).replace("\\\n", " ")
    for inner in re.findall(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)", block):
        yield from commands(inner)
    block = re.sub(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)", "$CAPTURED", block)
    lexer = shlex.shlex(block, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    is_target = False  # of a redirection
    for word in [*lexer, "\n"]:
        if CONTROL.fullmatch(word):
            if set(word) & set("<>"):
                is_target = True
                continue
            if words:
                yield words
            words = []
        elif is_target:
            is_target = False
        else:
            words.append(word)


def check(words: list[str], patch: pytest.MonkeyPatch) -> None:
    """Hold a command to the program that it calls.

    Raises:
        Wrong: If that program would not take it, or nothing is known of it.
    """
    while words and (words[0] in KEYWORDS or re.match(r"[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    if not words or words[0] in LONE or words[0] in NOT_OURS:
        return
    if "..." in words:
        raise Wrong("'...' stands for something: write the command whole")
    program, *arguments = words
    name = Path(program).name
    if name not in PROGRAMS:
        raise Wrong(f"nothing is known of {name}; is it a command of this project?")
    PROGRAMS[name](arguments, patch)


def check_jurist(arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    """Parse a command of `jurist` into its config."""
    if not arguments or arguments[0] not in cli.COMMANDS:
        raise Wrong(f"no command jurist {' '.join(arguments[:1])}")
    recorded: list[object] = []

    recipe = cli.COMMANDS[arguments[0]]

    @functools.wraps(recipe)
    def record(*given: object, **named: object) -> None:
        recorded.extend([*given, *named.values()])
        if len(recorded) != len(inspect.signature(recipe).parameters):
            raise AssertionError("a recipe is called with its config")

    with patch.context() as only_here:
        only_here.setitem(cli.COMMANDS, arguments[0], record)
        only_here.setattr(sys, "argv", ["jurist", *arguments])
        try:
            cli.main()
        except SystemExit as exit:
            if exit.code not in (None, 0):
                raise Wrong(f"jurist ends with {exit.code}") from None


def check_python(arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    """Compile what `-c` says; parse the flags of a module or script of this repository."""
    match arguments:
        case ["-c", source]:
            compile(source, "-c", "exec")
        case ["-m", "jurist", *rest]:
            check_jurist(rest, patch)
        case ["-m", "pytest", *rest]:
            paths = [path for path in rest if path.startswith("tests")]
            if missing := [path for path in paths if not (ROOT / path).exists()]:
                raise Wrong(f"no {', '.join(missing)}")
        case ["-m", "pip", *rest]:
            check_pip(rest, patch)
        case ["-m", module, *rest] if module.partition(".")[0] == "benchmarks":
            check_file(f"{module.replace('.', '/')}.py", rest, patch)
        case ["-m", module, *_]:
            if importlib.util.find_spec(module) is None:
                raise Wrong(f"no module {module}")
        case [path, *rest]:
            check_file(path, rest, patch)
        case _:
            raise Wrong("python without a program")


def check_file(path: str, flags: list[str], patch: pytest.MonkeyPatch) -> None:
    """Run a program of this repository up to where it has its flags."""
    program = ROOT / path
    if not program.is_file():
        raise Wrong(f"no file {path}")
    if not re.search(r"ArgumentParser\(|tyro\.cli\(", program.read_text("utf-8")):
        if flags:
            raise Wrong(f"{path} takes no flags")
        return

    def stop_after(parse: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(parse)
        def parsed(*given: Any, **named: Any) -> Any:
            parse(*given, **named)
            raise Parsed

        return parsed

    parse, parse_typed = argparse.ArgumentParser.parse_args, tyro.cli
    with patch.context() as only_here:
        only_here.syspath_prepend(str(ROOT))
        only_here.setattr(sys, "argv", [path, *flags])
        only_here.setattr(argparse.ArgumentParser, "parse_args", stop_after(parse))
        only_here.setattr(tyro, "cli", stop_after(parse_typed))
        try:
            runpy.run_path(str(program), run_name="__main__")
        except Parsed:
            return
        except SystemExit as exit:
            raise Wrong(f"{path} ends with {exit.code}") from None
    raise AssertionError(f"{path} has parsed no flags, and ran")


def check_launcher(arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    """Parse the launcher's own flags, and the program that it launches."""
    if arguments[:1] != ["launch"]:
        raise Wrong("accelerate does something else than launch")
    from accelerate.commands.launch import launch_command_parser

    try:
        given = launch_command_parser().parse_args(arguments[1:])
    except SystemExit as exit:
        raise Wrong(f"accelerate launch ends with {exit.code}") from None
    check_python(
        [*(["-m"] if given.module else []), given.training_script, *given.training_script_args],
        patch,
    )


def check_make(arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    """The targets exist, and what `ONLY` and `ARGS` hand on is taken."""
    there = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    values = dict(word.split("=", 1) for word in arguments if "=" in word)
    targets = [word for word in arguments if "=" not in word]
    if missing := [target for target in targets if target not in there]:
        raise Wrong(f"no target {', '.join(missing)}")
    flags = shlex.split(values.get("ARGS", ""))
    if "quickstart" in targets:
        check_jurist(["quickstart", *flags], patch)
    if "ONLY" in values:
        with patch.context() as only_here:
            only_here.syspath_prepend(str(ROOT))
            named = importlib.import_module("benchmarks.__main__").PROGRAMS
        if values["ONLY"] not in named:
            raise Wrong(f"no benchmark is named {values['ONLY']}")
        check_python(["-m", *named[values["ONLY"]], *flags], patch)


def check_pip(arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    """Requirements can be read, and extras of ours exist."""
    from packaging.requirements import InvalidRequirement, Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for word in arguments[1:]:
        if word.startswith("-"):
            continue
        try:
            asked = Requirement(re.sub(r"^\.(?=\[|$)", project["name"], word))
        except InvalidRequirement as error:
            raise Wrong(f"pip cannot read {word!r}: {error}") from None
        unknown = asked.extras - set(project["optional-dependencies"])
        if asked.name == project["name"] and unknown:
            raise Wrong(f"no extra {', '.join(sorted(unknown))}")


def check_curl(arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    """The server has such a route, and what is sent is JSON."""
    urls = [word for word in arguments if word.startswith("http")]
    if len(urls) != 1:
        raise Wrong(f"expected one address, found {urls}")
    bodies = [body for flag, body in pairwise(arguments) if flag in ("-d", "--data", "--json")]
    for body in bodies:
        try:
            json.loads(body)
        except ValueError as error:
            raise Wrong(f"what is sent is no JSON: {error}") from None
    method = "POST" if bodies else "GET"
    path = urlsplit(urls[0]).path
    if (method, path) not in routes():
        raise Wrong(f"the server has no route {method} {path}")


@functools.cache
def routes() -> frozenset[tuple[str, str]]:
    """Method and path of everything that a server answers."""
    from jurist.serving import About, Service, make_app

    about = About(model="", fingerprint="", kind="rule", format="", votes=1, version="0")
    with ThreadPoolExecutor(1) as thread:
        guard: Any = make_app(Service(lambda _: [], about=about, executor=thread))
    described = guard.app.openapi()["paths"]
    # Another name of a route that is described, or the description itself.
    others = {("POST" if path.startswith("/v1") else "GET", path) for path in guard.paths}
    return frozenset(
        {(method.upper(), path) for path, methods in described.items() for method in methods}
        | {(method, path) for method, path in others if path not in described}
    )


PROGRAMS: dict[str, Callable[[list[str], pytest.MonkeyPatch], None]] = {
    "jurist": check_jurist,
    "python": check_python,
    "python3": check_python,
    "accelerate": check_launcher,
    "make": check_make,
    "pip": check_pip,
    "curl": check_curl,
}


class Block(NamedTuple):
    """A block between fences."""

    language: str
    line: int
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page.

    Raises:
        Wrong: If one is not closed, or stands within a list, where other tools read other lines.
    """
    found: list[Block] = []
    opened: tuple[str, int] | None = None
    lines = page.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("```"):
            continue
        if line != line.lstrip():
            raise Wrong(f"{page.name}:{number}: a fence is indented")
        if opened is None:
            opened = line[3:].strip(), number
        elif line.rstrip() != "```":
            raise Wrong(f"{page.name}:{number}: a block opens in the block of line {opened[1]}")
        else:
            text = "\n".join(lines[opened[1] : number - 1])
            found.append(Block(opened[0], opened[1], text))
            opened = None
    if opened is not None:
        raise Wrong(f"{page.name}:{opened[1]}: the block is not closed")
    return found


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("page", PAGES, ids=named)


@every_page
def test_every_command_on_a_page_is_one_that_exists(page, monkeypatch, capfd, restored_signals):
    wrong = []
    for block in blocks(page):
        for words in commands(block.text) if block.language == "sh" else ():
            try:
                check(words, monkeypatch)
            except Wrong as found:
                said = " ".join(capfd.readouterr().err.split())
                wrong.append(
                    f"{named(page)}:{block.line}: {shlex.join(words)}: {found}: {said[:300]}"
                )
    assert wrong == []


@every_page
def test_data_on_a_page_can_be_read(page):
    yaml = pytest.importorskip("yaml")
    for block in blocks(page):
        if block.language == "json":
            try:
                json.loads(block.text)
            except ValueError:  # JSON Lines
                for line in block.text.splitlines():
                    json.loads(line)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "yaml":
            assert yaml.safe_load(block.text) is not None


@every_page
def test_every_block_says_its_language_and_text_hides_no_code(page):
    if page.name == "cli.md":  # what `--help` says, written by a script
        return
    for block in blocks(page):
        where = f"{named(page)}:{block.line}"
        assert block.language in LANGUAGES, where
        if block.language == "text":
            assert not is_code(block.text), f"{where}: code in a block of text: make it python"
            assert not holds_command(block.text), (
                f"{where}: commands in a block of text: make it sh"
            )


@every_page
def test_no_command_stands_outside_of_a_block(page):
    """A block by indentation alone is none that these tests look into."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    assert not holds_command("\n".join(re.findall(r"^    .*$", text, re.M)))


def is_code(text: str) -> bool:
    """Whether a text is Python that does something, and not words that happen to be names."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return bool(re.search(r"^(from \w[\w.]* )?import \w|^@\w|^def \w+\(.*:$", text, re.M))
    return any(isinstance(node, ast.Call | ast.Assign | ast.Import) for node in ast.walk(tree))


def holds_command(text: str) -> bool:
    """Whether a line of a text begins as a command of this project does."""
    return bool(
        re.search(
            rf"^\s*(\$ )?(jurist ({'|'.join(cli.COMMANDS)})\b|python3? -m |pip install |make \w+$"
            r"|curl |accelerate launch)",
            text,
            re.M,
        )
    )


@every_page
def test_every_command_and_flag_in_prose_exists(page, monkeypatch, capfd, restored_signals):
    """`jurist judge --workers`, `--stop-at 0.01` or `make check` between backticks."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    every = frozenset().union(*map(flags_of, cli.COMMANDS), flags_of_programs(), OTHERS_FLAGS)
    wrong = []
    for span in re.findall(r"`([^`]+)`", text):
        words = span.split()
        allowed = every
        if words[0] == "jurist" and len(words) > 1 and re.fullmatch(r"[a-z][a-z-]+", words[1]):
            if words[1] not in cli.COMMANDS:
                wrong.append(span)
                continue
            allowed = flags_of(words[1])
        elif words[0] in ("python", "make", "pip") and len(words) > 1:
            try:
                check(shlex.split(span), monkeypatch)
            except Wrong as found:
                said = " ".join(capfd.readouterr().err.split())
                wrong.append(f"{span}: {found}: {said[:300]}")
            continue
        elif not words[0].startswith("--"):
            continue
        # A flag with a dot is another project's: no flag here has one.
        used = {word.partition("=")[0] for word in words if re.match(r"--[a-z][^.]*$", word)}
        wrong += [f"{span}: {flag}" for flag in sorted(used - allowed)]
    assert wrong == []


@functools.cache
def flags_of_programs() -> frozenset[str]:
    """What the benchmarks, scripts and examples take, as their sources say it."""
    found: set[str] = set()
    for folder in ("benchmarks", "scripts", "examples"):
        for program in (ROOT / folder).glob("*.py"):
            source = program.read_text("utf-8")
            found |= set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', source))
            names = re.findall(r"^    (\w+): ", source, re.M)
            found |= {"--" + name.replace("_", "-") for name in names}
    return frozenset(found)


@functools.cache
def flags_of(command: str) -> frozenset[str]:
    """The flags of a command of `jurist`, read off its config."""
    given = typing.get_type_hints(cli.COMMANDS[command])
    kinds = [kind for name, kind in given.items() if name != "return"]
    found = {f"--{name}" for kind in kinds for name in fields_of(kind)}
    return frozenset({"--help"} | found | {flag.replace("--", "--no-", 1) for flag in found})


def fields_of(kind: Any) -> Iterator[str]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from fields_of(hints[field.name])
        else:
            yield field.name.replace("_", "-")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("jurist evaluate --model m --test t --output o --vote 4", "ends with 2"),
        ("jurist evaluate --model m --test t --output o --votes four", "ends with 2"),
        ("jurist evaluate --model m --test t --output o --stop-at 1.5", "ends with 2"),
        ("jurist evaluate --model m --test t", "ends with 2"),
        ("true && A=b jurist appeal", "no command"),
        ("if x=$(jurist appeal); then true; fi", "no command"),
        ("jurist judge --engine vllm ...", "write the command whole"),
        ("python -m benchmarks.votes --vote 4", "ends with 2"),
        ("python -m benchmarks.nothing", "no file"),
        ("python -m benchmarks.trl_losses --all", "takes no flags"),
        ("python scripts/make_base.py --seed one", "ends with 2"),
        ("python scripts/nothing.py", "no file"),
        ("accelerate launch -m jurist appeal", "no command"),
        ("accelerate launch --many -m jurist doctor", "ends with 2"),
        ("make quick", "no target"),
        ("make quickstart ARGS=--slow", "ends with 2"),
        ("make bench ONLY=nothing", "no benchmark"),
        ("pip install 'jurist[server]'", "no extra server"),
        ("curl http://127.0.0.1:8090/v1/judges", "no route GET /v1/judges"),
        ("curl http://127.0.0.1:8090/v1/judge --data '{]'", "no JSON"),
        ("frobnicate", "nothing is known"),
    ],
)
def test_a_wrong_command_is_a_complaint(line, complaint, monkeypatch, capfd, restored_signals):
    with pytest.raises(Wrong, match=complaint):
        for words in commands(line):
            check(words, monkeypatch)


def test_a_block_of_shell_is_read_as_a_shell_reads_it():
    block = """\
make test   # says 'so'
A=1 jurist judge --model 'a b' \\
    --output o > log; jurist doctor || true
for one in a b; do
    jurist vote $one &
done
M=$(python -c 'print(1)') # '
"""
    assert list(commands(block)) == [
        ["python", "-c", "print(1)"],
        ["make", "test"],
        ["A=1", "jurist", "judge", "--model", "a b", "--output", "o"],
        ["jurist", "doctor"],
        ["true"],
        ["for", "one", "in", "a", "b"],
        ["do"],
        ["jurist", "vote", "$one"],
        ["done"],
        ["M=$CAPTURED"],
    ]
