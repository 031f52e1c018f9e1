"""Command line: one subcommand per recipe, its flags read off its config. No logic here."""

import _thread
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import FrameType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import tyro
from rich.console import Console as RichConsole
from rich.logging import RichHandler

from jurist.errors import ConfigError, JuristError, is_out_of_memory
from jurist.extras import install_advice
from jurist.recipes.bradley_terry import run_bradley_terry
from jurist.recipes.cloud import run_cloud
from jurist.recipes.compare import run_compare
from jurist.recipes.completion import run_completion
from jurist.recipes.con_j import run_con_j
from jurist.recipes.critic_rm import run_critic_rm
from jurist.recipes.doctor import run_doctor
from jurist.recipes.dry_run import with_dry_run
from jurist.recipes.evaluate import run_evaluate
from jurist.recipes.export import run_export
from jurist.recipes.faithfulness import run_faithfulness
from jurist.recipes.generative_verifier import run_generative_verifier
from jurist.recipes.genrm import run_genrm
from jurist.recipes.judge import run_judge
from jurist.recipes.jury import run_jury
from jurist.recipes.label import run_label
from jurist.recipes.launch import help_main_process, is_helper, leading
from jurist.recipes.listwise import run_listwise
from jurist.recipes.near_misses import near_misses
from jurist.recipes.pair_rm import run_pair_rm
from jurist.recipes.paper import run_paper
from jurist.recipes.push import run_push
from jurist.recipes.quickstart import run_quickstart
from jurist.recipes.refused import refusal
from jurist.recipes.rerun import run_rerun
from jurist.recipes.scan import run_scan
from jurist.recipes.scpo import run_scpo
from jurist.recipes.select import run_select
from jurist.recipes.self_reward import run_self_reward
from jurist.recipes.self_taught import run_self_taught
from jurist.recipes.serve import run_serve
from jurist.recipes.star_dpo import run_star_dpo
from jurist.recipes.star_rationalizer import run_star_rationalizer
from jurist.recipes.star_sft import run_star_sft
from jurist.recipes.suites import run_suites
from jurist.recipes.vote import run_vote
from jurist.showing import Console, FitToShow, fit_to_show

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

COMMANDS = {
    "quickstart": run_quickstart,
    "bradley-terry": run_bradley_terry,
    "pair-rm": run_pair_rm,
    "genrm": run_genrm,
    "star-sft": run_star_sft,
    "star-dpo": run_star_dpo,
    "con-j": run_con_j,
    "scpo": run_scpo,
    "self-reward": run_self_reward,
    "self-taught": run_self_taught,
    "star-rationalizer": run_star_rationalizer,
    "generative-verifier": run_generative_verifier,
    "cloud": run_cloud,
    "critic-rm": run_critic_rm,
    "paper": run_paper,
    "judge": run_judge,
    "jury": run_jury,
    "label": run_label,
    "select": run_select,
    "vote": run_vote,
    "listwise": run_listwise,
    "serve": run_serve,
    "evaluate": run_evaluate,
    "compare": run_compare,
    "suites": run_suites,
    "faithfulness": run_faithfulness,
    "scan": run_scan,
    "rerun": run_rerun,
    "push": run_push,
    "export": run_export,
    "doctor": run_doctor,
    "completion": run_completion,
}


INTERRUPT_AGAIN_SECONDS: Final = 0.05

RESERVED_BYTES: Final = 2**22
"""Of address space, not of memory: nothing is written there."""


def main() -> None:
    """Run the recipe named on the command line, and exit as `docs/cli.md` says.

    0 done, 1 stopped by a check, 2 usage or configuration, 3 input refused, 4 model or server
    unavailable, 5 store or disk, 129, 130 and 143 ended by a signal.
    """
    ended_by = [signal.SIGINT]
    try:
        _heed_signals(ended_by)
        ending = _worked()
        # Within the block: from where they are heeded to where they are not, they are caught.
        let_signals_end()
    except KeyboardInterrupt:
        # Whoever asks once more means it, and no handler is to be caught half-way through.
        let_signals_end()
        how = _HOW.get(ended_by[-1], "interrupted")
        ending = _Ending(128 + ended_by[-1], f"{how}; run the same command to go on")
    _end(ending)


class _Ending(NamedTuple):
    """How the process is to end."""

    status: int
    last_words: str = ""
    """Said on standard error."""

    at_once: bool = False
    """Leave what libraries do at an end, for which there may be no memory."""


def _worked() -> _Ending:
    """Do what the command line asks for."""
    # Given back before last words are said: where memory ran out, there may be none for them.
    reserve = bytearray(RESERVED_BYTES)
    RichConsole.on_broken_pipe = _write_nowhere
    sys.excepthook = _show_crash
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, show_level=False, show_time=False)
    # Of the handler: it gets what other libraries log, too.
    handler.addFilter(FitToShow())
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    status = None
    try:
        if is_helper():
            help_main_process()
        else:
            with leading():
                status = _run(sys.argv[1:])
            sys.stdout.flush()
    except BrokenPipeError:
        # `jurist ... | head` is no error. Left to the system, SIGPIPE would also end the process,
        # without a word, when a server hangs up in the middle of a request.
        return _Ending(0)
    except Exception as error:
        del reserve
        told = _told(error)
        if told is None:
            raise
        return _Ending(told.exit_code, str(told), at_once=is_out_of_memory(error))
    return _Ending(status or 0)


_HOW = {signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}


def let_signals_end() -> None:
    """Have signals end the process themselves: there is nothing left to be brought to an end."""
    for each in (signal.SIGINT, *_HOW):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.SIG_DFL)


def _heed_signals(ended_by: list[signal.Signals]) -> None:
    """Have signals that end a process raise what Ctrl-C raises.

    Args:
        ended_by: The signal is appended.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        # The way that Ctrl-C takes, which a running event loop knows how to unwind. A second one
        # ends the process at once.
        ended_by.append(signal.Signals(signum))
        for each in _HOW:
            if signal.getsignal(each) is end:
                signal.signal(each, signal.SIG_DFL)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # as in the background of a script, where Ctrl-C is ignored
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    for each in _HOW:
        # Under nohup a terminal that closes is to end nothing.
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, end)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `jurist.__main__`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = partial(_raise_again, sys.unraisablehook)


def _raise_again(
    others: Callable[["UnraisableHookArgs"], object], lost: "UnraisableHookArgs"
) -> None:
    """Interrupt once more, if it was in a finalizer or the callback of a weak reference.

    Python writes what is raised there and goes on: the signal would be lost.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        others(lost)
        return
    if not callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # From another thread, and not before the callback has ended.
    again = threading.Timer(INTERRUPT_AGAIN_SECONDS, _thread.interrupt_main)
    again.daemon = True
    with suppress(RuntimeError):  # the process is ending already
        again.start()


def _told(error: Exception) -> JuristError | None:
    """What is to be said of an error in one line; None of a bug."""
    if isinstance(error, JuristError):
        return error
    if isinstance(error, ImportError) and (advice := install_advice(error)) is not None:
        return ConfigError(advice)
    return refusal(error)


def _end(ending: _Ending) -> NoReturn:
    """Exit, though nobody may be there to read what is said."""
    if ending.last_words:
        with suppress(OSError):  # as when the terminal is gone
            print(f"jurist: {fit_to_show(ending.last_words)}", file=sys.stderr, flush=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _to_nowhere(stream)
    if ending.at_once:
        os._exit(ending.status)
    sys.exit(ending.status)


def _write_nowhere(self: RichConsole) -> None:
    """What rich is to do when nobody reads on: the work goes on, and ends as it would have."""
    self.quiet = True
    _to_nowhere(self.file)


def _to_nowhere(stream: IO[str]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _show_crash(
    kind: type[BaseException], error: BaseException, frames: TracebackType | None
) -> None:
    """Write a traceback as Python does, fit to be shown: people paste them into reports."""
    said = "".join(traceback.format_exception(kind, error, frames))
    print(fit_to_show(said), end="", file=sys.stderr)


def _run(arguments: list[str]) -> int | None:
    # Rich goes by these by itself; tyro, which writes help and usage, by a setting and a global.
    if os.environ.get("NO_COLOR"):
        tyro._experimental_options["ansi_codes"] = False  # pyright: ignore[reportPrivateUsage]
    elif os.environ.get("FORCE_COLOR"):
        formatting: Any = import_module("tyro._fmtlib")
        formatting._FORCE_ANSI = True
    commands = {name: with_dry_run(run) for name, run in COMMANDS.items()}
    try:
        return tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="jurist",
            description="Generative reward models that people can train, trust and serve.",
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except SystemExit as error:
        # Commands return; it is the reading of the flags that exits.
        if error.code == ConfigError.exit_code:
            for sentence in near_misses(arguments, commands):
                print(f"jurist: {sentence}", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
