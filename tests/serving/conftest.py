"""A real server on loopback, around a judge of a test."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from jurist.serving import About, ConnectionLimits, Rules, Service, make_app, make_server

collect_ignore = ["attacked_server.py", "attacker.py"]

ABOUT = About(model="tiny", fingerprint="f00d", kind="rule", format="", votes=1, version="0")


@dataclass(frozen=True)
class Served:
    """A server that is up."""

    url: str
    service: Service

    def send(
        self, method: str, path: str, content: object = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, body (JSON, or a text) and headers of the answer."""
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(
            self.url + path,
            data=body,
            method=method,
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                status, raw, found = reply.status, reply.read(), dict(reply.headers)
        except urllib.error.HTTPError as error:
            status, raw, found = error.code, error.read(), dict(error.headers)
        try:
            return status, json.loads(raw), found
        except ValueError:
            return status, raw.decode(), found

    def post(self, path: str, content: object, **headers: str) -> tuple[int, Any]:
        """Status and body of the answer to a POST."""
        return self.send("POST", path, content, **headers)[:2]


@pytest.fixture
def serve() -> Generator[Any]:
    """Starts a server around a judge; any number of them in a test."""
    with ExitStack() as stack:

        def start(
            judge: Any,
            *,
            scorer: Any = None,
            references: Any = None,
            rules: Rules | None = None,
            about: About = ABOUT,
            num_possible: int | None = None,
            executor: Any = None,
            connections: ConnectionLimits | None = None,
            **app: Any,
        ) -> Served:
            thread = executor or stack.enter_context(ThreadPoolExecutor(1))
            service = Service(
                judge,
                about=about,
                executor=thread,
                scorer=scorer,
                references=references,
                rules=rules,
                num_possible=num_possible,
            )
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
            server = make_server(
                make_app(service, **app), limits=connections, refused=service.metrics.refused
            )
            running = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            running.start()

            def stop() -> None:
                server.should_exit = True
                running.join(30)
                assert not running.is_alive()

            stack.callback(stop)
            return Served(f"http://127.0.0.1:{listener.getsockname()[1]}", service)

        yield start
