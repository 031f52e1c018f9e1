"""Micro-batching: together, once each, in order, and nobody fails for another."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jurist.errors import DataError, EngineError
from jurist.serving import Batcher, Crowded


class Squares:
    """Squares numbers; refuses 13, and waits at its door if told to."""

    def __init__(self):
        self.calls = []
        self.door = threading.Event()
        self.door.set()

    def __call__(self, items):
        self.calls.append(list(items))
        assert self.door.wait(30)
        if 13 in items:
            raise DataError("13 is refused")
        return [item * item for item in items]


@pytest.fixture
def squares():
    return Squares()


def run(squares, work, **settings):
    async def main():
        with ThreadPoolExecutor(1) as executor:
            return await work(Batcher(squares, executor=executor, **settings))

    return asyncio.run(main())


def test_what_is_asked_at_once_is_answered_in_one_call_and_in_order(squares):
    async def work(batcher):
        return await asyncio.gather(batcher([3, 1]), batcher([2]), batcher([]))

    assert run(squares, work) == [[9, 1], [4], []]
    assert squares.calls == [[3, 1, 2]]


def test_equal_items_are_answered_once(squares):
    async def work(batcher):
        return await asyncio.gather(batcher([2, 2]), batcher([2]))

    assert run(squares, work) == [[4, 4], [4]]
    assert squares.calls == [[2]]


def test_while_a_batch_is_answered_the_next_one_gathers(squares):
    async def work(batcher):
        squares.door.clear()
        first = asyncio.create_task(batcher([1]))
        while not squares.calls:
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(batcher([number])) for number in (2, 3, 4)]
        await asyncio.sleep(0.01)
        assert batcher.num_waiting == 3
        squares.door.set()
        return await asyncio.gather(first, *rest)

    assert run(squares, work) == [[1], [4], [9], [16]]
    assert squares.calls == [[1], [2, 3, 4]]


def test_a_batch_is_no_larger_than_it_may_be(squares):
    async def work(batcher):
        return await batcher(list(range(5)))

    assert run(squares, work, max_batch=2) == [0, 1, 4, 9, 16]
    assert squares.calls == [[0, 1], [2, 3], [4]]


def test_an_item_that_is_refused_fails_its_own_request_and_no_other(squares):
    async def work(batcher):
        return await asyncio.gather(
            *(batcher([number]) for number in (1, 2, 13, 4)), return_exceptions=True
        )

    found = run(squares, work)
    assert found[:2] == [[1], [4]] and found[3] == [16]
    assert isinstance(found[2], DataError)


def test_an_engine_that_is_down_fails_the_batch_and_not_the_next(squares):
    down = [True]

    def answer(items):
        if down[0]:
            raise EngineError("down")
        return squares(items)

    async def work(batcher):
        with pytest.raises(EngineError, match="down"):
            await batcher([1, 2])
        down[0] = False
        return await batcher([3])

    assert run(answer, work) == [9]


def test_more_than_may_wait_are_turned_away_and_none_of_them_asked(squares):
    async def work(batcher):
        squares.door.clear()
        first = asyncio.create_task(batcher([1]))
        while not squares.calls:
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(batcher([2, 3]))
        await asyncio.sleep(0.01)
        with pytest.raises(Crowded, match="2 wait already, of 3"):
            await batcher([4, 5])
        squares.door.set()
        return await asyncio.gather(first, waiting)

    assert run(squares, work, max_waiting=3) == [[1], [4, 9]]
    assert squares.calls == [[1], [2, 3]]


def test_who_hangs_up_is_not_asked_for(squares):
    async def work(batcher):
        squares.door.clear()
        first = asyncio.create_task(batcher([1]))
        while not squares.calls:
            await asyncio.sleep(0.001)
        gone, here = asyncio.create_task(batcher([2])), asyncio.create_task(batcher([3]))
        await asyncio.sleep(0.01)
        gone.cancel()
        squares.door.set()
        return await asyncio.gather(first, here)

    assert run(squares, work) == [[1], [9]]
    assert squares.calls == [[1], [3]]


def test_sizes_and_times_are_told(squares):
    seen = []

    async def work(batcher):
        await batcher([1, 2, 2])

    run(squares, work, observe=lambda size, seconds: seen.append((size, seconds >= 0.0)))
    assert seen == [(2, True)]


def test_bounds_must_be_positive(squares):
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="positive"):
        Batcher(squares, executor=executor, max_batch=0)
