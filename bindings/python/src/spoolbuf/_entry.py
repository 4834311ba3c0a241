"""Where C enters Python: in the middle of a `try` block.

An exception can be raised where ctypes calls a Python function, before its first line: by a signal
handler, thrown in by another thread, or at the recursion limit. The function's own `try` can't
catch it. ctypes prints it, it is lost, and C gets an undefined result. So C does not call a
function, but a generator that waits inside its `try`. Everything in between is C code.

The undefined result does no harm: `pull` uses only a count that was set (see `sb_callback`).
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
        self._holder = types.SimpleNamespace(send=None, came=None)
        self._generator: Any = self._begin()
        self.function = prototype(_sender(self._holder, arity))

    def take(self) -> Optional[BaseException]:
        """The exception raised where C entered Python, to be raised once C has returned."""
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
    # Exceptions are raised at jumps too: each loop's jump is inside a `try`, except the last.
    # An exception handler calls nothing: another exception could be raised there.
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
    """Returns a function that calls `holder.send((a, b, …))` without running Python code."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        # Variadic arguments are passed in another way there.
        return lambda *request: holder.send(request)
    numbers = [ctypes.c_uint64] * arity
    call = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.py_object, ctypes.c_char_p, ctypes.c_char_p, *numbers
    )(("PyObject_CallMethod", ctypes.pythonapi))
    return functools.partial(call, holder, b"send", b"((" + b"K" * arity + b"))")
