"""A server with a judge that answers at once, or with the base that ships.

    python -m benchmarks.serving_process instant|tiny MAX_BATCH

Its port is printed on standard output once it is up.
"""

import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from benchmarks.serving import READY
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.loaded import LoadedJudge
from jurist.recipes.serve import ServeConfig, service_of
from jurist.serving import About, Rules, Service, make_app, make_server
from jurist.types import Comparison, Judgement, Verdict
from jurist.worlds import BASE


def instant(comparisons: Sequence[Comparison]) -> list[list[Judgement]]:
    """Say at once that the longer response is better."""
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
    judge, max_batch = sys.argv[1], int(sys.argv[2])
    with ExitStack() as stack:
        if judge == "instant":
            about = About(
                model="instant", fingerprint="", kind="rule", format="", votes=1, version=""
            )
            executor = stack.enter_context(ThreadPoolExecutor(1))
            rules = Rules(max_batch=max_batch)
            service = Service(instant, about=about, executor=executor, rules=rules)
        else:
            asked = JudgeConfig(model=str(BASE), voting=VotingConfig(votes=2, max_tokens=64))
            config = ServeConfig(judge=asked, max_batch=max_batch)
            service = service_of(config, stack.enter_context(LoadedJudge(asked)))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2048))
        print(f"{READY}{listener.getsockname()[1]}", flush=True)
        make_server(make_app(service)).run(sockets=[listener])


if __name__ == "__main__":
    main()
