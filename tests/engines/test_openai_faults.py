"""Every way a server and the network before it can fail, byte by byte."""

import asyncio
import gzip
import socket
import threading
from collections.abc import Awaitable, Callable

import pytest

from jurist.engines.openai import OpenAIEngine
from jurist.engines.patience import Patience
from jurist.errors import EngineError
from jurist.types import Completion, Sampling, user

NO_ANSWER = Completion(text="", finish_reason="error")


def ask(engine: OpenAIEngine, **sampling) -> list[Completion]:
    return engine.generate([user("Hello?")], Sampling(**sampling))[0]


def seconds(status: int, **headers: str):
    """A script that fails once with a status, then answers."""

    def make(loopback):
        return lambda request: (
            loopback.reply(status, {"error": "busy"}, **headers)
            if request.number == 0
            else loopback.chat("at last")
        )

    return make


class TestRetries:
    @pytest.mark.fault(11, "429", "5xx", "408 and 409")
    @pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
    def test_what_may_pass_is_asked_again(self, engine_for, loopback, waits, status):
        engine, _ = engine_for(seconds(status)(loopback))
        assert ask(engine)[0].text == "at last"
        assert waits.seconds == [0.5]

    @pytest.mark.fault(11, "Retry-After")
    @pytest.mark.parametrize(
        ("header", "wait"),
        [
            ("7", 7.0),
            ("0", 0.0),
            ("86400", 120.0),
            ("inf", 120.0),
            ("-3", 0.0),
            ("Mon, 12 Jan 1970 13:46:52 GMT", 12.0),  # 1,000,012 seconds
            ("Mon, 12 Jan 1970 13:46:30 GMT", 0.0),
            ("nan", 0.5),
            ("soon", 0.5),
            ("", 0.5),
        ],
    )
    def test_the_server_says_when(self, engine_for, loopback, waits, header, wait):
        engine, _ = engine_for(seconds(429, Retry_After=header)(loopback))
        assert ask(engine)[0].text == "at last"
        assert waits.seconds[0] == wait
        assert waits.time == pytest.approx(wait, abs=0.05)

    @pytest.mark.fault(11, "5xx")
    def test_waits_double_and_end(self, engine_for, loopback, waits, caplog):
        engine, served = engine_for(lambda _: loopback.reply(503, {"error": "overloaded"}))
        assert ask(engine) == [NO_ANSWER]
        assert len(served.requests) == 7
        assert waits.seconds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
        assert "1 of 1 requests got no answer: 1 x HTTP 503 (overloaded)" in caplog.text

    @pytest.mark.fault(11, "Retry-After", "deadline")
    def test_no_wait_goes_beyond_the_deadline_of_the_item(self, engine_for, loopback, waits):
        script = seconds(429, Retry_After="100")(loopback)
        engine, _ = engine_for(script, Patience(item_seconds=99.0))
        assert ask(engine) == [NO_ANSWER]
        assert waits.seconds == []

    def test_a_failure_does_not_touch_its_neighbours(self, engine_for, loopback):
        def script(request):
            bad = request.body["messages"][0]["content"] == "bad"
            return loopback.reply(500, {}) if bad else loopback.chat("good")

        engine, _ = engine_for(script)
        lists = engine.generate([user("a"), user("bad"), user("b")], Sampling())
        assert [replies[0].text for replies in lists] == ["good", "", "good"]
        assert lists[1] == [NO_ANSWER]

    def test_a_server_that_only_fails_is_given_up_on(self, engine_for, loopback):
        engine, served = engine_for(
            lambda _: loopback.reply(500, {"error": "no memory"}),
            Patience(max_retries=0),
            max_concurrency=1,
        )
        with pytest.raises(EngineError, match=r"16 requests in a row.*HTTP 500 \(no memory\)"):
            ask(engine, num_samples=50)
        assert len(served.requests) == 16

    def test_one_good_answer_starts_the_count_again(self, engine_for, loopback):
        def script(request):
            good = request.body["messages"][0]["content"] in ("Item 10", "Item 25")
            return loopback.chat() if good else loopback.reply(500, {})

        engine, _ = engine_for(script, Patience(max_retries=0), max_concurrency=1)
        lists = engine.generate([user(f"Item {number}") for number in range(40)], Sampling())
        assert [number for number, (reply,) in enumerate(lists) if reply.text] == [10, 25]


def write(*parts: bytes, pause: float = 0.0, reset: bool = False) -> Callable:
    """Write parts with a pause after each, then close the connection."""

    async def writing(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if reset:
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
            )
        writer.close()

    return writing


def endless(part: bytes, *, pause: float = 0.0, size: str = "") -> Callable[..., Awaitable[None]]:
    """A body that goes on as long as anyone reads it."""

    async def writing(writer: asyncio.StreamWriter) -> None:
        length = f"Content-Length: {size}" if size else "Transfer-Encoding: chunked"
        writer.write(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        chunk = part if size else f"{len(part):x}\r\n".encode() + part + b"\r\n"
        while True:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)

    return writing


OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "closed before a word": write(),
    "closed within the headers": write(OK + b"Content-Le"),
    "not http": write(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "reset within the body": write(OK + b"Content-Length: 99\r\n\r\n{", reset=True),
    "closed within the body": write(OK + b'Content-Length: 99\r\n\r\n{"choices":'),
    "a length that is too short": write(OK + b'Content-Length: 5\r\n\r\n{"choices": []}'),
    "nonsense for a chunk": write(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    "nothing at all": write(b"", pause=9.0),
    "silence within the body": write(OK + b"Content-Length: 99\r\n\r\n{", pause=9.0),
    "a byte at a time": endless(b" ", pause=0.02),
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "a page": OK + b"Content-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
    "cut json": OK + b"Content-Length: 12\r\n\r\n" + b'{"choices": ',
    "deep json": OK + b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "a list": OK + b"Content-Length: 2\r\n\r\n[]",
    "a huge number": OK + b"Content-Length: 5000\r\n\r\n" + b"9" * 5000,
    "not utf-8": OK + b"Content-Length: 4\r\n\r\n\xff\xfe{}",
}
MALFORMED = {
    "no choices": {"error": {"message": "upstream is asleep"}},
    "empty choices": {"choices": []},
    "choices of another kind": {"choices": "many"},
    "a choice of another kind": {"choices": [None]},
    "no message": {"choices": [{"finish_reason": "stop"}]},
    "content of another kind": {"choices": [{"message": {"content": 7}}]},
    "parts of another kind": {"choices": [{"message": {"content": [7]}}]},
}


class TestFaults:
    PATIENCE = Patience(attempt_seconds=0.4, silence_seconds=0.2, max_retries=1)

    @pytest.mark.parametrize("fault", BROKEN, ids=str)
    def test_a_broken_reply_is_asked_for_again(self, engine_for, loopback, fault):
        engine, served = engine_for(
            lambda request: loopback.chat("at last") if request.number else BROKEN[fault],
            Patience(attempt_seconds=0.8, silence_seconds=0.2),
        )
        assert ask(engine)[0].text == "at last"
        assert len(served.requests) == 2

    @pytest.mark.parametrize("fault", BROKEN, ids=str)
    def test_a_reply_that_stays_broken_is_an_error_and_the_run_goes_on(
        self, engine_for, loopback, fault
    ):
        engine, _ = engine_for(lambda _: BROKEN[fault], self.PATIENCE)
        assert ask(engine) == [NO_ANSWER]

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ("silence within the body", "the reply broke off for 0.2 s"),
            ("nothing at all", "no whole reply within 0.4 s"),
            ("a byte at a time", "no whole reply within 0.4 s"),
            ("a page", "the reply is not JSON, it begins '<html></html>'"),
            ("closed before a word", "the server closed the connection without a reply"),
            ("reset within the body", "ConnectionResetError"),
            ("closed within the body", "not the HTTP that was expected"),
            ("not http", "not the HTTP that was expected"),
        ],
    )
    def test_the_log_says_what_was_wrong(self, engine_for, fault, reason, caplog):
        engine, _ = engine_for(lambda _: BROKEN[fault], self.PATIENCE)
        ask(engine)
        assert f"1 of 1 requests got no answer: 1 x {reason}" in caplog.text

    @pytest.mark.parametrize("fault", MALFORMED, ids=str)
    def test_a_reply_without_a_completion_is_an_error(self, engine_for, loopback, fault, caplog):
        engine, served = engine_for(lambda _: loopback.reply(200, MALFORMED[fault]), self.PATIENCE)
        assert ask(engine) == [NO_ANSWER]
        assert len(served.requests) == 2
        assert ("upstream is asleep" in caplog.text) == (fault == "no choices")

    @pytest.mark.fault(13, "huge body")
    @pytest.mark.parametrize(
        "script",
        [
            lambda _: endless(b" " * 2**20, size=str(2**30)),
            lambda _: endless(b" " * 2**20),
        ],
        ids=["said", "chunked"],
    )
    def test_a_gigabyte_is_not_read(self, engine_for, script, caplog):
        engine, served = engine_for(script)
        assert ask(engine) == [NO_ANSWER]
        assert len(served.requests) == 1
        assert "longer than 16777216 bytes" in caplog.text

    @pytest.mark.fault(13, "gzip bomb")
    def test_a_compressed_reply_is_not_unpacked(self, engine_for, loopback, caplog):
        bomb = gzip.compress(b" " * 2**24)
        engine, _ = engine_for(lambda _: loopback.raw(200, bomb, Content_Encoding="gzip"))
        assert ask(engine) == [NO_ANSWER]
        assert "compressed (gzip)" in caplog.text

    @pytest.mark.fault(13, "refused")
    def test_an_unreachable_server_is_told_soon(self, waits):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            engine = OpenAIEngine(url, "m", clock=waits.clock)
            with pytest.raises(EngineError, match=rf"{url}.*cannot reach.*is it running"):
                ask(engine)
        assert waits.seconds == [0.5, 1.0]

    @pytest.mark.fault(13, "refused")
    def test_one_that_was_there_and_went_before_it_answered_has_all_retries(self, waits):
        listener = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

        def refuse_and_go() -> None:
            connection, _ = listener.accept()
            with connection:
                asked = b""
                while b"Hello?" not in asked or not asked.endswith(b"}"):
                    asked += connection.recv(65536)
                listener.close()
                connection.sendall(b"HTTP/1.1 500 Dead\r\nContent-Length: 0\r\n\r\n")

        serving = threading.Thread(target=refuse_and_go)
        serving.start()
        with pytest.raises(EngineError, match="cannot reach"):
            ask(OpenAIEngine(url, "m", clock=waits.clock))
        serving.join()
        assert waits.seconds == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]

    @pytest.mark.fault(13, "no such host")
    def test_a_server_of_no_known_name_cannot_be_reached(self, waits):
        engine = OpenAIEngine("http://nowhere.invalid/v1", "m", clock=waits.clock)
        with pytest.raises(EngineError, match=r"nowhere\.invalid.*cannot reach"):
            ask(engine)

    @pytest.mark.fault(13, "TLS")
    def test_a_server_without_tls_cannot_be_reached_over_https(self, engine_for, loopback, waits):
        served = loopback.serve(lambda _: loopback.chat())
        url = served.url.replace("http:", "https:")
        engine = OpenAIEngine(url, "m", patience=Patience(connect_seconds=0.5), clock=waits.clock)
        with pytest.raises(EngineError, match="cannot reach"):
            ask(engine)
