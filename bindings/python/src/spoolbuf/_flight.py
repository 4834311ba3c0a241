"""One run of the function with which a cache opens a key, and what it has returned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Optional, Protocol

from ._answer import TAKEN, attempt_at
from ._content import Content
from ._once import Once
from ._resource import Resource
from ._streams import Question


class Gift:
    """What the function has returned. Its stream is closed once, by whoever has it then.

    C code stores it: an exception between two instructions of ours must not lose it.
    """

    def __init__(self) -> None:
        """Nothing was returned yet."""
        self._question = Question()
        self._answer: Any = None
        self.stream: Any = None
        self._closing = Once()

    def take(self, call: Callable[[], Any]) -> Resource:
        """Calls the function."""
        self._answer = self._question.ask(call)
        self._find_stream()
        self._question.settle()
        self._raise_late()
        if isinstance(self._answer, Resource):
            return self._answer
        if self._answer is None:
            raise TypeError("open returned None; Resource(None, tag=old_tag) means unchanged bytes")
        return Resource(self._answer)

    def _raise_late(self) -> None:
        late, self._question.late = self._question.late, None
        if late is not None:
            try:
                raise late
            finally:
                # Breaks the cycle between the exception and this frame.
                del late

    def _find_stream(self) -> None:
        answer = self._answer
        stream = answer.stream if isinstance(answer, Resource) else answer
        # A buffer's `read` is not that of a file.
        self.stream = iter(stream) if isinstance(stream, Content) else stream

    def close(self) -> None:
        """Closes the stream. After an exception, another call does it."""
        if self._question.answered and self.stream is None:
            self._answer = self._question.ask(_nothing)
            self._find_stream()
        close = getattr(self.stream, "close", None)
        # A class is no stream, and closes nothing.
        if callable(close) and not isinstance(self.stream, type):
            self._closing.make(close)
        self._question.settle()
        self._answer = self.stream = None


def _nothing() -> None:
    """The answer exists already."""


class Given(Protocol):
    """The source that was made of the gift."""

    def give_up(self) -> None:
        """Called if C does not take it."""


class Flight:
    """One run of the user's function."""

    def __init__(self) -> None:
        """Has begun, on this thread."""
        self.thread = threading.get_ident()
        # Held until it has landed. Not an Event: an exception inside its `set` would be too late.
        self._air = threading.Lock()
        self._air.acquire()
        # The function has returned. No method: an exception where one begins would be too soon.
        self.land: Callable[[], None] = self._air.release
        # The code of its failure, if it has failed.
        self.code = 0
        self.gift = Gift()
        self.source: Optional[Given] = None

    def give_up(self) -> None:
        """Closes what the function has returned: C does not take it. May be called again."""
        self.gift.close()
        if self.source is not None:
            self.source.give_up()

    def has_landed(self) -> bool:
        """Whether the function has returned."""
        return not self._air.locked()

    def wait(self, seconds: float = -1) -> bool:
        """Waits until the function has returned, and returns whether it has."""
        landing = attempt_at(self._air, seconds)
        try:
            return landing[None]
        finally:
            if landing == TAKEN:
                self._air.release()
