"""Chat templates come with checkpoints, from strangers: a bound on how long one may take.

transformers renders them in Jinja's immutable sandbox, where they reach no attribute that could run
code. What a sandbox does not bound is time. One step of Python that has no end, such as the power
of a large number, is not bounded here either: that would take a process of its own.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Final, TypeVar

SECONDS: Final = 30.0
"""For rendering one conversation, which takes an honest template a few milliseconds."""

_Value = TypeVar("_Value")


class TooSlow(Exception):
    """It did not come to an end in time, and was ended."""


class _Ended(BaseException):
    """Raised in the midst of the work."""


def in_time(work: Callable[[], _Value], *, seconds: float = SECONDS) -> _Value:
    """Do some work in pure Python, and end it if it takes too long.

    Raises:
        TooSlow: If it does. Its thread is told to end, at its next step.
    """
    found: list[_Value] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except _Ended:
            return
        except Exception as error:  # noqa: BLE001 - raised again, in the thread that asked
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Ended)
        )
        raise TooSlow
    if raised:
        raise raised[0]
    return found[0]
