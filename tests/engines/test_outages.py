"""A server that is busy, broken or away for a while: what it is spared, and what becomes of a run.

Ten minutes of outage pass at once, by a clock of the test's; one test has them pass by itself.
"""

import asyncio
import json
import socket
import threading
import time
from collections import Counter

import pytest

from jurist.engines.cached import Cached
from jurist.engines.openai import OpenAIEngine
from jurist.engines.patience import Patience
from jurist.errors import EngineError, OutageError
from jurist.types import Sampling, user


def asked(num: int) -> list:
    return [user(f"Item {number}.") for number in range(num)]


def item(request) -> int:
    return int(request.body["messages"][0]["content"].split()[1][:-1])


def answers(lists) -> list[str]:
    return [reply.text for (reply,) in lists]


def closing():
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.close()

    return write


class TestBudget:
    @pytest.mark.fault(11, "retry budget")
    def test_a_server_that_fails_now_and_then_is_asked_a_tenth_more_and_a_few(
        self, engine_for, loopback, figure, size, caplog
    ):
        num = size(300, 3000)
        # A third of the first attempts fail, and a third of the retries: too many for the budget.
        engine, served = engine_for(
            lambda request: loopback.reply(500, {}) if request.number % 3 == 1 else loopback.chat()
        )
        found = answers(engine.generate(asked(num), Sampling()))
        extra = len(served.requests) - num
        assert 0.9 * (20 + 0.1 * num) < extra <= 20 + 0.1 * num
        assert set(found) == {"Fine.", ""}
        assert "not asked again, for" in caplog.text
        figure("extra_requests_percent", 100.0 * extra / num)

    @pytest.mark.fault(11, "retry budget")
    def test_the_budget_is_that_of_all_calls(self, engine_for, loopback):
        failing = True
        engine, served = engine_for(
            lambda request: (
                loopback.reply(500, {}) if failing and item(request) else loopback.chat()
            ),
            Patience(free_retries=10, outage_failures=1000),
        )
        for number in range(1, 6):
            engine.generate([user("Item 0."), user(f"Item {number}.")], Sampling())
        # Ten first attempts give one retry to the ten.
        assert len(served.requests) == 10 + 11
        failing = False
        assert answers(engine.generate(asked(20), Sampling())) == ["Fine."] * 20

    def test_a_short_run_has_its_retries(self, engine_for, loopback):
        times = Counter()

        def script(request):
            times[item(request)] += 1
            return loopback.chat() if times[item(request)] == 4 else loopback.reply(500, {})

        engine, served = engine_for(script)
        assert answers(engine.generate(asked(6), Sampling())) == ["Fine."] * 6
        assert len(served.requests) == 24

    def test_none_are_had_if_none_are_wanted(self, engine_for, loopback):
        engine, served = engine_for(
            lambda request: loopback.chat() if item(request) else loopback.reply(500, {}),
            Patience(retry_share=0.0, free_retries=0),
        )
        assert answers(engine.generate(asked(3), Sampling())) == ["", "Fine.", "Fine."]
        assert len(served.requests) == 3


class TestPace:
    @pytest.mark.fault(11, "429", "Retry-After")
    @pytest.mark.parametrize("retry_after", [{}, {"Retry_After": "0.05"}], ids=["silent", "said"])
    def test_a_server_that_turns_away_is_asked_more_slowly_and_all_is_answered(
        self, loopback, size, figure, retry_after
    ):
        """By the real clock: a slow machine turns fewer away."""
        num = size(200, 1000)
        tokens, seen = 5.0, time.monotonic()

        def script(request):
            nonlocal tokens, seen
            # It bears a hundred requests a second.
            now = time.monotonic()
            tokens = min(5.0, tokens + 100.0 * (now - seen))
            seen = now
            if tokens < 1.0:
                return loopback.reply(429, {}, **retry_after)
            tokens -= 1.0
            return loopback.chat()

        served = loopback.serve(script)
        patience = Patience(first_wait_seconds=0.05, attempt_seconds=60.0)
        engine = OpenAIEngine(served.url, "m", patience=patience, max_concurrency=16)
        assert answers(engine.generate(asked(num), Sampling())) == ["Fine."] * num
        extra = len(served.requests) - num
        assert extra <= 40 + 0.1 * num
        figure("extra_requests_percent", 100.0 * extra / num)

    @pytest.mark.fault(11, "Retry-After")
    def test_nobody_asks_while_the_server_wants_to_be_left_alone(self, engine_for, loopback, waits):
        times = []

        def script(request):
            times.append(waits.time)
            return loopback.chat() if len(times) > 1 else loopback.reply(429, {}, Retry_After="9")

        engine, _ = engine_for(script, max_concurrency=2)
        assert answers(engine.generate(asked(8), Sampling())) == ["Fine."] * 8
        # One was on its way at the same time, and others may have begun before the reply was here.
        assert [now for now in times if 0.0 < now < 9.0] == [] and times[-1] >= 9.0


AWAY = {
    "busy": lambda loopback: loopback.reply(503, {"error": "no worker"}),
    "broken": lambda loopback: loopback.reply(500, {"error": "dead"}),
    "closing": lambda _: closing(),
    "a page": lambda loopback: loopback.raw(200, b"<html>We will be back soon.</html>"),
}


class TestBreaker:
    @pytest.mark.fault(13, "circuit breaker")
    @pytest.mark.parametrize("max_concurrency", [1, 8, 64])
    @pytest.mark.parametrize("how", AWAY)
    def test_ten_minutes_of_outage_fail_nothing_and_cost_the_server_little(
        self, engine_for, loopback, waits, how, max_concurrency, caplog
    ):
        began = None
        meanwhile = 0

        def script(request):
            nonlocal began, meanwhile
            if request.number == 100:
                began = waits.time
            if began is None or waits.time >= began + 600.0:
                return loopback.chat()
            meanwhile += 1
            return AWAY[how](loopback)

        engine, _ = engine_for(script, max_concurrency=max_concurrency)
        found = answers(engine.generate(asked(300), Sampling()))
        assert found == ["Fine."] * 300
        assert meanwhile <= 25 + 2 * max_concurrency
        assert caplog.text.count("the server answers nothing any more (") == 1
        assert caplog.text.count("the server answers again, after 6") == 1

    @pytest.mark.fault(13, "circuit breaker")
    @pytest.mark.parametrize("max_concurrency", [1, 8])
    def test_an_outage_that_does_not_end_stops_the_run_and_what_was_answered_is_kept(
        self, engine_for, loopback, waits, max_concurrency, tmp_path
    ):
        engine, served = engine_for(
            lambda request: loopback.chat() if request.number < 100 else AWAY["busy"](loopback),
            max_concurrency=max_concurrency,
        )
        with Cached(engine, tmp_path / "store.sqlite") as cached:
            with pytest.raises(
                OutageError, match=r"has not answered for 9\d\d s, .*HTTP 503"
            ) as up:
                cached.generate(asked(300), Sampling())
            assert up.value.exit_code == EngineError.exit_code == 4
        assert 900.0 <= waits.time < 1100.0
        assert len(served.requests) < 100 + 30 + 2 * max_concurrency
        again, served = engine_for(lambda _: loopback.chat())
        with Cached(again, tmp_path / "store.sqlite") as cached:
            assert answers(cached.generate(asked(300), Sampling())) == ["Fine."] * 300
        assert len(served.requests) == 200

    @pytest.mark.fault(13, "circuit breaker")
    @pytest.mark.parametrize("num_poisoned", [1, 2, 5])
    @pytest.mark.parametrize("max_concurrency", [1, 4])
    def test_items_that_no_server_could_answer_do_not_stop_the_run(
        self, engine_for, loopback, waits, num_poisoned, max_concurrency
    ):
        poisoned = range(50, 50 + num_poisoned)
        engine, _ = engine_for(
            lambda request: (
                loopback.reply(500, {}) if item(request) in poisoned else loopback.chat()
            ),
            max_concurrency=max_concurrency,
        )
        found = answers(engine.generate(asked(100), Sampling()))
        assert [number for number, text in enumerate(found) if not text] == list(poisoned)
        assert waits.time < 900.0

    @pytest.mark.fault(13, "circuit breaker")
    def test_what_is_left_at_last_and_cannot_be_answered_fails_and_the_run_ends(
        self, engine_for, loopback, waits
    ):
        # Run again after a run that kept all the others: nothing is answered at all.
        engine, served = engine_for(lambda _: loopback.reply(500, {}), max_concurrency=1)
        assert answers(engine.generate(asked(10), Sampling())) == [""] * 10
        assert waits.time < 600.0
        assert len(served.requests) == 10 + 20 + 1  # a tenth of ten is one

    @pytest.mark.fault(11, "deadline")
    def test_an_item_does_not_outlive_its_deadline_in_an_outage(
        self, engine_for, loopback, waits, caplog
    ):
        engine, _ = engine_for(
            lambda request: loopback.reply(503, {}) if request.number else loopback.chat(),
            Patience(item_seconds=40.0, attempt_seconds=20.0),
            max_concurrency=10,
        )
        engine.generate(asked(1), Sampling())
        assert answers(engine.generate(asked(11)[1:], Sampling())) == [""] * 10
        assert waits.time == pytest.approx(40.0, abs=1.0)
        assert "no answer within 40 s: HTTP 503" in caplog.text

    @pytest.mark.fault(13, "circuit breaker")
    def test_the_next_call_knows_that_the_server_is_down(self, engine_for, loopback, waits):
        up = True
        engine, served = engine_for(
            lambda _: loopback.chat() if up else loopback.reply(503, {}),
            Patience(outage_seconds=50.0),
            max_concurrency=1,
        )
        engine.generate(asked(1), Sampling())
        up = False
        for num_more in (12, 1):  # Six and the probes; then a probe alone.
            before = len(served.requests)
            with pytest.raises(OutageError):
                engine.generate(asked(5), Sampling())
            assert len(served.requests) <= before + num_more
        up = True
        assert answers(engine.generate(asked(5), Sampling())) == ["Fine."] * 5

    @pytest.mark.fault(13, "refused", "circuit breaker")
    def test_a_real_server_that_goes_and_comes_back_is_waited_for(self, figure):
        """A socket that is closed and bound again, by the real clock."""
        port, stop = _serving_once_more(after=20, away_seconds=2.5)
        try:
            engine = OpenAIEngine(
                f"http://127.0.0.1:{port}/v1",
                "m",
                max_concurrency=4,
                patience=Patience(first_wait_seconds=0.1, attempt_seconds=30.0),
            )
            began = time.monotonic()
            assert answers(engine.generate(asked(60), Sampling())) == ["Fine."] * 60
            assert time.monotonic() - began > 2.4
        finally:
            stop()


def _serving_once_more(*, after: int, away_seconds: float):
    """A server that answers so often, is not there for a while, and answers again: its port, and
    how to stop it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    stopped = threading.Event()
    body = json.dumps(
        {"choices": [{"message": {"content": "Fine."}, "finish_reason": "stop"}]}
    ).encode()
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def serve() -> None:
        nonlocal listener
        for number in range(10**6):
            if number == after:
                listener.close()
                time.sleep(away_seconds)
                listener = socket.create_server(("127.0.0.1", port))
            listener.settimeout(0.2)
            while not stopped.is_set():
                try:
                    connection, _ = listener.accept()
                    break
                except TimeoutError:
                    continue
            else:
                break
            with connection:
                connection.settimeout(5.0)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                top, _, rest = head.partition(b"\r\n\r\n")
                length = int(top.lower().partition(b"content-length: ")[2].split()[0])
                while len(rest) < length:
                    rest += connection.recv(65536)
                connection.sendall(reply)
        listener.close()

    thread = threading.Thread(target=serve)
    thread.start()

    def stop() -> None:
        stopped.set()
        thread.join()

    return port, stop
