"""Where C enters Python: in the middle of a `try` block.

An exception can be raised where ctypes calls a Python function, before its first line: by a signal
handler, thrown in by another thread, or at the recursion limit. The function's own `try` can't
catch it. ctypes prints it, it is lost, and C gets an undefined result. So C does not call a
function, but a generator that waits inside its `try`. Everything in between is C code.

If not even the generator can be entered, at the recursion limit, the undefined result does no harm:
`pull` uses only a count that was set (see `sb_callback`), an opener's source that was not set is
refused (see `sb_opener_fn`), and `close` and `cancel` have no result. `size` is called only after a
`pull` that could be entered at the same depth.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import platform
import sys
import threading
import types
import weakref
from collections.abc import Callable, Generator
from typing import Any, Optional, Protocol

from ._errors import SourceError
from ._native import NotifyCallback

Request = tuple[int, ...]


class Server(Protocol):
    """Handles the calls from C."""

    def serve(self, request: Request) -> int:
        """Returns the result for C."""
        ...


class Entry:
    """A function for C that calls a server. It does not keep the server alive."""

    def __init__(
        self, prototype: Callable[[Any], Any], arity: int, server: Server, given_up: int
    ) -> None:
        """`prototype` is made by CFUNCTYPE, for `arity` integers and an int as the result.

        C gets `given_up` if an exception is raised before the server is called, or by it.
        """
        self._begun = (weakref.ref(server), given_up)
        # `send` is looked up at each call, so that a new generator can replace a finished one.
        # `came` is an exception to raise once C has returned.
        self._holder = _holder()
        self._generator: Any = self._begin()
        self.function = prototype(_sender(self._holder, arity))

    def take(self) -> Optional[BaseException]:
        """The exception raised where C entered Python, to be raised once C has returned."""
        if self._generator.gi_frame is not None and self._holder.came is None:
            return None
        came = _taken(self._holder, self._generator)
        if self._generator.gi_frame is None:
            self._generator = self._begin()
        return came

    def _begin(self) -> Any:
        generator = _serve(self._holder, *self._begun)
        next(generator)
        self._holder.closed = False
        self._holder.send = generator.send
        return generator


class Notices:
    """A C callback that several threads may call at once. It returns 0, unless `serve` is overridden.

    `expect` and the way's `take` enclose a C call that may call back, or `attend` follows each one.

    A running generator can't be entered, so each thread has its own, and another one for a call
    inside the callback. A thread of the library has none: Python knows it only during the callback,
    so that no other thread throws an exception into it.
    """

    def __init__(
        self,
        serve: Callable[..., object],
        prototype: Callable[[Any], Any] = NotifyCallback,
        arity: int = 1,
        given_up: int = 0,
    ) -> None:
        """`serve` is called with the integers that C passes: the number of the source.

        C gets `given_up` if an exception is raised before it is called, or by it.
        """
        self._serve = serve
        self._given_up = given_up
        self._thread = _Thread(self.serve)
        self.function = prototype(_sender(self._thread, arity))

    def serve(self, request: Request) -> int:
        """Called by the generator."""
        self._serve(*request)
        return 0

    def expect(self) -> Way:
        """To be called before a C call that may call back on this thread."""
        thread = self._thread
        way = thread.way
        if way is None or not way.is_free():
            # It stays: when this one is free again, so is the thread.
            way = Way(self, self._given_up)
            thread.way, thread.send = way, way.send
        return way

    def attend(self) -> Optional[BaseException]:
        """To be called after each C call: the exception to raise, if any.

        For a callback that C does not call inside itself. It makes the thread ready for the next.
        """
        way = self._thread.way
        if way is not None and way.is_entered():
            return None
        came = None if way is None else way.take_raised()
        self.expect()
        return came

    def has_raised(self) -> bool:
        """Whether `attend` has an exception for this thread, which is on its way out then."""
        way = self._thread.way
        return way is not None and way.has_raised()


class _Thread(threading.local):
    """What a thread uses to enter Python."""

    def __init__(self, send: Callable[[Request], object]) -> None:
        self.send = send
        self.way: Optional[Way] = None


class Way:
    """A way into Python, and the exception raised on it."""

    def __init__(self, server: Server, given_up: int = 0) -> None:
        """The way keeps the server alive."""
        self._holder = _holder()
        self._generator: Any = _serve(self._holder, lambda: server, given_up)
        next(self._generator)
        self.send = self._generator.send

    def is_free(self) -> bool:
        """Whether it can be used: nobody does, and `take` has nothing to return."""
        generator = self._generator
        return (
            self._holder.came is None
            and not generator.gi_running
            and generator.gi_frame is not None
        )

    def is_entered(self) -> bool:
        """Whether this thread is inside it."""
        running: bool = self._generator.gi_running
        return running

    def has_raised(self) -> bool:
        """Whether an exception was raised on it, and nobody has taken it yet."""
        return self._holder.came is not None

    def take(self) -> Optional[BaseException]:
        """The exception to raise, if any. The callback's work may not have been done then."""
        return _taken(self._holder, self._generator)

    def undone(self) -> list[Request]:
        """The calls whose work may not have been done. Asked before `take`.

        One is missing if the exception was raised where Python was entered.
        """
        requests: list[Request] = []
        rest = self._holder.undone
        while rest is not None:
            request, rest = rest
            requests.append(request)
        return requests

    def take_raised(self) -> Optional[BaseException]:
        """The exception that was raised on it, if any. Python may not have been entered then."""
        came: Optional[BaseException] = self._holder.came
        self._holder.came = self._holder.undone = None
        return came


def _holder() -> types.SimpleNamespace:
    return types.SimpleNamespace(
        send=None, came=None, request=None, undone=None, closed=False, missed=None
    )


def _taken(holder: types.SimpleNamespace, generator: Any) -> Optional[BaseException]:
    came: Optional[BaseException] = holder.came
    if generator.gi_frame is None:
        if came is None and holder.missed is not generator and not holder.closed:
            came = SourceError(
                errno.EIO, "Python could not be entered: it is at the recursion limit"
            )
        # Once: an exception may leave this function, or `Entry.take` before it begins again.
        holder.missed = generator
    holder.came = holder.undone = None
    return came


def _serve(
    holder: types.SimpleNamespace, reference: Callable[[], Optional[Server]], given_up: int
) -> Generator[int, Request, None]:
    result = given_up
    # A generator may outlive the builtins of a subinterpreter that ends.
    leaving = GeneratorExit
    # Exceptions are raised at jumps too: each loop's jump is inside a `try`, except the last.
    # An exception handler calls nothing: another exception could be raised there.
    # If there is no request, the garbage collector closes this generator. A generator that is
    # suspended in `Source.reading`, and calls `take`, may be closed after it.
    while True:
        try:
            while True:
                try:
                    while True:
                        answer, result = result, given_up
                        holder.request = None
                        holder.request = request = yield answer
                        server = reference()
                        if server is not None:
                            result = server.serve(request)
                            server = None
                except leaving:
                    holder.closed = holder.request is None
                    return
                except BaseException as error:  # noqa: BLE001
                    if holder.came is None:
                        holder.came = error
                    if holder.request is not None:
                        holder.undone = (holder.request, holder.undone)
        except leaving:
            holder.closed = holder.request is None
            return
        except BaseException as error:  # noqa: BLE001
            if holder.came is None:
                holder.came = error


def _sender(holder: Any, arity: int) -> Callable[..., Any]:
    """Calls `holder.send((a, b, …))`, without a line of Python's."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        # Variadic arguments are passed in another way there.
        return lambda *request: holder.send(request)
    numbers = [ctypes.c_uint64] * arity
    call = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.py_object, ctypes.c_char_p, ctypes.c_char_p, *numbers
    )(("PyObject_CallMethod", ctypes.pythonapi))
    return functools.partial(call, holder, b"send", b"((" + b"K" * arity + b"))")


def _raise(error: BaseException) -> None:
    raise error


# Prints an exception that nobody raises: ctypes does that for a callback.
report: Any = ctypes.PYFUNCTYPE(None, ctypes.py_object)(_raise)
