"""The end of the interpreter, and a fork: what becomes of the buffers that are alive then."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

from . import _aio, _share, _signals, _source

if TYPE_CHECKING:
    from ._core import Core

live: dict[int, weakref.ref[Core]] = {}

_ending = False


def is_ending() -> bool:
    """Whether the interpreter ends, and all buffers are closed."""
    return _ending


def park() -> None:
    """Keeps a daemon thread where it is, as Python does with all of them a moment later.

    An exception would have it print while the interpreter ends, and that is how Python 3.13t hangs.
    """
    while threading.current_thread().daemon:
        time.sleep(3600)


def _close_all() -> None:
    """At the interpreter's end: no thread may come back into Python after that."""
    global _ending
    _ending = True
    for reference in list(live.values()):
        if buffer := reference():
            buffer.close()
    # A stream that does not return for so long hardly will in the moment that is left.
    _source.wait_for_all(2.0)


def _after_fork() -> None:
    """In a forked child: nothing of the parent's can be used, or may be closed here."""
    for reference in list(live.values()):
        if buffer := reference():
            buffer._handle = None
            buffer._why_closed = "the buffer belongs to the parent process"
    live.clear()
    _source.leave_to_parent()
    _share.forget()
    _signals.forget()
    _aio.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
