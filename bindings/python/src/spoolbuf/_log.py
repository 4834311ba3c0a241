"""The library's log, as messages of Python's `logging`."""

from __future__ import annotations

import atexit
import logging
import os
from typing import Any, Optional

from ._details import Details
from ._errors import error_for
from ._handle import text_of
from ._native import LogCallback, LogLevel, Status, lib

_LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARN: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}

# The function that C calls, which has to stay alive as long as it may.
_current: Any = None


def set_log(logger: Optional[logging.Logger], level: int = logging.WARNING) -> None:
    """Has messages about all buffers of the process go to a logger; None, the default, to none.

    `level` is the least important level that is wanted: what is below it costs nothing. Messages
    come on the threads that use buffers, and on the library's own. Reading a buffer in a handler
    raises `ReentrantError` if that would ask its stream.

    >>> import logging, spoolbuf
    >>> spoolbuf.set_log(logging.getLogger("spoolbuf"), logging.DEBUG)
    >>> spoolbuf.StreamBuffer([b"by", b"tes"])[:]
    b'bytes'
    >>> spoolbuf.set_log(None)
    """
    global _current
    if logger is None:
        function, native = LogCallback(), LogLevel.OFF
    else:
        function, native = LogCallback(_bridge(logger)), _native(level)
    code: int = lib.sb_set_log(function, None, native)
    if code != Status.OK:
        raise error_for(code, Details(text_of(code)))
    # Only now: C may have been inside the function before.
    _current = function


def _native(level: int) -> LogLevel:
    """The library's level that has what a level of `logging` has."""
    wanted = [ours for ours, theirs in _LEVELS.items() if theirs >= level]
    return max(wanted, default=LogLevel.OFF)


def _bridge(logger: logging.Logger) -> Any:
    def call(_opaque: object, level: int, message: bytes) -> None:
        # `logging` handles the exceptions of its handlers itself; ctypes prints any other.
        logger.log(_LEVELS[LogLevel(level)], "%s", message.decode("utf-8", "replace"))

    return call


# No thread of the library may call Python while the interpreter exits.
atexit.register(lib.sb_set_log, LogCallback(), None, 0)


def _after_fork() -> None:
    global _current
    # C has no log in the child, but the parent's function may be running in this thread.
    _parents.append(_current)
    _current = None


_parents: list[Any] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
