"""Clients that misbehave, over real sockets: each has its answer, and nobody else notices."""

import asyncio
import gc
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from jurist.errors import DataError
from jurist.serving import ConnectionLimits, RequestLimits, Rules, make_server
from jurist.serving.connections import (
    GARBAGE_THRESHOLD,
    THREAD_TURN_SECONDS,
    TURNED_OUT_AT_ONCE,
    Door,
)
from jurist.serving.guard import AT_ONCE_BYTES, BYTES_PER_SECOND
from jurist.serving.wire import MAX_CHARACTERS, MAX_ITEMS, MAX_RESPONSES, MAX_TURNS

ONE = {"comparisons": [{"prompt": "Q", "first": "aa", "second": "b"}]}
BODY = json.dumps(ONE).encode()
HEAD = b"POST /v1/judge HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
QUICK = ConnectionLimits(head_seconds=0.4, idle_seconds=1, unread_seconds=1.0)


def longer(first: str, second: str) -> float:
    return 0.8 if len(first) > len(second) else 0.2


@pytest.fixture
def served(serve, make_stating):
    return serve(make_stating(longer))


@pytest.fixture
def hasty(serve, make_stating):
    """One that waits for nobody."""
    return serve(make_stating(longer), connections=QUICK, limits=RequestLimits(body_seconds=0.4))


@contextmanager
def connected(served) -> Iterator[socket.socket]:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    found = bytearray()
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return bytes(found)


def one_answer(connection: socket.socket) -> bytes:
    """What is said to one request, at a connection that stays."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = connection.recv(65536)
        assert part, found
        found += part
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        part = connection.recv(65536)
        assert part, found
        body += part
    return head + b"\r\n\r\n" + body


def said(answer: bytes) -> tuple[int, dict[str, str], object]:
    """Status, headers and body of one answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
    }
    return int(line.split()[1]), headers, json.loads(body[: int(headers["content-length"])])


class TestHeads:
    @pytest.mark.fault(23, "slow head")
    @pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: he", b"\r\n\r\n\r\n"])
    def test_a_head_that_does_not_end_is_not_waited_for(self, hasty, sent):
        with connected(hasty) as connection:
            connection.sendall(sent)
            status, headers, answer = said(rest(connection))
            assert status == 408 and headers["connection"] == "close"
            assert answer["error"]["type"] == "late"

    @pytest.mark.fault(23, "slow head")
    def test_of_many_that_are_late_in_one_moment_each_is_told(self, hasty):
        """More than are turned out in one turn."""
        with ExitStack() as stack:
            many = [stack.enter_context(connected(hasty)) for _ in range(3 * TURNED_OUT_AT_ONCE)]
            assert [said(rest(one))[0] for one in many] == [408] * len(many)

    def test_who_asks_between_being_late_and_being_told_is_answered(
        self, serve, make_stating, monkeypatch
    ):
        """Among thousands that are late, one may be told a while after its deadline."""
        turn_out = Door.turn_out
        monkeypatch.setattr(
            Door,
            "turn_out",
            lambda door, caller: caller.loop.call_later(0.6, turn_out, door, caller),
        )
        served = serve(make_stating(longer), connections=replace(QUICK, idle_seconds=20))
        with connected(served) as connection:
            time.sleep(QUICK.head_seconds + 0.2)
            connection.sendall(WHOLE)
            assert one_answer(connection).startswith(b"HTTP/1.1 200")
            time.sleep(0.8)
            connection.sendall(WHOLE)
            assert one_answer(connection).startswith(b"HTTP/1.1 200")

    @pytest.mark.fault(23, "slow head")
    def test_a_byte_now_and_then_buys_no_time(self, hasty):
        """Neither at the first request of a connection nor after an answer."""
        for before in (b"", WHOLE):
            with connected(hasty) as connection:
                if before:
                    connection.sendall(before)
                    assert one_answer(connection).startswith(b"HTTP/1.1 200")
                started = time.monotonic()
                with pytest.raises(OSError):
                    while time.monotonic() - started < 15:
                        connection.sendall(b"\r\n" if before else b"G")
                        time.sleep(0.05)
                assert time.monotonic() - started < 10

    def test_the_deadline_of_a_head_is_not_that_of_the_answer(self, serve, make_stating):
        judge = make_stating(longer)
        begun, answered = threading.Event(), threading.Event()

        def slow(comparisons):
            begun.set()
            assert answered.wait(20)
            return judge(comparisons)

        # To be idle is not what ends it.
        served = serve(slow, connections=replace(QUICK, idle_seconds=20))
        with connected(served) as connection:
            connection.sendall(WHOLE)
            assert begun.wait(20)
            # What may be the beginning of a second request, while the first is being answered.
            connection.sendall(b"\r\n")
            time.sleep(2 * QUICK.head_seconds)
            answered.set()
            assert one_answer(connection).startswith(b"HTTP/1.1 200")
            assert said(rest(connection))[0] == 408

    def test_a_head_that_is_too_long_is_refused(self, hasty):
        with connected(hasty) as connection:
            for _ in range(100):
                try:
                    connection.sendall(
                        b"GET / HTTP/1.1\r\n" if _ == 0 else b"X-%d: " % _ + b"a" * 1000 + b"\r\n"
                    )
                except OSError:
                    break
            assert said(rest(connection))[0] == 431

    @pytest.mark.parametrize("sent", [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"])
    def test_what_is_not_http_is_refused(self, hasty, sent):
        with connected(hasty) as connection:
            connection.sendall(sent)
            status, _, answer = said(rest(connection))
            assert status in (400, 408) and answer["error"]["type"] in ("not_http", "late")

    def test_a_connection_that_asks_for_nothing_more_is_closed(self, hasty):
        with connected(hasty) as connection:
            connection.sendall(WHOLE)
            status, _, answer = said(rest(connection))
            assert status == 200 and answer["results"][0]["verdict"] == "first"

    def test_refusals_before_a_request_are_counted(self, served):
        with connected(served) as connection:
            connection.sendall(b"hello\r\n\r\n")
            rest(connection)
        page = served.send("GET", "/metrics")[1]
        assert 'jurist_requests_total{path="none",status="400"} 1.0' in page

    def test_headers_after_a_body_are_let_go_by(self, served):
        with connected(served) as connection:
            trailers = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(200))
            connection.sendall(
                HEAD
                + b"Transfer-Encoding: chunked\r\n\r\n"
                + b"%x\r\n" % len(BODY)
                + BODY
                + b"\r\n0\r\n"
                + trailers
                + b"\r\n"
            )
            assert said(one_answer(connection))[0] == 200

    def test_a_websocket_is_not_opened(self, served):
        with connected(served) as connection:
            connection.sendall(
                b"GET /v1/judge HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert one_answer(connection).startswith(b"HTTP/1.1 200")  # as the GET that it is


class TestConnections:
    def test_requests_in_a_row_are_answered_in_order(self, hasty):
        with connected(hasty) as connection:
            connection.sendall(WHOLE * 3)
            found = rest(connection)
            assert found.count(b"HTTP/1.1 200") == 3

    def test_a_flood_of_requests_in_a_row_is_hung_up_on(self, served):
        with connected(served) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n" * 3000)
            assert rest(connection).count(b"HTTP/1.1 200") < 3000
        assert served.send("GET", "/healthz")[0] == 200

    @pytest.mark.fault(23, "idle sockets")
    def test_room_is_made_by_who_has_waited_longest(self, serve, make_stating):
        limits = ConnectionLimits(max_connections=8, head_seconds=60)
        served = serve(make_stating(longer), connections=limits)
        with connected(served) as first, connected(served) as at_work:
            at_work.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY))
            time.sleep(0.2)
            others = [connected(served) for _ in range(20)]
            held = [each.__enter__() for each in others]
            try:
                assert served.post("/v1/judge", ONE)[0] == 200
                assert first.recv(100) == b""
                # Whoever is at a request is not among them.
                at_work.sendall(BODY)
                assert one_answer(at_work).startswith(b"HTTP/1.1 200")
                assert held[-1].send(b"G") == 1
            finally:
                for each in others:
                    each.__exit__(None, None, None)

    def test_who_has_asked_twice_is_at_work_until_both_are_answered(self, serve, make_stating):
        door = threading.Semaphore(0)
        judge = make_stating(longer)

        def slow(comparisons):
            assert door.acquire(timeout=30)
            return judge(comparisons)

        served = serve(slow, connections=ConnectionLimits(max_connections=2, head_seconds=60))
        other = BODY.replace(b"aa", b"xx")
        with connected(served) as at_work:
            at_work.sendall(WHOLE + HEAD + b"Content-Length: %d\r\n\r\n" % len(other) + other)
            door.release()
            assert one_answer(at_work).startswith(b"HTTP/1.1 200")
            with connected(served) as second, connected(served) as third:
                # One of these two has to go.
                assert second.recv(100) == b""
                door.release()
                assert one_answer(at_work).startswith(b"HTTP/1.1 200")
                third.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
                assert one_answer(third).startswith(b"HTTP/1.1 200")

    @pytest.mark.parametrize("more", [b"", WHOLE], ids=["and waits", "and asks for more"])
    def test_who_does_not_read_is_hung_up_on(self, serve, more):
        """The answer is longer than what sockets hold between them."""
        from jurist.types import Judgement, Verdict

        def wordy(comparisons):
            text = "word " * 200_000
            return [[Judgement(text=text, outcome=Verdict.FIRST)] * 20 for _ in comparisons]

        served = serve(wordy, connections=QUICK)
        asked = json.dumps({**ONE, "readings": True}).encode()
        with connected(served) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(asked) + asked)
            # The answer has begun, so that the server waits for it to be read.
            assert connection.recv(1) == b"H"
            time.sleep(0.3)
            connection.sendall(more)
            time.sleep(2.7)
            assert len(rest(connection)) < 20 * 1_000_000
        assert served.send("GET", "/healthz")[0] == 200


class TestBodies:
    @pytest.mark.fault(23, "slow body")
    @pytest.mark.parametrize("sent", [b"", BODY[:10]])
    def test_a_body_that_does_not_end_is_not_waited_for(self, hasty, sent):
        with connected(hasty) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + sent)
            status, headers, answer = said(rest(connection))
            assert status == 408 and answer["error"]["type"] == "late"
            assert len(headers["x-request-id"]) == 16

    @pytest.mark.fault(23, "slow body")
    def test_of_many_that_are_late_in_one_moment_each_is_told(self, hasty):
        with ExitStack() as stack:
            many = [stack.enter_context(connected(hasty)) for _ in range(20)]
            for one in many:
                one.sendall(HEAD + b"Content-Length: 100\r\n\r\n")
            assert [said(rest(one))[0] for one in many] == [408] * 20

    @pytest.mark.fault(23, "long body")
    def test_200_mb_are_refused_by_their_length_and_not_read(self, served):
        with connected(served) as connection:
            connection.sendall(HEAD + b"Content-Length: 200000000\r\n\r\n")
            assert said(one_answer(connection))[0] == 413

    @pytest.mark.fault(23, "long body")
    def test_200_mb_of_no_stated_length_are_cut_off(self, served):
        with connected(served) as connection:
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            sent = 0
            chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
            with pytest.raises(OSError):
                while sent < 200 * 2**20:
                    connection.sendall(chunk)
                    sent += 2**20
            assert sent < 64 * 2**20
        assert served.send("GET", "/healthz")[0] == 200

    @pytest.mark.fault(23, "long body")
    def test_long_bodies_share_one_pace(self, served):
        """However many senders pump, they take no more of the processor between them."""
        body = BODY + b" " * 3 * 2**20

        def timed(_: object) -> None:
            with connected(served) as connection:
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                assert one_answer(connection).startswith(b"HTTP/1.1 200")

        started = time.monotonic()
        with ThreadPoolExecutor(6) as senders:
            list(senders.map(timed, range(6)))
        paced = 6 * (len(body) - AT_ONCE_BYTES) / BYTES_PER_SECOND
        assert time.monotonic() - started > 0.9 * paced

    def test_bodies_of_all_requests_together_have_a_bound(self, serve, make_stating):
        limits = RequestLimits(max_held_bytes=1000, body_seconds=5)
        served = serve(make_stating(longer), limits=limits)
        with connected(served) as holding:
            holding.sendall(HEAD + b"Content-Length: 950\r\n\r\n" + b" " * 940)
            time.sleep(0.3)
            status, answer, headers = served.send("POST", "/v1/judge", ONE)
            assert status == 429 and answer["error"]["type"] == "crowded"
            assert {name.lower(): value for name, value in headers.items()}["retry-after"] == "1"
        for _ in range(100):
            if served.post("/v1/judge", ONE)[0] == 200:
                break
            time.sleep(0.05)
        assert served.post("/v1/judge", ONE)[0] == 200

    @pytest.mark.fault(23, "not JSON", "deep JSON")
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"", "body: Field required"),
            (b"{", "the body:1: expected JSON"),
            (b"[" * 10_000, "nested"),
            (b'{"a":' * 10_000, "nested"),
            (b"[" * 100_000, "more than 20,000 values"),
            (b"[" + b"[]," * 30_000 + b"1]", "more than 20,000 values"),
            (b'{"comparisons": NaN}', "NaN"),
            (b'{"comparisons": [-Infinity]}', "Infinity"),
            (b'{"comparisons": [], "comparisons": []}', "comparisons"),
            (b'{"\\ud800": [], "\\ud800": []}', "found twice: \\ud800"),
            (b'{"%s": 1, "%s": 1}' % (b"k" * 10_000, b"k" * 10_000), "k..., at column 10009"),
            (b'{"comparisons": ' + b"9" * 5000 + b"}", "digits"),
            (b'{"comparisons": "\xff"}', "UTF-8"),
            (b'{"comparisons": [{"prompt": "\\ud800", "first": "a", "second": "b"}]}', "surrogate"),
            (b'{"comparisons": []} {}', "the body:1: expected"),
            (b"[1, 2]", "expected a JSON object, found list"),
            (b"null", "expected a JSON object, found null"),
            (b"\x00", "the body:1: expected JSON"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_is_not_json_or_says_more_than_one_thing_is_refused(
        self, served, body, expected, figure
    ):
        with connected(served) as connection:
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            status, _, answer = said(one_answer(connection))
            assert status in (400, 422)
            assert expected.casefold() in answer["error"]["message"].casefold(), answer
            assert len(json.dumps(answer)) < 1000
        figure("malformed_inputs", 1)

    @pytest.mark.fault(23, "bad field", "too many")
    @pytest.mark.parametrize(
        ("path", "asked", "field"),
        [
            ("/v1/judge", {"comparisons": ONE["comparisons"] * (MAX_ITEMS + 1)}, "comparisons"),
            (
                "/v1/judge",
                {
                    "comparisons": [
                        {"prompt": "Q", "first": "a" * (MAX_CHARACTERS + 1), "second": "b"}
                    ]
                },
                "comparisons[0].first",
            ),
            (
                "/v1/judge",
                {"comparisons": [{"prompt": "Q", "first": 1, "second": "b"}]},
                "comparisons[0].first",
            ),
            (
                "/v1/judge",
                {"comparisons": [{"prompt": "", "first": "a", "second": "b"}]},
                "comparisons[0].prompt",
            ),
            ("/v1/judge", {**ONE, "readings": 1}, "readings"),
            ("/v1/judge", {**ONE, "url": "http://127.0.0.1:1/"}, "url"),
            ("/v1/select", {"prompt": "Q", "responses": ["a"] * (MAX_RESPONSES + 1)}, "responses"),
            (
                "/v1/select",
                {
                    "prompt": [{"role": "user", "content": "Q"}] * (MAX_TURNS + 1),
                    "responses": ["a", "b"],
                },
                "prompt",
            ),
            (
                "/v1/select",
                {"prompt": [{"role": "judge", "content": "Q"}], "responses": ["a", "b"]},
                "prompt",
            ),
            (
                "/v1/rewards",
                {"items": [{"prompt": "Q", "response": "a", "group": "g" * 201}]},
                "items[0].group",
            ),
            ("/get_reward", {"query": ["Qa"] * (MAX_ITEMS + 1), "prompts": ["Q"]}, "query"),
            ("/get_reward", {"query": ["Qa"], "prompts": ["Q"] * (MAX_ITEMS + 1)}, "prompts"),
            ("/slime", {"prompt": "Q", "response": ["a"]}, "response"),
            ("/compare", {"conversation_history": [], "response_objs": []}, "conversation_history"),
            (
                "/compare",
                {
                    "conversation_history": [{"role": "user", "content": "Q"}],
                    "response_objs": [{"output": [3]}],
                },
                "response_objs[0]",
            ),
            ("/v1/rerank", {"query": "Q", "documents": ["a", "b"], "top_n": False}, "top_n"),
            ("/v1/score", {"queries": "Q", "documents": ["a"] * (MAX_ITEMS + 1)}, "documents"),
            ("/classify", {"messages": [{"role": "user", "content": "Q"}]}, "messages"),
            (
                "/v1/systemone",
                {"state": "Q", "questions": {"v": {"type": "choice", "criteria": {"a": "x"}}}},
                "questions.v.criteria",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_wrong_is_said_by_its_field(self, served, path, asked, field, figure):
        status, answer = served.post(path, asked)
        assert status == 422, answer
        assert field in answer["error"]["message"], answer
        assert len(json.dumps(answer)) < 3000
        figure("malformed_inputs", 1)

    def test_a_text_may_hold_any_number_of_brackets_and_commas(self, served):
        text = ",{[]}" * 30_000
        asked = {"comparisons": [{"prompt": "Q", "first": text, "second": "b"}]}
        assert served.post("/v1/judge", asked)[0] == 200

    def test_nothing_of_a_request_is_said_back(self, served):
        canary = "canary-4711"
        for asked in (
            {"comparisons": [{"prompt": canary, "first": canary, "second": 3}]},
            {"comparisons": canary},
            {"comparisons": [{"prompt": "Q", "first": [canary], "second": canary}]},
        ):
            status, answer = served.post("/v1/judge", asked)
            assert status == 422 and canary not in json.dumps(answer)

    def test_a_strange_field_name_cannot_write_on_a_terminal(self, served):
        status, answer = served.post("/v1/judge", {**ONE, "\x1b[31m\u202e" + "x" * 500: 1})
        assert status == 422
        assert "\x1b" not in answer["error"]["message"] and len(answer["error"]["message"]) < 200


class TestAnswers:
    @pytest.mark.fault(23, "disconnect")
    def test_who_hangs_up_is_not_judged_for(self, serve, make_stating):
        door, begun = threading.Event(), threading.Event()
        judge = make_stating(longer)

        def slow(comparisons):
            begun.set()
            assert door.wait(30)
            return judge(comparisons)

        served = serve(slow, rules=Rules(max_batch=1))
        with ThreadPoolExecutor(1) as thread:
            first = thread.submit(served.post, "/v1/judge", ONE)
            assert begun.wait(30)
            with connected(served) as connection:
                other = BODY.replace(b"aa", b"xx")
                connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(other) + other)
                while served.service._compare.num_waiting < 1:
                    time.sleep(0.005)
            page = ""
            for _ in range(400):
                page = served.send("GET", "/metrics")[1]
                if 'status="499"' in page:
                    break
                time.sleep(0.01)
            assert 'jurist_requests_total{path="/v1/judge",status="499"} 1.0' in page
            door.set()
            assert first.result()[0] == 200
        assert served.post("/v1/judge", ONE)[0] == 200
        assert {one.first for one in judge.asked} == {"aa"}

    def test_an_answer_has_its_deadline(self, serve, make_stating):
        door = threading.Event()
        judge = make_stating(longer)

        def slow(comparisons):
            assert door.wait(30)
            return judge(comparisons)

        served = serve(slow, limits=RequestLimits(request_seconds=0.5))
        status, answer, headers = served.send("POST", "/v1/judge", ONE)
        assert status == 503 and answer["error"]["type"] == "late"
        assert {name.lower(): value for name, value in headers.items()}["retry-after"] == "1"
        door.set()
        assert served.post("/v1/judge", ONE)[0] == 200

    def test_a_fault_of_ours_is_said_by_a_number_and_not_in_its_words(self, serve, caplog):
        def broken(comparisons):
            if comparisons[0].first == "aa":
                raise RuntimeError("canary-4711")
            raise DataError("not these")

        served = serve(broken)
        status, answer, headers = served.send("POST", "/v1/judge", ONE)
        number = {name.lower(): value for name, value in headers.items()}["x-request-id"]
        assert status == 500 and number in answer["error"]["message"]
        assert "canary-4711" not in json.dumps(answer) and "Traceback" not in json.dumps(answer)
        assert number in caplog.text
        # The traceback goes the way of all that is logged, and not past what takes out keys.
        # It comes after the answer.
        for _ in range(1000):
            crashes = [record for record in caplog.records if record.name == "uvicorn.error"]
            if crashes:
                break
            time.sleep(0.01)
        assert [str(record.exc_info[1]) for record in crashes] == ["canary-4711"]
        assert (
            served.post(
                "/v1/judge", {"comparisons": [{"prompt": "Q", "first": "a", "second": "b"}]}
            )[0]
            == 422
        )

    def test_every_answer_has_a_number_of_its_own(self, served):
        found = [
            served.send("GET", path)[2]["x-request-id"]
            for path in ("/healthz", "/nowhere", "/v1/judge")
        ]
        assert len(set(found)) == 3

    def test_a_wrong_method_is_told_the_right_ones(self, served):
        status, answer, headers = served.send("DELETE", "/v1/judge")
        assert status == 405 and headers["allow"] == "GET, POST"
        assert answer["error"]["type"] == "no_such_method"


def test_while_a_server_listens_collections_are_rare_and_turns_short():
    async def app(scope: object, receive: object, send: object) -> None:
        """Answers nothing: nobody asks."""

    async def main() -> None:
        servers = [make_server(app), make_server(app)]
        for server in servers:
            server.config.load()
            server.lifespan = server.config.lifespan_class(server.config)
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in servers]
        for server, listener in zip(servers, listeners, strict=True):
            await server.startup([listener])
            assert gc.get_threshold() == GARBAGE_THRESHOLD and gc.get_freeze_count() > 10_000
            assert sys.getswitchinterval() == pytest.approx(THREAD_TURN_SECONDS)
        for server, listener in zip(servers, listeners, strict=True):
            assert gc.get_threshold() == GARBAGE_THRESHOLD
            await server.shutdown([listener])

    before, turns = gc.get_threshold(), sys.getswitchinterval()
    asyncio.run(main())
    assert gc.get_threshold() == before and gc.get_freeze_count() == 0
    assert sys.getswitchinterval() == turns
