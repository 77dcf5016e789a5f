"""A thread that computes beside the control loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from embodied.control.priority import first


class Beside:
    """Calls, one after the other, in one daemon thread: a policy that never answers keeps no process from ending, as the threads
    of a concurrent.futures pool would."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._latest = 0
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, call: Callable[..., Any], *inputs: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        self._calls.put((answer, call, inputs))
        return answer

    def latest(self, call: Callable[..., Any], *inputs: Any) -> None:
        """Of those that wait only the newest is called; nobody hears what it answers. Ask for it from one thread."""
        self._latest += 1
        number = self._latest
        self.submit(lambda: call(*inputs) if number == self._latest else None)

    def close(self) -> None:
        """The thread ends with the call that is under way."""
        self._calls.put(None)

    def _work(self) -> None:
        first(0)  # whoever waits for the answer is quicker than what is computed
        while (asked := self._calls.get()) is not None:
            answer, call, inputs = asked
            try:
                answer.set_result(call(*inputs))
            except BaseException as error:  # raised on where it is waited for
                answer.set_exception(error)
