"""A server to attack, in a process of its own: its judge takes 10 ms for whatever it is asked.

    python attacked_server.py HEAD_SECONDS

The port that it listens at is printed.
"""

import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from jurist.serving import (
    About,
    ConnectionLimits,
    RequestLimits,
    Service,
    make_app,
    make_server,
    raise_open_files,
)
from jurist.types import Comparison, Judgement, Verdict

SERVICE_SECONDS = 0.01


def judge(comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
    """Say that the longer response is better."""
    time.sleep(SERVICE_SECONDS)
    return [
        [
            Judgement(
                text="", outcome=Verdict.FIRST if len(one.first) > len(one.second) else Verdict.TIE
            )
        ]
        for one in comparisons
    ]


def main() -> None:
    """Serve until terminated."""
    with ExitStack() as stack:
        about = About(model="x", fingerprint="", kind="rule", format="", votes=1, version="")
        service = Service(judge, about=about, executor=stack.enter_context(ThreadPoolExecutor(1)))
        held = raise_open_files(ConnectionLimits().max_connections)
        server = make_server(
            make_app(service, limits=RequestLimits(body_seconds=2.0)),
            limits=ConnectionLimits(max_connections=held, head_seconds=float(sys.argv[1])),
        )
        address = ("127.0.0.1", 0)
        listener = stack.enter_context(socket.create_server(address, backlog=2048))
        print(listener.getsockname()[1], flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
