"""Micro-batching: what is asked at about the same time is answered in one call of a function."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from jurist.errors import DataError

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

MAX_BATCH: Final = 256
"""Items of one call, at most."""

MAX_WAITING: Final = 10_000
"""Items that may wait for a call, at most."""

TURNS_BEFORE: Final = 8
"""Of the loop, before a call, a tenth of a millisecond where there is nothing else to do. Of who
asked and hung up at once the server hears in one of the next turns, and need not call for them."""


class Crowded(Exception):
    """Too much is waiting already: ask again later."""


@dataclass(slots=True)
class _Waiting(Generic[_Item, _Answer]):
    item: _Item
    answer: "asyncio.Future[_Answer]"


class Batcher(Generic[_Item, _Answer]):
    """Answers items in batches, one batch at a time, in the thread of an executor.

    While a batch is being answered the next one gathers, so that batches are as large as the load
    makes them and nobody waits for company that may not come. Equal items of a batch are answered
    once. If a batch is refused because of what is in it (`DataError`), its halves are answered
    apart, and so on: one item that cannot be answered fails nobody else's request.

    Args:
        answer: One answer for each item, in their order. Called in the executor's thread.
        executor: Where. Give it one thread if the function is not safe for several.
        max_batch: Items of one call, at most; positive.
        max_waiting: Items that may wait, at most; positive.
        observe: Told the size of each batch and the seconds it took.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[_Item]], Sequence[_Answer]],
        *,
        executor: Executor,
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
        observe: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        if max_batch < 1 or max_waiting < 1:
            raise ValueError(
                f"max_batch and max_waiting must be positive, got {max_batch} and {max_waiting}"
            )
        self._answer = answer
        self._executor = executor
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._observe = observe
        self._waiting: list[_Waiting[_Item, _Answer]] = []
        self._working: asyncio.Task[None] | None = None

    @property
    def num_waiting(self) -> int:
        """Items that wait for a call."""
        return len(self._waiting)

    async def __call__(self, items: Sequence[_Item]) -> list[_Answer]:
        """Answer some items, together with whatever else is asked.

        Returns:
            One answer for each, in their order.

        Raises:
            Crowded: If more would wait than may. None of them is then answered.
            JuristError: What the function raised.
        """
        if len(self._waiting) + len(items) > self._max_waiting:
            raise Crowded(f"{len(self._waiting)} wait already, of {self._max_waiting} that may")
        loop = asyncio.get_running_loop()
        mine = [_Waiting[_Item, _Answer](item, loop.create_future()) for item in items]
        self._waiting += mine
        if mine and self._working is None:
            self._working = loop.create_task(self._work())
        try:
            return list(await asyncio.gather(*(one.answer for one in mine)))
        finally:
            # Who hung up, or had one of its items fail, waits for none of the others.
            for one in mine:
                one.answer.cancel()

    async def _work(self) -> None:
        """Answer batch after batch until nothing waits."""
        try:
            while self._waiting:
                for _ in range(TURNS_BEFORE):
                    await asyncio.sleep(0)
                batch = [
                    one for one in self._waiting[: self._max_batch] if not one.answer.cancelled()
                ]
                del self._waiting[: self._max_batch]
                if batch:
                    await self._answer_batch(batch)
        finally:
            self._working = None

    async def _answer_batch(self, batch: list[_Waiting[_Item, _Answer]]) -> None:
        items = list(dict.fromkeys(one.item for one in batch))
        started = time.monotonic()
        try:
            answers = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._answer, items
            )
            found = dict(zip(items, answers, strict=True))
        except DataError as error:
            if len(items) == 1:
                _fail(batch, error)
            else:
                half = set(items[: len(items) // 2])
                await self._answer_batch([one for one in batch if one.item in half])
                await self._answer_batch([one for one in batch if one.item not in half])
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked, who raise it
            _fail(batch, error)
        else:
            self._observe(len(items), time.monotonic() - started)
            for one in batch:
                if not one.answer.done():
                    one.answer.set_result(found[one.item])


def _fail(batch: Sequence[_Waiting[_Item, _Answer]], error: Exception) -> None:
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
