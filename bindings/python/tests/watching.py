"""What the tests of the event loop count: watches that were not freed, and threads."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from spoolbuf import _readiness
from spoolbuf._library import lib
from support import eventually


class Watching:
    """The library, and the watches that were not freed."""

    def __init__(self) -> None:
        self.left: set[int] = set()

    def sb_when(self, *arguments: Any) -> int:
        result: int = lib.sb_when(*arguments)
        watch: Optional[int] = arguments[-1]._obj.value
        if watch:
            self.left.add(watch)
        return result

    def sb_watch_free(self, watch: ctypes.c_void_p) -> None:
        self.left.remove(watch.value or 0)
        lib.sb_watch_free(watch)


@pytest.fixture
def no_watch_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every watch of a test was freed."""
    watching = Watching()
    monkeypatch.setattr(_readiness, "lib", watching)
    yield
    gc.collect()
    # The library's thread may be about to tell a wait that nobody has any more.
    eventually(lambda: not watching.left)
    assert not _readiness._waits and not _readiness._loops


def threads() -> int:
    """How many threads the process has, those of the library included."""
    if sys.platform == "linux":
        return len(os.listdir("/proc/self/task"))
    return threading.active_count()
