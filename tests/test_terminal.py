"""What a terminal gets, what a pipe gets, and what the user's own wishes change of it."""

import os
import pty
import re
import subprocess
import sys

import pytest

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
HUE = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-7]|9[0-7])(?:;[0-9]+)*m")
BAR = [
    "-c",
    "from jurist.progress import progress\n"
    "with progress('judging', 2, 'pairs') as advance: advance(2)",
]
HELP = ["-m", "jurist", "star-dpo", "--help"]
WRONG = ["-m", "jurist", "star-dpo", "--modle", "x"]
DOCTOR = ["-m", "jurist", "doctor"]


def environment(**wishes: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")
    }
    return {**kept, "TERM": "xterm-256color", "COLUMNS": "120", **wishes}


def on_terminal(arguments: list[str], **wishes: str) -> str:
    """What a program writes to the terminal that it runs on."""
    ours, its = pty.openpty()
    try:
        running = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=its,
            stdout=its,
            stderr=its,
            env=environment(**wishes),
        )
    finally:
        os.close(its)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    finally:
        running.wait(60)
        os.close(ours)
    return said.decode("utf-8", "replace")


def through_pipe(arguments: list[str], **wishes: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**wishes),
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [HELP, WRONG], ids=["help", "wrong"])
class TestColour:
    def test_is_on_a_terminal(self, arguments):
        assert COLOUR.search(on_terminal(arguments))

    def test_is_not_in_a_pipe(self, arguments):
        assert not COLOUR.search(through_pipe(arguments))

    def test_is_not_where_nobody_wants_any(self, arguments):
        assert not HUE.search(on_terminal(arguments, NO_COLOR="1"))

    def test_is_not_on_a_terminal_that_knows_none(self, arguments):
        assert not COLOUR.search(on_terminal(arguments, TERM="dumb"))

    def test_is_in_a_pipe_where_it_is_forced(self, arguments):
        assert COLOUR.search(through_pipe(arguments, FORCE_COLOR="1"))


def test_a_bar_moves_on_a_terminal_and_nowhere_else():
    assert "\x1b[2K" in on_terminal(BAR)
    for said in (
        on_terminal(BAR, TERM="dumb"),
        through_pipe(BAR),
        through_pipe(BAR, FORCE_COLOR="1"),
    ):
        assert "\x1b" not in said
        assert "\r" not in said.replace("\r\n", "\n")


def test_a_table_is_plain_text_in_a_file_and_has_colours_on_a_terminal():
    said = through_pipe(DOCTOR)
    assert "extra [train]" in said
    assert "\x1b" not in said
    assert COLOUR.search(on_terminal(DOCTOR))
