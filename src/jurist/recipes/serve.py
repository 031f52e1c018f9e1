"""Serve a judge over HTTP, in the shapes that training and evaluation stacks ask in.

jurist serve --model runs/star-dpo
"""

import importlib.util
import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import jurist
from jurist.data.stack_texts import StackTexts
from jurist.errors import ConfigError
from jurist.extras import refuse_unfit
from jurist.recipes.guidelines import read_references
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.loaded import LoadedJudge
from jurist.rehearsal import begin_work
from jurist.showing import Console
from jurist.types import Conversation

if TYPE_CHECKING:
    from jurist.serving import Service

KEY_NAME = "JURIST_API_KEY"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeConfig:
    """A server and its judge. The key that callers must show is read from JURIST_API_KEY."""

    judge: JudgeConfig

    host: str = "127.0.0.1"
    """Address to listen at. Beyond this machine only with a key."""

    port: int = 8090
    """0: one that is free; it is printed."""

    store: Path | None = None
    """SQLite file that keeps completions, so that a server that is started again answers the same,
    and at once. None: they are kept while the server runs."""

    against: str = ""
    """JSON Lines file of a "prompt" and its "reference" response on each line: single responses to
    these prompts are held against them. Of a judge of pairs, others wait for a cohort."""

    labels: Literal["ignored", "references"] = "ignored"
    """What the labels are that OpenRLHF and slime send: nothing to this judge, or responses to hold
    against."""

    cohort_size: int | None = None
    """Responses to one prompt that come one by one and are compared with each other, such as
    samples of each prompt in GRPO. None: as many as come within the window."""

    window_seconds: float = 5.0
    """How long a response waits for others to its prompt. One that stays alone has no reward."""

    num_opponents: int | None = None
    """Others that each response of a cohort is compared with, at most. None: all."""

    response_starts: str = ""
    """What stands right before a response in texts that hold a prompt too, as /classify gets."""

    end_texts: tuple[str, ...] = ()
    """Taken off the end of responses, such as `<|im_end|>`, which decoded tokens leave."""

    max_batch: int = 256
    """Comparisons in one call of the judge, at most."""

    max_waiting: int = 10_000
    """Comparisons that may wait; more are answered with 429."""

    max_body_mib: float = 4.0
    """Longest body of a request."""

    max_connections: int = 4096
    """Connections held at once. More are let in by closing those that have waited longest without a
    request."""

    body_seconds: float = 30.0
    """For the body of a request to come to its end."""

    request_seconds: float = 600.0
    """For a request to be answered, all in all. A judge that takes longer needs more."""

    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.port < 2**16:
            raise ConfigError(f"--port must be from 0 to 65535, got {self.port}")
        if self.cohort_size is not None and self.cohort_size < 2:
            raise ConfigError(
                f"--cohort-size must be at least 2, or nobody is compared; got {self.cohort_size}"
            )
        if self.num_opponents is not None and self.num_opponents < 2:
            raise ConfigError(f"--num-opponents must be at least 2, got {self.num_opponents}")
        for flag, value in (
            ("window-seconds", self.window_seconds),
            ("max-batch", self.max_batch),
            ("max-waiting", self.max_waiting),
            ("max-body-mib", self.max_body_mib),
            ("max-connections", self.max_connections),
            ("body-seconds", self.body_seconds),
            ("request-seconds", self.request_seconds),
        ):
            if not 0 < value < float("inf"):
                raise ConfigError(f"--{flag} must be positive and finite, got {value}")
        if "" in self.end_texts:
            raise ConfigError("--end-texts names an empty text, which every response ends in")


def run_serve(config: ServeConfig) -> int:
    """Serve a judge over HTTP until interrupted."""
    key = os.environ.get(KEY_NAME, "")
    if not key and not _is_loopback(config.host):
        raise ConfigError(
            f"--host {config.host} can be reached from other machines: set {KEY_NAME} to a key "
            f"that callers must show, or listen at 127.0.0.1"
        )
    if missing := [
        name
        for name in ("fastapi", "uvicorn", "httptools", "prometheus_client")
        if importlib.util.find_spec(name) is None
    ]:
        raise ConfigError(
            f"serving needs {', '.join(missing)}, of an extra: pip install 'jurist[serve]'"
        )
    refuse_unfit("serve")
    against = read_references(config.against) if config.against else {}
    begin_work()
    from jurist.serving import (
        ConnectionLimits,
        RequestLimits,
        make_app,
        make_server,
        raise_open_files,
    )

    texts = StackTexts(end_texts=config.end_texts, response_starts=config.response_starts)
    with (
        _listening(config) as listener,
        LoadedJudge(config.judge, seed=config.seed, store=config.store) as judge,
    ):
        service = service_of(config, judge, against=against)
        app = make_app(
            service,
            texts=texts,
            labels=config.labels,
            key=key,
            limits=RequestLimits(
                max_body_bytes=int(config.max_body_mib * 2**20),
                body_seconds=config.body_seconds,
                request_seconds=config.request_seconds,
            ),
        )
        held = raise_open_files(config.max_connections)
        limits = ConnectionLimits(max_connections=held)
        server = make_server(app, limits=limits, refused=service.metrics.refused)
        host, port = listener.getsockname()[:2]
        where = f"[{host}]" if ":" in host else host
        Console(stderr=True).print(
            f"serving {config.judge.model} at http://{where}:{port} (GET /openapi.json lists the "
            f"routes)",
            markup=False,
            soft_wrap=True,
        )
        if held < config.max_connections:
            Console(stderr=True).print(
                f"the system allows {held} connections at once, not the {config.max_connections} "
                f"of --max-connections: `ulimit -n` says how many files may be open",
                markup=False,
                soft_wrap=True,
            )
        server.run(sockets=[listener])
    return 0


def service_of(
    config: ServeConfig, judge: LoadedJudge, *, against: Mapping[Conversation, str] | None = None
) -> "Service":
    """The judge as a server asks it."""
    from jurist.serving import About, Rules, Service

    opened, identity = judge.opened, judge.identity
    if opened.whole_sets:
        raise ConfigError(
            "--mean-votes is a budget that is shared out over a whole set, and a server gets its "
            "comparisons one by one; use --stop-at"
        )
    return Service(
        opened.judge,
        about=About(
            model=config.judge.model,
            fingerprint=identity.fingerprint,
            kind=opened.kind,
            format=opened.format,
            votes=opened.votes,
            version=jurist.__version__,
        ),
        executor=judge.thread,
        scorer=opened.scorer,
        references=against,
        rules=Rules(
            window_seconds=config.window_seconds,
            cohort_size=config.cohort_size,
            num_opponents=config.num_opponents,
            seed=config.seed,
            max_batch=config.max_batch,
            max_waiting=config.max_waiting,
        ),
        num_possible=opened.num_possible,
    )


def _listening(config: ServeConfig) -> socket.socket:
    """A socket that listens, before anything is loaded: a port that is taken is said at once."""
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"cannot listen at {config.host} port {config.port}: {error}; give another --port, or "
            f"0 for one that is free"
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
