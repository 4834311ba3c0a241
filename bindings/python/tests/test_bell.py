"""A signal handler that reads, and the descriptor that an event loop hears signals on."""

from __future__ import annotations

import contextlib
import io
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spoolbuf import StreamBuffer, _share, _signals
from calls import Call
from support import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class Waiter:
    """Counts what the bell does."""

    wakes = 0

    def wake(self) -> None:
        self.wakes += 1

    def calm(self) -> None:
        """Nothing is undone."""


@contextlib.contextmanager
def handled(handler: Callable[[], object]) -> Iterator[None]:
    former = signal.signal(signal.SIGUSR1, lambda *_: handler())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, former)


class Ringing:
    """A lock, in which a signal arrives when the main thread takes it for the `turn`th time."""

    def __init__(self, lock: Any, turn: int) -> None:
        self._lock, self._left = lock, turn

    def __enter__(self) -> None:
        self._lock.acquire()
        # The bell's listening thread takes it as well, whenever it comes to that.
        if _signals.is_main():
            self._left -= 1
            if not self._left:
                signal.raise_signal(signal.SIGUSR1)

    def __exit__(self, *_args: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("turn", [1, 2])
def test_a_handler_that_waits_while_the_bell_is_locked(
    turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> None:
        with _signals.Watch(Waiter()):
            handlings.append(1)

    handlings: list[int] = []
    bell = _signals._get_bell()
    monkeypatch.setattr(bell, "_lock", Ringing(bell._lock, turn))
    before = signal.set_wakeup_fd(-1)
    with handled(read), _signals.Watch(Waiter()):
        inside = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(inside)
    assert handlings == [1]
    # A handler's read has not ended the watch around it.
    assert inside == bell._rope.fileno()
    assert bell._watches == []
    assert signal.set_wakeup_fd(before) == -1


def test_a_handler_that_makes_a_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    with handled(lambda: made.append(StreamBuffer(io.BytesIO(b"bytes"))[:])):
        monkeypatch.setattr(_share, "_lock", Ringing(_share._lock, 1))
        buf = StreamBuffer(io.BytesIO(b"others"))
    assert made == [b"bytes"] and buf[:] == b"others"


def test_an_event_loop_gets_its_signals_and_nothing_later() -> None:
    ear, rope = socket.socketpair()
    rope.setblocking(False)
    ear.setblocking(False)
    bell = _signals._get_bell()
    before = signal.set_wakeup_fd(rope.fileno())
    try:
        # The listening thread comes too late.
        with handled(lambda: None), bell._lock:
            with _signals.Watch(Waiter()):
                signal.raise_signal(signal.SIGUSR1)
            assert ear.recv(64) == bytes([signal.SIGUSR1])
            # Another file may have its number soon.
            assert bell._former is None
    finally:
        assert signal.set_wakeup_fd(before) == rope.fileno()
        ear.close()
        rope.close()


def test_a_watch_that_could_not_be_set_up() -> None:
    """On another thread than the main one, as `threading` may take it for in an embedded Python."""

    def watch() -> None:
        with _signals.Watch(Waiter()):
            assert bell._watches == []

    bell = _signals._get_bell()
    Call(watch).end()
    assert bell._watches == [] and bell._former is None


def test_an_exception_of_a_cancel_does_not_end_the_listening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(Waiter):
        def wake(self) -> None:
            raise SystemExit

    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda about: printed.append(about.exc_type))
    monkeypatch.setattr(threading, "excepthook", lambda about: printed.append("the end"))
    failing, other = Failing(), Waiter()
    with handled(lambda: None), _signals.Watch(failing), _signals.Watch(other):
        signal.raise_signal(signal.SIGUSR1)
        eventually(lambda: other.wakes)
        other.wakes = 0
        signal.raise_signal(signal.SIGUSR1)
        eventually(lambda: other.wakes)
    assert printed == [SystemExit, SystemExit]
