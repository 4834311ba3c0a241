"""The library's log, as messages of Python's `logging`."""

from __future__ import annotations

import atexit
import logging
from typing import Optional

from . import _messages
from ._codes import LogLevel, Status
from ._details import Details
from ._errors import error_for
from ._handle import text_of
from ._library import lib
from ._native import LogCallback


def set_log(logger: Optional[logging.Logger], level: int = logging.WARNING) -> None:
    """Has messages about all buffers of the process go to a logger; None, the default, to none.

    `level` is the least important level that is wanted: what is below it costs nothing. Messages
    come on the threads that use buffers, and on the library's own. Reading a buffer in a handler
    raises `ReentrantError` if that would ask its stream. Ctrl-C in a handler is raised by the call
    that the message is about.

    >>> import logging, spoolbuf
    >>> spoolbuf.set_log(logging.getLogger("spoolbuf"), logging.DEBUG)
    >>> spoolbuf.StreamBuffer([b"by", b"tes"])[:]
    b'bytes'
    >>> spoolbuf.set_log(None)
    """
    if logger is None:
        code: int = lib.sb_set_log(LogCallback(), None, LogLevel.OFF)
    else:
        number = _messages.number_of(logger)
        code = lib.sb_set_log(_messages.function, number, _native(level))
    if code != Status.OK:
        raise error_for(code, Details(text_of(code)))


def _native(level: int) -> LogLevel:
    """The library's level that has what a level of `logging` has."""
    wanted = [ours for ours, theirs in _messages.LEVELS.items() if theirs >= level]
    return max(wanted, default=LogLevel.OFF)


# No thread of the library may call Python while the interpreter exits.
atexit.register(lib.sb_set_log, LogCallback(), None, 0)
