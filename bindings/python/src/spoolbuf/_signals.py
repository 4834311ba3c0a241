"""Signals, while the main thread is blocked in C.

Python runs signal handlers on the main thread, between two bytecode instructions. A call that is
blocked in C until another thread delivers bytes would delay a handler as long. So while the main
thread may block, Python reports signals on a socket (`signal.set_wakeup_fd`), and a thread that
listens there wakes the call. No handler is ever replaced.

An exception that a handler raises where C calls back is caught there: see `_entry`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import socket
import threading
import weakref
from types import TracebackType
from typing import Optional, Protocol

from . import _interpreter
from ._answer import answer_of
from ._entry import report


def _find_main() -> Optional[int]:
    """The thread on which signal handlers run; a subinterpreter has none."""
    return threading.main_thread().ident if _interpreter.is_main else None


_main = _find_main()


def is_main() -> bool:
    """Whether signal handlers run on this thread."""
    return threading.get_ident() == _main


class Waiter(Protocol):
    """A call that may block in C, and can be woken."""

    def wake(self) -> None:
        """Makes the call return now. Any thread may call this."""

    def calm(self) -> None:
        """Undoes a `wake`."""


class Watch:
    """While entered on the main thread, a signal wakes the waiter and sets `rung`."""

    def __init__(self, waiter: Waiter) -> None:
        """Does not listen yet."""
        self.rung = False
        # The descriptor that the bell's took the place of, from then on.
        self.former: dict[None, int] = {}
        self._waiter = waiter
        self._bell: Optional[_Bell] = None

    def __enter__(self) -> Watch:
        self._bell = _get_bell()
        try:
            self._bell.hang(self)
        except BaseException:
            # Perhaps right after it was hung up: `__exit__` is not called then.
            self.end()
            raise
        return self

    def __exit__(
        self,
        _kind: Optional[type[BaseException]],
        _error: Optional[BaseException],
        _traceback: Optional[TracebackType],
    ) -> None:
        self.end()

    def end(self) -> None:
        """What `__exit__` does, if it did not.

        An exception can be raised before its first line. So whoever enters a watch calls this after
        any exception.
        """
        if self._bell is not None:
            self._bell.take_down(self)
            if self.rung:
                self._waiter.calm()
            self._bell = None

    def ring(self) -> None:
        """Wakes the waiter. Called by the bell."""
        self.rung = True
        self._waiter.wake()


def _is_of_c(error: BaseException) -> bool:
    """Whether C code raised it, called by the function that has caught it.

    An exception that a signal handler raised there has a frame of the handler's.
    """
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


# Windows has no such flag.
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)


def _is_readable(ear: socket.socket) -> bool:
    """Whether `recv` does not block. Elsewhere than in Windows, its flag sees to that."""
    return bool(_AT_ONCE) or bool(select.select([ear], [], [], 0)[0])


class _Bell:
    """Wakes the main thread's calls when a signal arrives."""

    def __init__(self) -> None:
        """The listening thread is a daemon: it ends with the interpreter."""
        self._ear, self._rope = socket.socketpair()
        self._rope.setblocking(False)
        # Reentrant: a signal handler may read while the main thread holds it.
        self._lock = threading.RLock()
        # Weak: after a second exception, one may be left that nobody uses.
        self._watches: list[weakref.ref[Watch]] = []
        # The previous wakeup descriptor, usually that of an event loop; None if that is set.
        self._former: Optional[int] = None
        threading.Thread(target=self._listen, name="spoolbuf-signals", daemon=True).start()

    def _listen(self) -> None:
        # What is heard stays in the socket for the thread that has the lock.
        while self._ear.recv(1, socket.MSG_PEEK):
            with self._lock:
                self._ring()
                self._pass_on()

    def _ring(self) -> None:
        """Wakes everybody. The lock is held."""
        for reference in self._watches:
            try:
                if watch := reference():
                    watch.ring()
            except BaseException as error:  # noqa: BLE001
                # Of the user's `cancel`. The listening thread goes on.
                report(error)

    def _pass_on(self) -> None:
        """Gives what was heard to the previous descriptor. The lock is held."""
        try:
            rung = self._ear.recv(64, _AT_ONCE) if _is_readable(self._ear) else b""
            if rung and self._former is not None and self._former >= 0:
                os.write(self._former, rung)
        except OSError as error:
            # It was closed meanwhile, or is full, or nothing was heard.
            if not _is_of_c(error):
                raise

    def hang(self, watch: Watch) -> None:
        """Registers `watch`: from here on a signal rings for it.

        After an exception it may be registered all the same.
        """
        rope = self._rope.fileno()
        call = functools.partial(signal.set_wakeup_fd, rope, warn_on_full_buffer=False)
        watch.former = answer_of(call)
        # First: the end of a read in a signal handler must not reset the descriptor.
        with self._lock:
            self._watches.append(weakref.ref(watch))
        try:
            watch.former[None]
        except ValueError as error:
            if watch.former or not _is_of_c(error):
                raise
            # An embedded Python, in which `threading` takes another thread for the main one.
            self._drop(watch)
        self._note_former(watch)

    def _note_former(self, watch: Watch) -> None:
        """Remembers the descriptor that the bell's has replaced, if it has."""
        if watch.former:
            former = watch.former[None]
            # If equal, it was set already, or an interrupt kept it from being reset.
            if former != self._rope.fileno():
                self._former = former
            elif self._former is None:
                self._former = -1

    def take_down(self, watch: Watch) -> None:
        """Unregisters `watch`, if it is registered: it is not rung after this."""
        try:
            self._take_down(watch)
        except BaseException:
            # This does the rest.
            self._take_down(watch)
            raise

    def _take_down(self, watch: Watch) -> None:
        self._note_former(watch)
        if not self._drop(watch) or self._former is None:
            return
        try:
            signal.set_wakeup_fd(self._former)
        except (ValueError, OSError) as error:
            if not _is_of_c(error):
                raise
            # The previous descriptor was closed meanwhile.
            signal.set_wakeup_fd(-1)
        with self._lock:
            self._pass_on()
            # It may be closed from here on, and its number be that of another file.
            self._former = None

    def _drop(self, watch: Watch) -> bool:
        """Forgets `watch`, and returns whether there is no other."""
        with self._lock:
            others = [other for other in self._watches if other() not in (watch, None)]
            self._watches = others
            return not others

    def forget(self) -> None:
        """Closes the sockets in a forked child, which does not have the thread."""
        with contextlib.suppress(ValueError, OSError):
            former = signal.set_wakeup_fd(-1)
            if former == self._rope.fileno():
                former = -1 if self._former is None else self._former
            signal.set_wakeup_fd(former)
        self._ear.close()
        self._rope.close()


_bell: Optional[_Bell] = None


def _get_bell() -> _Bell:
    """The one bell, created at first use. Only the main thread uses it."""
    global _bell
    if _bell is None:
        _bell = _Bell()
    return _bell


def forget() -> None:
    """In a forked child, the main thread is the one that called fork."""
    global _bell, _main
    _main = _find_main()
    if _bell is not None:
        _bell.forget()
        _bell = None
