"""Calls on threads of their own, for tests of what blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from support import PATIENCE


class Call:
    """A call on another thread, and its result."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.result: object = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:  # noqa: BLE001
            self.error = error

    @classmethod
    def inside(cls, entered: threading.Event, call: Callable[[], object]) -> Call:
        """A call that has come as far as to set this event."""
        begun = cls(call)
        assert entered.wait(PATIENCE)
        return begun

    def end(self) -> object:
        self.thread.join()
        if self.error is not None:
            raise self.error
        return self.result
