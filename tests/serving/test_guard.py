"""The pace at which long bodies are read, without sockets."""

import asyncio

from jurist.serving.guard import AT_ONCE_BYTES, MOST_BEHIND_SECONDS, Guard, Pace, RequestLimits
from jurist.serving.metrics import Metrics

PART = b" " * 2**16


async def asked(guard: Guard, *headers: tuple[bytes, bytes], num_parts: int) -> int:
    """Send a body of so many parts, as fast as it is taken; the status that it is answered with."""
    left = [{"type": "http.request", "body": PART, "more_body": True}] * num_parts
    status: list[int] = []

    async def receive():
        return left.pop() if left else {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            status.append(message["status"])

    scope = {"type": "http", "path": "/v1/judge", "headers": list(headers)}
    await guard(scope, receive, send)
    return status[0] if status else 0


def make_guard(**settings) -> Guard:
    async def never(scope, receive, send):
        raise AssertionError("no body came to its end")

    return Guard(app=never, metrics=Metrics(), paths=frozenset(), **settings)


def test_who_has_no_key_does_not_hold_up_who_has_one():
    guard = make_guard(key="k")
    assert asyncio.run(asked(guard, num_parts=8)) == 401
    assert guard.let_go.free_at > 0 and guard.pace.free_at == 0


def test_what_a_body_has_beyond_a_little_takes_its_time():
    guard = make_guard(limits=RequestLimits(max_body_bytes=2 * AT_ONCE_BYTES))
    few = AT_ONCE_BYTES // len(PART)
    assert asyncio.run(asked(guard, num_parts=few)) == 0
    assert guard.pace.free_at == 0
    assert asyncio.run(asked(guard, num_parts=few + 2)) == 0
    assert guard.pace.free_at > 0


def test_those_who_send_and_go_leave_no_wait_behind_that_adds_up():
    async def flooded() -> float:
        pace = Pace()
        for _ in range(100):
            waiting = asyncio.ensure_future(pace.wait(2**24))
            await asyncio.sleep(0)
            waiting.cancel()
        return pace.free_at - asyncio.get_running_loop().time()

    assert asyncio.run(flooded()) < MOST_BEHIND_SECONDS + 1
