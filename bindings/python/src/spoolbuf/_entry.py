"""Where C enters Python: in the middle of a `try`.

An exception can come where ctypes calls a Python function, before its first line: from a signal's
handler, thrown in by another thread, at the recursion limit. No `try` of the function's own catches
it. ctypes prints it, it is lost, and C gets an undefined result. So what C calls is no function, but
a generator that waits inside its `try`, and everything between ctypes and the generator is C.

The undefined result does no harm: `pull` counts only what was set (see `sb_callback`).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import platform
import sys
import types
import weakref
from collections.abc import Callable, Generator
from typing import Any, Optional, Protocol

from ._errors import SourceError

Request = tuple[int, ...]


class Server(Protocol):
    """Who handles C's calls."""

    def serve(self, request: Request) -> int:
        """Returns what C gets."""
        ...


class Entry:
    """A function for C, which calls a server. The server is not kept alive by it."""

    def __init__(
        self, prototype: Callable[[Any], Any], arity: int, server: Server, given_up: int
    ) -> None:
        """`prototype` is made by CFUNCTYPE, for `arity` whole numbers and an int as the result.

        C gets `given_up` where an exception came before the server was called, or out of it.
        """
        self._begun = (weakref.ref(server), given_up)
        # `send` is looked up at each call, so that another generator can take the place of one that
        # is over. `came` is an exception that is to be raised when C is back.
        self._holder = types.SimpleNamespace(send=None, came=None)
        self._generator: Any = self._begin()
        self.function = prototype(_sender(self._holder, arity))

    def take(self) -> Optional[BaseException]:
        """What came where C entered Python; once C is back, it is to be raised."""
        came: Optional[BaseException] = self._holder.came
        self._holder.came = None
        if self._generator.gi_frame is None:
            self._generator = self._begin()
            came = came or SourceError(
                errno.EIO, "Python could not be entered: it is at the recursion limit"
            )
        return came

    def _begin(self) -> Any:
        generator = _serve(self._holder, *self._begun)
        next(generator)
        self._holder.send = generator.send
        return generator


def _serve(
    holder: types.SimpleNamespace, reference: weakref.ref[Server], given_up: int
) -> Generator[int, Request, None]:
    result = given_up
    # Exceptions come at jumps too, so each loop's is inside a `try`, except for the outermost one's.
    # A handler of an exception calls nothing: another one could come there.
    while True:
        try:
            while True:
                try:
                    while True:
                        answer, result = result, given_up
                        request = yield answer
                        server = reference()
                        if server is not None:
                            result = server.serve(request)
                            server = None
                except GeneratorExit:
                    return
                except BaseException as error:  # noqa: BLE001
                    if holder.came is None:
                        holder.came = error
        except GeneratorExit:
            return
        except BaseException as error:  # noqa: BLE001
            if holder.came is None:
                holder.came = error


def _sender(holder: types.SimpleNamespace, arity: int) -> Callable[..., Any]:
    """Calls `holder.send((a, b, …))`, without a line of Python's."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        # Variable arguments are passed in another way there.
        return lambda *request: holder.send(request)
    numbers = [ctypes.c_uint64] * arity
    call = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.py_object, ctypes.c_char_p, ctypes.c_char_p, *numbers
    )(("PyObject_CallMethod", ctypes.pythonapi))
    return functools.partial(call, holder, b"send", b"((" + b"K" * arity + b"))")
