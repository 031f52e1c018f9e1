"""Connections: what goes over one, when it is used again, and whom it trusts."""

import asyncio
import ssl
from pathlib import Path

import pytest

from jurist.engines.openai import OpenAIEngine
from jurist.engines.patience import Clock, Patience
from jurist.errors import EngineError
from jurist.types import Sampling, user

CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""Of 127.0.0.1, signed by itself, with its key: made for this test."""


def ask(engine: OpenAIEngine, num_samples: int = 1) -> list[str]:
    (replies,) = engine.generate([user("Hello?")], Sampling(num_samples=num_samples))
    return [reply.text for reply in replies]


def test_a_request_is_what_a_server_expects(engine_for, loopback):
    engine, served = engine_for(lambda _: loopback.chat())
    ask(engine)
    (request,) = served.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["host"] == served.url.removeprefix("http://").removesuffix("/v1")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("jurist/")


class TestUseAgain:
    def test_a_connection_serves_one_request_after_the_other(self, engine_for, loopback):
        engine, served = engine_for(lambda _: loopback.chat(), max_concurrency=3)
        ask(engine, 30)
        assert served.num_connections == 3

    def test_one_that_the_server_ends_after_each_reply_is_made_anew(self, engine_for, loopback):
        engine, served = engine_for(
            lambda _: loopback.raw(200, loopback.chat().split(b"\r\n\r\n")[1], Connection="close"),
            max_concurrency=1,
        )
        assert ask(engine, 3) == ["Fine."] * 3
        assert served.num_connections == 3

    def test_one_that_the_server_closes_without_a_word_is_made_anew(self, engine_for, loopback):
        def closing(request):
            async def write(writer):
                writer.write(loopback.chat(f"reply {request.number}"))
                await writer.drain()
                writer.close()

            return write

        engine, served = engine_for(closing, max_concurrency=1)
        replies = ask(engine, 3)
        assert replies[0] == "reply 0" and all(replies)
        assert served.num_connections >= 3

    def test_a_reply_may_end_with_the_connection(self, engine_for, loopback):
        body = loopback.chat("whole").split(b"\r\n\r\n")[1]

        async def write(writer):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body[:20])
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(body[20:])
            writer.close()

        engine, _ = engine_for(lambda _: write)
        assert ask(engine) == ["whole"]

    @pytest.mark.fault(13, "not HTTP")
    def test_what_comes_unasked_while_nothing_is_asked_is_not_taken_for_the_next_reply(
        self, loopback
    ):
        def script(request):
            if request.number:
                return loopback.chat("asked for")

            async def write(writer):
                writer.write(loopback.reply(503, {}))
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.write(loopback.chat("forged"))

            return write

        waited: list[float] = []

        async def sleep(seconds: float) -> None:
            waited.append(seconds)
            await asyncio.sleep(0.3)

        served = loopback.serve(script)
        assert ask(OpenAIEngine(served.url, "m", clock=Clock(sleep=sleep))) == ["asked for"]
        assert served.num_connections == 2
        # The connection was known to be of no use: no attempt was made over it.
        assert len(waited) == 1

    def test_a_reply_that_came_too_late_is_not_taken_for_the_next(self, engine_for, loopback):
        def script(request):
            if request.number:
                return loopback.chat("asked for")

            async def write(writer):
                await asyncio.sleep(0.6)
                writer.write(loopback.chat("too late"))

            return write

        engine, served = engine_for(script, Patience(attempt_seconds=0.3), max_concurrency=1)
        assert ask(engine, 2) == ["asked for"] * 2
        assert served.num_connections == 2

    def test_after_a_broken_reply_its_rest_is_not_taken_for_the_next(self, engine_for, loopback):
        def script(request):
            if request.number:
                return loopback.chat("asked for")

            async def write(writer):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{")
                await writer.drain()
                await asyncio.sleep(0.5)
                writer.write(b" " * 399 + loopback.chat("forged"))

            return write

        engine, served = engine_for(script, Patience(silence_seconds=0.1), max_concurrency=1)
        assert ask(engine, 2) == ["asked for"] * 2
        assert served.num_connections == 2

    def test_one_that_is_of_no_more_use_is_closed_at_once(self, engine_for, loopback):
        closed = asyncio.Event()

        def script(request):
            async def flood(writer):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
                try:
                    while True:
                        writer.write(b" " * 2**20)
                        await writer.drain()
                except ConnectionError:
                    closed.set()

            async def answer(writer):
                for _ in range(100):
                    if not closed.is_set():
                        await asyncio.sleep(0.02)
                writer.write(loopback.chat("closed" if closed.is_set() else "open"))

            return answer if request.number else flood

        engine, _ = engine_for(script, max_concurrency=2)
        assert sorted(ask(engine, 2)) == ["", "closed"]


class TestTLS:
    @pytest.fixture
    def served(self, loopback):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        return loopback.serve(lambda _: loopback.chat("over TLS"), context)

    def test_a_server_that_the_system_trusts_is_asked(self, served, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert ask(OpenAIEngine(served.url, "m"), 3) == ["over TLS"] * 3

    @pytest.mark.fault(13, "TLS")
    def test_another_is_not(self, served, monkeypatch, waits):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(EngineError, match=r"cannot reach.*CERTIFICATE_VERIFY_FAILED"):
            ask(OpenAIEngine(served.url, "m", clock=waits.clock))
        assert served.requests == []

    @pytest.mark.fault(13, "TLS")
    def test_one_of_another_name_is_not(self, served, monkeypatch, waits):
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        url = served.url.replace("127.0.0.1", "localhost")
        with pytest.raises(EngineError, match=r"cannot reach.*CERTIFICATE_VERIFY_FAILED"):
            ask(OpenAIEngine(url, "m", clock=waits.clock))
