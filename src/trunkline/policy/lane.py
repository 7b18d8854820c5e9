"""One background thread with the store open in it: the only way that a worker's loop asks the store anything.

Bounded in time and in number: a store that hangs holds up this thread and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from trunkline.policy.admit import Unanswered
from trunkline.storage.contract import RowRefused, Store, StoreUnavailable

T = TypeVar("T")
WAITING_MAX = 128


class StoreLane:
    def __init__(self, open_store: Callable[[], Store], loop: asyncio.AbstractEventLoop) -> None:
        """`open_store` is called in the thread, again after every failure to open."""
        self._open = open_store
        self._loop = loop
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0
        # A daemon: a hung store must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    async def ask(self, question: Callable[[Store], T], patience: float) -> T:
        """Raises Unanswered after `patience` seconds at the latest; the question itself may still run to its end."""
        if self._waiting >= WAITING_MAX:
            raise Unanswered("too many questions wait for the store")
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting += 1
        self._jobs.put(_Job(question, answer))
        try:
            async with asyncio.timeout(patience):
                found: T = await answer
                return found
        except TimeoutError:
            raise Unanswered("the store did not answer in time") from None

    async def close(self, patience: float = 1.0) -> None:
        """Closes the store if the thread is free to do so."""
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, patience)

    def _work(self) -> None:
        store: Store | None = None
        while (job := self._jobs.get()) is not None:
            value: object = None
            problem: Exception | None = None
            # Nobody waits any more for a question that was given up: a hung store is not asked all of them afterwards.
            if not job.answer.done():
                try:
                    store = store or self._open()
                    value = job.question(store)
                except (StoreUnavailable, RowRefused) as error:
                    problem = Unanswered(str(error))
                except Exception as bug:
                    problem = bug
            try:
                self._loop.call_soon_threadsafe(self._answered, job.answer, value, problem)
            except RuntimeError:
                break  # the loop is closed
        if store is not None:
            store.close()

    def _answered(self, answer: asyncio.Future[Any], value: object, problem: Exception | None) -> None:
        self._waiting -= 1
        if answer.done():
            return
        if problem is not None:
            answer.set_exception(problem)
        else:
            answer.set_result(value)


class _Job:
    __slots__ = ("answer", "question")

    def __init__(self, question: Callable[[Store], Any], answer: asyncio.Future[Any]) -> None:
        self.question = question
        self.answer = answer
