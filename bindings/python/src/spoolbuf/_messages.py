"""How C calls the log, which any function of the library may do."""

from __future__ import annotations

import ctypes
import functools
import logging

from . import _attention
from ._codes import LogLevel
from ._entry import Notices
from ._native import LogCallback
from ._once import tell

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
    _attention.attend(_notices)
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


# `sb_log_fn` with its pointers as integers.
_Integers = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_size_t)
_notices = Notices(_log, _Integers, 3)
# The one function that C calls. It stays alive as long as the module.
function = ctypes.cast(_notices.function, LogCallback)
