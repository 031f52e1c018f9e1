"""A recipe under `accelerate launch`: the main process runs it, the others help it train.

Only one process reads, samples, judges and writes, as if it were alone; nothing of a recipe can
happen twice. The others wait, however long that takes, for what is to be trained, and then train it
together with the main one. Without a launcher there is nobody to wait for.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ParamSpec

from jurist.errors import JuristError
from jurist.rehearsal import begin_work

P = ParamSpec("P")

GRACE_SECONDS = 10.0
"""How long a helper keeps an error to itself that the main process will report as well: what
launched them ends all as soon as one fails, and only the main one's word is for people."""


@dataclass(slots=True)
class _Helpers:
    group: Any
    """Over which they are told what to do. Waiting in it has no end."""

    training: bool = False
    """Whether they are at work, and so do not listen."""

    def tell(self, order: object) -> None:
        import torch.distributed

        torch.distributed.broadcast_object_list([order], src=0, group=self.group)


_helpers: _Helpers | None = None


def is_launched() -> bool:
    """Whether this process is one of several that a launcher started together."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_helper() -> bool:
    """Whether another process runs the recipe, and this one is there to help it train."""
    return is_launched() and os.environ["RANK"] != "0"


@contextmanager
def leading() -> Generator[None]:
    """Run a recipe in the block, as the main process; the helpers are let go when it ends.

    Raises:
        ConfigError: If the launcher asks for something that trainings here do not do.
    """
    global _helpers
    if not is_launched():
        yield
        return
    _helpers = _Helpers(_meet())
    try:
        yield
    finally:
        # In the middle of a training they do not listen: they fail as this process did, or what
        # launched them ends them.
        if not _helpers.training:
            # Helpers that were terminated with this process are gone already.
            with suppress(RuntimeError):
                _helpers.tell(None)
            _part()
        _helpers = None


def in_all_processes(function: Callable[P, None], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a training function in the main process and in its helpers, with the same arguments."""
    begin_work()
    if _helpers is not None:
        _helpers.tell((function, args, kwargs))
        _helpers.training = True
    function(*args, **kwargs)
    if _helpers is not None:
        _helpers.training = False


def help_main_process() -> None:
    """Train what the main process asks for, until it ends.

    Raises:
        JuristError: If a training fails in this process.
    """
    import torch.distributed

    # Waiting is not Python's, and would not hear of a signal that Python is to handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    logging.getLogger("jurist").setLevel(logging.WARNING)
    group = _meet()
    while True:
        orders: list[Any] = [None]
        try:
            torch.distributed.broadcast_object_list(orders, src=0, group=group)
        except RuntimeError:
            sys.exit("jurist: the main process has ended without a word")
        if orders[0] is None:
            _part()
            return
        function, args, kwargs = orders[0]
        try:
            function(*args, **kwargs)
        except JuristError:
            time.sleep(GRACE_SECONDS)
            raise


def _meet() -> Any:  # noqa: ANN401 - torch need not be there to read this
    """Join the processes of this launch. Returns the group over which helpers get their orders."""
    import torch.distributed

    from jurist.training.processes import make_accelerator

    make_accelerator()
    # A group of its own: sampling may take longer than a training is to wait for a process.
    return torch.distributed.new_group(backend="gloo", timeout=timedelta(days=365))


def _part() -> None:
    import torch.distributed

    torch.distributed.destroy_process_group()
