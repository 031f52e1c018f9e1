"""Bodies of requests: values are counted in pieces, long bodies are read apart and in turn."""

import asyncio
import json
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurist.errors import DataError
from jurist.serving import bodies
from jurist.serving.bodies import MAX_VALUES, LongBodies, StrictRequest

TEXTS = st.text(st.sampled_from('a",[{\\é\n'), max_size=12)
VALUES = st.recursive(
    TEXTS | st.integers(-9, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=30,
)


def num_values(body: bytes) -> int:
    return asyncio.run(bodies._num_values(body))


def marks(value: object) -> int:
    """What stands for a value each: lists, objects and the commas between what is in them."""
    if not isinstance(value, list | dict):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(0, len(inner) - 1) + sum(map(marks, inner))


@pytest.mark.fault(23, "deep JSON")
@given(value=VALUES, size=st.integers(1, 9), plain=st.booleans())
def test_texts_hide_nothing_and_pieces_may_end_anywhere(value, size, plain):
    body = json.dumps(value, ensure_ascii=not plain).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "PIECE_BYTES", size)
        assert num_values(body) == marks(value)


@pytest.mark.fault(23, "deep JSON")
@pytest.mark.parametrize(
    "unit",
    [b"[", b"{", b"0,", b"[],", b'"","', b'"a",', b'"\\\\",', b'"\\"",', b'{"a":1},'],
    ids=bytes.decode,
)
def test_of_a_body_that_holds_too_many_values_the_rest_is_not_counted(unit):
    body = b"[" + unit * (4 * 2**20 // len(unit))
    began = time.thread_time()
    assert MAX_VALUES < num_values(body) <= MAX_VALUES + bodies.PIECE_BYTES
    assert time.thread_time() - began < 0.2


@pytest.mark.fault(23, "deep JSON")
def test_others_have_their_turn_while_a_body_is_counted():
    body = b'["' + b'\\"' * 2**20 + b'"]'
    turns = 0

    async def main() -> None:
        nonlocal turns
        counting = asyncio.ensure_future(bodies._num_values(body))
        while not counting.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    assert turns >= len(body) // bodies.PIECE_BYTES


def reading(monkeypatch, seconds: float):
    """Have each body take so long to be read; returns when each was begun."""
    began: list[tuple[bytes, float]] = []

    def read(body: bytes, where: str, *, with_column: bool):
        assert not with_column
        began.append((body, time.perf_counter()))
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass
        if body == b"bad":
            raise DataError("it is bad")
        return {"read": body}

    monkeypatch.setattr(bodies, "object_of", read)
    return began


def test_a_long_body_is_read_like_any_and_what_is_wrong_is_raised(monkeypatch):
    reading(monkeypatch, 0.0)

    async def main() -> None:
        long_bodies = LongBodies()
        assert await long_bodies.read(b"good") == {"read": b"good"}
        with pytest.raises(DataError, match="it is bad"):
            await long_bodies.read(b"bad")

    asyncio.run(main())


@pytest.mark.fault(23, "long body")
def test_a_rest_comes_after_the_answer_and_before_the_next_one(monkeypatch):
    began = reading(monkeypatch, 0.02)
    monkeypatch.setattr(bodies, "AT_ONCE_SECONDS", 0.03)

    async def main() -> tuple[float, float]:
        long_bodies = LongBodies()
        one, two, three = (asyncio.ensure_future(long_bodies.read(b"")) for _ in range(3))
        await one
        await two
        assert not three.done()
        told = time.perf_counter()
        await three
        return told, time.perf_counter()

    told, ended = asyncio.run(main())
    one, two, three = (at for _, at in began)
    assert two - one < 0.3
    # 0.04 s of 0.03: the hundredth of a second too much is 2 % of half a second.
    assert three - two >= 0.4
    assert ended - told > 0.3


def test_long_bodies_take_their_share_of_the_time_and_what_they_took_is_forgotten():
    long_bodies = LongBodies()
    now, began, taken = 0.0, 0.0, 0.0
    for number in range(200):
        rest = long_bodies._rest_after(0.01, now=now)
        assert (rest == 0.0) == (number < 10), number
        assert rest <= bodies.MOST_REST_SECONDS + 1e-9
        if number == 20:
            began, taken = now, 0.0
        taken += 0.01
        now += 0.01 + rest
    assert taken / (now - began) == pytest.approx(bodies.SHARE, rel=0.05)
    now += bodies.AT_ONCE_SECONDS / bodies.SHARE
    assert long_bodies._rest_after(0.05, now=now) == 0.0
    # However long one took, the next has to wait no longer than so.
    assert long_bodies._rest_after(60.0, now=now) == pytest.approx(bodies.MOST_REST_SECONDS)


def test_the_body_of_who_hung_up_is_not_read(monkeypatch):
    began = reading(monkeypatch, 0.01)
    monkeypatch.setattr(bodies, "AT_ONCE_SECONDS", 0.0)
    threads = threading.active_count()

    async def main() -> None:
        long_bodies = LongBodies()
        first = asyncio.ensure_future(long_bodies.read(b"first"))
        gone = [asyncio.ensure_future(long_bodies.read(b"gone")) for _ in range(20)]
        last = asyncio.ensure_future(long_bodies.read(b"last"))
        await first
        for one in gone:
            one.cancel()
        await last
        assert threading.active_count() <= threads + 1

    asyncio.run(main())
    assert [body for body, _ in began] == [b"first", b"last"]


@pytest.mark.parametrize(
    ("body", "apart"),
    [
        (b'{"a": [' + b"0, " * 498 + b"0]}", False),
        (b'{"a": [' + b"0, " * 499 + b"0]}", True),
        (b'{"a": "' + b"," * (bodies.READ_AT_ONCE_BYTES - 9) + b'"}', False),
        (b'{"a": "' + b"," * (bodies.READ_AT_ONCE_BYTES - 8) + b'"}', True),
    ],
    ids=["500 values", "501 values", "32 KiB", "32 KiB and a byte"],
)
def test_bodies_of_many_bytes_or_many_values_are_read_apart(body, apart):
    asked: list[bytes] = []

    class Spy(LongBodies):
        async def read(self, body: bytes) -> object:
            asked.append(body)
            return await super().read(body)

    async def receive():
        return {"type": "http.request", "body": body}

    app = SimpleNamespace(state=SimpleNamespace(long_bodies=Spy()))
    scope = {"type": "http", "method": "POST", "headers": [], "app": app}
    assert asyncio.run(StrictRequest(scope, receive).json()) == json.loads(body)
    assert asked == [body] * apart
