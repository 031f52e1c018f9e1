"""Command line: one subcommand per recipe, its flags read off its config. No logic here."""

import logging
import os
import signal
import sys
import traceback
from importlib import import_module
from types import FrameType, TracebackType
from typing import Any

import tyro
from rich.logging import RichHandler

from jurist.errors import ConfigError, JuristError
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
from jurist.recipes.rerun import run_rerun
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
    "rerun": run_rerun,
    "push": run_push,
    "export": run_export,
    "doctor": run_doctor,
    "completion": run_completion,
}


def main() -> None:
    """Run the recipe named on the command line, and exit as `docs/cli.md` says.

    0 done, 1 stopped by a check, 2 usage or configuration, 3 input refused, 4 model or server
    unavailable, 5 store or disk, 130 and 143 interrupted.
    """
    terminated = False

    def terminate(signum: int, frame: FrameType | None) -> None:
        # The way that Ctrl-C takes, which a running event loop knows how to unwind. A second one
        # ends the process at once.
        nonlocal terminated
        terminated = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # as in the background of a script, where Ctrl-C is ignored
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)

    signal.signal(signal.SIGTERM, terminate)
    sys.excepthook = _show_crash
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, show_level=False, show_time=False)
    # Of the handler: it gets what other libraries log, too.
    handler.addFilter(FitToShow())
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    try:
        if is_helper():
            help_main_process()
            return
        with leading():
            status = _run(sys.argv[1:])
    except JuristError as error:
        print(f"jurist: {fit_to_show(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ImportError as error:
        advice = install_advice(error)
        if advice is None:
            raise
        print(f"jurist: {advice}", file=sys.stderr)
        sys.exit(ConfigError.exit_code)
    except BrokenPipeError:
        # `jurist ... | head` is no error. Left to the system, SIGPIPE would also end the process,
        # without a word, when a server hangs up in the middle of a request.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        how = "terminated" if terminated else "interrupted"
        print(f"jurist: {how}; run the same command to go on", file=sys.stderr)
        sys.exit(143 if terminated else 130)
    sys.exit(status or 0)


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
