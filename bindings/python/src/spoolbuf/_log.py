"""The library's log, as messages of Python's `logging`."""

from __future__ import annotations

import atexit
import logging
from typing import Optional

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

# Every logger that was ever set, under the number that C passes. None is dropped: `sb_set_log` may
# have installed it on another thread, or just before an interrupt, and an old one may be at work.
_loggers: dict[int, logging.Logger] = {}


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
    if logger is None:
        code: int = lib.sb_set_log(LogCallback(), None, LogLevel.OFF)
    else:
        # Before the call, which may log.
        _loggers[id(logger)] = logger
        code = lib.sb_set_log(_function, id(logger), _native(level))
    if code != Status.OK:
        raise error_for(code, Details(text_of(code)))


def _native(level: int) -> LogLevel:
    """The library's level that has what a level of `logging` has."""
    wanted = [ours for ours, theirs in _LEVELS.items() if theirs >= level]
    return max(wanted, default=LogLevel.OFF)


def _log(number: int, level: int, message: bytes) -> None:
    # `logging` handles the exceptions of its handlers itself; ctypes prints any other.
    _loggers[number].log(_LEVELS[LogLevel(level)], "%s", message.decode("utf-8", "replace"))


# The one function that C calls. It stays alive as long as the module.
_function = LogCallback(_log)

# No thread of the library may call Python while the interpreter exits.
atexit.register(lib.sb_set_log, LogCallback(), None, 0)
