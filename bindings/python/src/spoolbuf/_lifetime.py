"""What happens to live buffers and caches when the interpreter exits, and in a forked child."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from typing import Protocol

from . import _registry, _share, _signals


class Live(Protocol):
    """A buffer or a cache that is open."""

    def close(self) -> None:
        """Releases everything."""
        ...

    def _leave_to_parent(self) -> None:
        """Releases nothing, since all of it is the parent's."""
        ...


live: dict[int, weakref.ref[Live]] = {}

_ending = False


def is_ending() -> bool:
    """Whether the interpreter is exiting and all of them are being closed."""
    return _ending


def park() -> None:
    """Blocks a daemon thread for good, as Python does with all of them a moment later.

    An exception would make it print while the interpreter exits, which makes Python 3.13t hang.
    """
    while threading.current_thread().daemon:
        time.sleep(3600)


def _close_all() -> None:
    """Closes all of them at exit: no thread may return into Python after that."""
    global _ending
    _ending = True
    # An exception of one must not keep the others open.
    with contextlib.ExitStack() as stack:
        # A stream that does not return within this time hardly will in the little that is left.
        stack.callback(_registry.wait_for_all, 2.0)
        for reference in list(live.values()):
            if buffer := reference():
                stack.callback(buffer.close)


def _after_fork() -> None:
    """In a forked child: nothing that belongs to the parent can be used, or may be closed."""
    for reference in list(live.values()):
        if buffer := reference():
            buffer._leave_to_parent()
    live.clear()
    _registry.leave_to_parent()
    _share.forget()
    _signals.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
