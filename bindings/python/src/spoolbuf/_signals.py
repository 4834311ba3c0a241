"""Python's signal handlers, kept away from where they could do harm.

Python runs them on the main thread whenever it starts a function: also when C calls back, before the
first line, where no `try` can catch a KeyboardInterrupt. ctypes would print it, and answer C with
whatever is on the stack. So while C is called that may call back, the handlers are exchanged for one
that takes notes; while the user's own code runs, they are the real ones again; and what was noted is
made up for as soon as it can.

A call that waits in C for what another thread is to bring would keep a handler waiting as long. So
while the main thread may wait, Python tells of signals on a socket, and a thread that listens there
wakes the call.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Optional, Protocol

from . import _interpreter

# Those whose handlers are seen to raise in practice, as far as the system has them.
_NUMBERS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGBREAK")
    if hasattr(signal, name)
]

# The functions behind those of `signal`, which look each handler up among the enums. At four exchanges
# to a callback that was near half of a read of 64 KiB (the bench's python-stream, Python 3.10).
_c: Any = importlib.import_module("_signal")

_shields: list[Shield] = []


def _find_main() -> Optional[int]:
    """The thread on which handlers run; a subinterpreter has none."""
    return threading.main_thread().ident if _interpreter.is_main else None


_main = _find_main()


def is_main() -> bool:
    """Whether handlers run on this thread."""
    return threading.get_ident() == _main


class Waiter(Protocol):
    """Who may wait in C, and can be woken there."""

    def _wake(self) -> None:
        """Has the call return now. Comes from any thread."""

    def _calm(self) -> None:
        """Makes up for a `wake`."""


class _Bell:
    """Wakes the main thread's calls when a signal has come."""

    def __init__(self) -> None:
        """The thread is a daemon: it ends with the interpreter."""
        self._ear, self._rope = socket.socketpair()
        self._rope.setblocking(False)
        self._lock = threading.Lock()
        self._shields: list[Shield] = []
        # Where Python told of signals before: an event loop's, as a rule.
        self._former = -1
        threading.Thread(target=self._listen, name="spoolbuf-signals", daemon=True).start()

    def _listen(self) -> None:
        while rung := self._ear.recv(64):
            with self._lock:
                for shield in self._shields:
                    shield.ring()
            if self._former >= 0:
                with contextlib.suppress(OSError):
                    os.write(self._former, rung)

    def hang(self, shield: Shield) -> int:
        """From here on a signal rings for `shield`; what `take_down` puts back."""
        with self._lock:
            former = signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
            self._shields.append(shield)
        if former != self._rope.fileno():
            self._former = former
        return former

    def take_down(self, shield: Shield, former: int) -> None:
        """No ring comes after this."""
        try:
            signal.set_wakeup_fd(former)
        except (ValueError, OSError):
            # It was closed meanwhile.
            signal.set_wakeup_fd(-1)
        with self._lock:
            self._shields.remove(shield)

    def forget(self) -> None:
        """In a forked child, which has the sockets but not the thread."""
        with contextlib.suppress(ValueError, OSError):
            former = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(self._former if former == self._rope.fileno() else former)
        self._ear.close()
        self._rope.close()


_bell: Optional[_Bell] = None


def _get_bell() -> _Bell:
    """Only the main thread has use for it."""
    global _bell
    if _bell is None:
        _bell = _Bell()
    return _bell


def forget() -> None:
    """In a forked child, whose main thread is the one that forked."""
    global _bell, _main
    _main = _find_main()
    if _bell is not None:
        _bell.forget()
        _bell = None


class Shield:
    """While entered, handlers of this thread's signals only take notes.

    If there is a waiter, a signal wakes it; then `rung` is true.
    """

    def __init__(self, waiter: Optional[Waiter] = None) -> None:
        """Nothing is exchanged yet."""
        self.rung = False
        self._waiter = waiter
        self._former: Optional[int] = None
        self._handlers: dict[int, Any] = {}
        self._noted: dict[int, Optional[FrameType]] = {}
        # The handler: a function in C, so nothing of Python's runs in it.
        self._note = self._noted.setdefault
        self._raised: Optional[BaseException] = None
        self._entered = False

    def __enter__(self) -> Shield:
        if is_main():
            for number in _NUMBERS:
                handler = _c.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
            try:
                self._exchange()
            except ValueError:
                # Embedded, where `threading` takes another thread for the main one.
                self._handlers.clear()
                self._waiter = None
            except BaseException:
                self._give_back()
                raise
            self._entered = True
            _shields.append(self)
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if self._entered:
            _shields.remove(self)
            self._give_back()
        self.make_up()
        if self._raised is not None:
            raise self._raised

    def ring(self) -> None:
        """Called by the bell."""
        self.rung = True
        if self._waiter is not None:
            self._waiter._wake()

    def _exchange(self) -> None:
        for number in self._handlers:
            _c.signal(number, self._note)
        if self._waiter is not None and self._former is None:
            self._former = _get_bell().hang(self)
            self._ring_for_earlier()

    def _ring_for_earlier(self) -> None:
        # A signal that came before the bell hung was noted at the latest when this function began.
        if self._noted:
            self.ring()

    def _give_back(self) -> None:
        """Puts the real handlers back, whatever they raise on the way."""
        if self._former is not None:
            former, self._former = self._former, None
            _get_bell().take_down(self, former)
            if self.rung and self._waiter is not None:
                self._waiter._calm()
        for number, handler in self._handlers.items():
            for _ in range(3):
                try:
                    _c.signal(number, handler)
                    break
                except BaseException as error:  # noqa: BLE001
                    self.keep(error)

    def make_up(self) -> None:
        """Runs the handlers of the signals that were noted."""
        while self._noted:
            number, frame = self._noted.popitem()
            try:
                self._handlers[number](number, frame)
            except BaseException as error:  # noqa: BLE001
                self.keep(error)

    def open(self) -> None:
        """The real handlers again, inside a callback."""
        self._give_back()
        self.make_up()
        if self._raised is not None:
            raise Interrupted

    def shut(self) -> None:
        """Back to taking notes, with the handlers that are set by now. Twice is as good as once."""
        for number in list(self._handlers):
            handler = _c.getsignal(number)
            if not callable(handler):
                del self._handlers[number]
            elif handler is not self._note:
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

    @property
    def has_kept(self) -> bool:
        """Whether the call raises something when it is back."""
        return self._raised is not None


class Interrupted(BaseException):
    """A handler raised before the user's code was called; `keep` has what."""


def _current() -> Optional[Shield]:
    """What is around the C call that this callback came from."""
    return _shields[-1] if _shields and is_main() else None


def openly(work: Callable[[], object]) -> None:
    """Calls the user's code from a callback, with the real handlers in force."""
    shield = _current()
    if shield is None:
        work()
        return
    try:
        try:
            shield.open()
            work()
        finally:
            shield.shut()
    except BaseException:
        # It may have been the shutting that was interrupted.
        shield.shut()
        raise


def keep(error: BaseException) -> bool:
    """Has the call that this callback came from raise something of a handler's; False elsewhere."""
    shield = _current()
    if shield is not None:
        shield.keep(error)
    return shield is not None


def has_kept() -> bool:
    """Whether the call that this callback came from is on its way out."""
    shield = _current()
    return shield is not None and shield.has_kept
