"""A process that makes an engine and works for another process until that one ends.

Started by `jurist.engines.workers` with the number of a file descriptor, its end of the line. It is
told how to make its engine, says ("ready", fingerprint), and then for each job ("done", answers).
In between it may ask ("more", completions), and is told how many. What goes wrong it says as
("raised", exception). All the while, at work or not, it says ("alive",) now and then: whoever
waits for it would otherwise wait for ever for a process that was stopped.

Messages are pickled. Both ends are this program, on a line that no one else holds: a pair of
sockets without a name, handed down at the start. Nothing that is read from a file comes this way.
"""

import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from jurist.engines.base import Engine
from jurist.errors import EngineError, JuristError
from jurist.progress import silence
from jurist.types import Completion, StoppingRule

ALIVE_SECONDS: Final = 1.0
"""Between two words that a process is alive."""


class _Line:
    """Messages from and to the process that this one works for."""

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)
        self._inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._speaking = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._say_alive, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                self._inbox.put(self._connection.recv_bytes())
        except (EOFError, OSError):
            # Nobody is left to work for, whatever the engine is doing now.
            os._exit(0)

    def _say_alive(self) -> None:
        with suppress(OSError):  # as when nobody is left to tell
            while True:
                time.sleep(ALIVE_SECONDS)
                self.send("alive")

    def receive(self) -> Any:  # noqa: ANN401 - what the other side sent
        return pickle.loads(self._inbox.get())

    def send(self, *message: object) -> None:
        with self._speaking:
            self._connection.send(message)

    def more(self, samples: Sequence[Sequence[Completion]]) -> int:
        self.send("more", samples)
        return self.receive()


def work(line: _Line) -> None:
    """Make the engine, then do job after job."""
    try:
        engine: Engine = pickle.loads(line.receive())()
        line.send("ready", engine.fingerprint)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits
        line.send("raised", _sendable(error))
        return
    while True:
        job, group_size = line.receive()
        rule = None if group_size is None else StoppingRule(line.more, group_size)
        try:
            line.send("done", job.done_by(engine, rule))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits
            line.send("raised", _sendable(error))


def _sendable(error: Exception) -> Exception:
    """The error, if it survives the way to another process; else what can be said of it."""
    if not isinstance(error, JuristError):
        error.add_note(f"in a worker process:\n{''.join(traceback.format_exception(error))}")
    try:
        return error if type(pickle.loads(pickle.dumps(error))) is type(error) else _told(error)
    except Exception:  # noqa: BLE001 - an exception class may do anything when it is rebuilt
        return _told(error)


def _told(error: Exception) -> Exception:
    return EngineError(f"a worker failed: {type(error).__name__}: {error}")


if __name__ == "__main__":
    # Ctrl-C goes to all processes of a terminal; this one ends when the one it works for does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    silence()
    work(_Line(int(sys.argv[1])))
