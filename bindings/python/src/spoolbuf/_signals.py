"""Python's signal handlers, kept away from where they could do harm.

Python runs them on the main thread whenever it starts a function: also when C calls back, before the
first line, where no `try` can catch a KeyboardInterrupt. ctypes would print it, and answer C with
whatever is on the stack. So while C is called that may call back, the handlers are exchanged for one
that takes notes; inside the callbacks, under a `try`, they are the real ones again; and what was
noted is made up for as soon as it can.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Optional

# Those whose handlers are seen to raise in practice, as far as the system has them.
_NUMBERS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGBREAK")
    if hasattr(signal, name)
]

_shields: list[Shield] = []


def is_main() -> bool:
    """Whether handlers run on this thread."""
    return threading.get_ident() == threading.main_thread().ident


class Shield:
    """While entered, handlers of this thread's signals only take notes."""

    def __init__(self) -> None:
        """Nothing is exchanged yet."""
        self._handlers: dict[int, Any] = {}
        # Its `setdefault` is the handler: a function in C, so nothing of Python's runs in it.
        self._noted: dict[int, Optional[FrameType]] = {}
        self._raised: Optional[BaseException] = None

    def __enter__(self) -> Shield:
        if is_main():
            for number in _NUMBERS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
            try:
                self._exchange()
            except ValueError:
                # The main thread of a subinterpreter, where no handlers run.
                self._handlers.clear()
            except BaseException:
                self._give_back()
                raise
            if self._handlers:
                _shields.append(self)
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._handlers:
            _shields.remove(self)
            self._give_back()
        if self._raised is not None:
            raise self._raised
        self.make_up()

    def _exchange(self) -> None:
        for number in self._handlers:
            signal.signal(number, self._noted.setdefault)

    def _give_back(self) -> None:
        """Puts the real handlers back, whatever they raise on the way."""
        for number, handler in self._handlers.items():
            for _ in range(3):
                try:
                    signal.signal(number, handler)
                    break
                except BaseException as error:  # noqa: BLE001
                    self.keep(error)

    def make_up(self) -> None:
        """Runs the handlers of the signals that were noted."""
        while self._noted:
            number, frame = self._noted.popitem()
            self._handlers[number](number, frame)

    def open(self) -> None:
        """The real handlers again, inside a callback."""
        self._give_back()
        self.make_up()

    def shut(self) -> None:
        """Back to taking notes, with the handlers that are set by now."""
        for number in self._handlers:
            handler = signal.getsignal(number)
            if handler is not None and handler != self._noted.setdefault:
                self._handlers[number] = handler
        for _ in range(3):
            try:
                self._exchange()
                break
            except BaseException as error:  # noqa: BLE001
                self.keep(error)

    def keep(self, error: BaseException) -> None:
        """Has the call raise this when it is back."""
        self._raised = self._raised or error


def enter() -> None:
    """A callback begins. May raise what a handler raises."""
    if _shields and is_main():
        _shields[-1].open()


def leave() -> None:
    """A callback ends."""
    if _shields and is_main():
        _shields[-1].shut()


def keep(error: BaseException) -> None:
    """What came out of the end of a callback, for the call to raise."""
    if _shields and is_main():
        _shields[-1].keep(error)
