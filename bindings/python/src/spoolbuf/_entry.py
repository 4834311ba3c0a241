"""Where C enters Python: in the middle of a `try`.

An exception can come where ctypes calls a Python function, before its first line: from a signal's
handler, thrown in by another thread, at the recursion limit. No `try` of the function's own catches
it. ctypes prints it, it is lost, and C gets an undefined result. So what C calls is no function, but
a generator that waits inside its `try`, and everything between ctypes and the generator is C.

The undefined result does no harm: `pull` counts only what was set (see `sb_callback`).
"""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
import types
import weakref
from collections.abc import Callable, Generator
from typing import Any, Protocol

Request = tuple[int, ...]


class Server(Protocol):
    """Who handles C's calls."""

    def serve(self, request: Request) -> int:
        """Returns what C gets."""
        ...

    def interrupted(self, error: BaseException) -> int:
        """The same, where `error` came before or after `serve`."""
        ...


class Entry:
    """A function for C, which calls a server. The server is not kept alive by it."""

    def __init__(self, prototype: Callable[[Any], Any], arity: int, server: Server) -> None:
        """`prototype` is made by CFUNCTYPE, for `arity` whole numbers and an int as the result."""
        self._server = weakref.ref(server)
        # Looked up at each call, so that another generator can take the place of one that is over.
        self._holder = types.SimpleNamespace()
        self._generator: Any = self._begin()
        self.function = prototype(_sender(self._holder, arity))

    def mend(self) -> None:
        """Starts anew if the generator is over, as it is after the recursion limit."""
        if self._generator.gi_frame is None:
            self._generator = self._begin()

    def _begin(self) -> Any:
        generator = _serve(self._server)
        next(generator)
        self._holder.send = generator.send
        return generator


def _serve(reference: weakref.ref[Server]) -> Generator[int, Request, None]:
    result = 0
    while True:
        try:
            # Also the jump back is inside the `try`: exceptions come at jumps.
            while True:
                request = yield result
                result = -1
                server = reference()
                if server is not None:
                    result = server.serve(request)
                    server = None
        except GeneratorExit:
            return
        except BaseException as error:  # noqa: BLE001
            result = -1
            server = reference()
            if server is not None:
                result = server.interrupted(error)
                server = None


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
