"""How C calls the log, and how an exception there gets to the caller of C.

Any function of the library may log, so ctypes looks for the exception after each of them: it calls
a function's `errcheck` with the result. That costs half a microsecond, once a log was set.
"""

from __future__ import annotations

import ctypes
import functools
import logging
from typing import Any

from ._entry import Notices, tell
from ._native import PROTOTYPES, LogCallback, LogLevel, lib

LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARN: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}

# Every logger that was ever set, under the number that C passes. None is dropped: `sb_set_log` may
# have installed it on another thread, or just before an interrupt, and an old one may be at work.
_loggers: dict[int, logging.Logger] = {}


def number_of(logger: logging.Logger) -> int:
    """The number to pass to C. C may be given it, and `function`, from here on."""
    _loggers[id(logger)] = logger
    for name in PROTOTYPES:
        getattr(lib, name).errcheck = _check
    # Makes this thread ready.
    _notices.expect()
    return id(logger)


def has_raised() -> bool:
    """Whether this thread raises an exception of the log once its C call has returned."""
    return _notices.has_raised()


def _log(number: int, level: int, message: int) -> None:
    line = ctypes.string_at(message).decode("utf-8", "replace")
    log = functools.partial(_loggers[number].log, LEVELS[LogLevel(level)], "%s", line)
    # `logging` handles the exceptions of its handlers itself; this prints any other. What is no
    # Exception, as Ctrl-C, is raised.
    tell(log)


def _check(result: Any, _function: object, _arguments: object) -> Any:
    came = _notices.attend()
    if came is not None:
        try:
            raise came
        finally:
            # Breaks the cycle between the exception and this frame.
            del came
    return result


# `sb_log_fn` with its pointers as integers.
_Integers = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_size_t)
_notices = Notices(_log, _Integers, 3)
# The one function that C calls. It stays alive as long as the module.
function = ctypes.cast(_notices.function, LogCallback)
