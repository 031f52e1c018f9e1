"""Engines for worker processes, which import this file to make them."""

import hashlib
import os
import signal
import time
from pathlib import Path

from jurist.engines import ScriptedEngine
from jurist.errors import ConfigError, DataError


def words(*what: object) -> str:
    """Ten words that depend on everything given, and look drawn at random."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:20].replace("", " ").strip()[:19]


def likelihood(prompt, text: str) -> float:
    return -1.0 - len(text) - 0.1 * len(prompt[0].content)


def scripted() -> ScriptedEngine:
    return ScriptedEngine(words, likelihood)


def says_who() -> ScriptedEngine:
    """Its replies name the process and its threads."""
    return ScriptedEngine(lambda *_: f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}")


def deadly(marker: Path, *, once: bool) -> ScriptedEngine:
    """Dies when it is asked "deadly": every time, or only the first."""

    def die_of(prompt) -> None:
        if prompt[0].content.startswith("deadly") and not (once and marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def reply(prompt, index: int) -> str:
        die_of(prompt)
        return words(prompt, index)

    def score(prompt, text: str) -> float:
        die_of(prompt)
        return likelihood(prompt, text)

    return ScriptedEngine(reply, score)


def slow(when: str) -> ScriptedEngine:
    """Takes its time over a reply, "at work" or over the prompt "slow"."""

    def reply(prompt, index: int) -> str:
        if prompt[0].content == "slow":
            time.sleep(5)
            return "at last"
        if when == "at work":
            time.sleep(0.02)
        return words(prompt, index)

    return ScriptedEngine(reply, likelihood)


def stops_itself() -> ScriptedEngine:
    os.kill(os.getpid(), signal.SIGSTOP)
    return ScriptedEngine(words)


def refusing() -> ScriptedEngine:
    """Refuses one prompt, and fails over another."""

    def reply(prompt, index: int) -> str:
        if prompt[0].content == "too long":
            raise DataError("prompt 0 does not fit the model's context")
        if prompt[0].content == "bug":
            raise ZeroDivisionError("by nothing")
        return words(prompt, index)

    return ScriptedEngine(reply)


def missing() -> ScriptedEngine:
    raise ConfigError("no such model: nowhere")


def dead_at_once() -> ScriptedEngine:
    os._exit(7)


def named_by(path: Path) -> ScriptedEngine:
    """Its fingerprint is what a file says when it is made."""
    return ScriptedEngine(words, likelihood, fingerprint=path.read_text())


def named_after_itself() -> ScriptedEngine:
    return ScriptedEngine(words, fingerprint=f"of process {os.getpid()}")
