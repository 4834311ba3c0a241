"""A hang is a failure, with everybody's stack; and no test leaves a stream behind."""

from __future__ import annotations

import faulthandler
import gc
import sys
import time
from collections.abc import Iterator

import pytest

from spoolbuf import _registry
from support import PATIENCE
from watching import no_watch_left as no_watch_left


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """Waits that end the test itself come first. Tests that take longer are `slow`."""
    faulthandler.dump_traceback_later(3 * PATIENCE, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def slow() -> None:
    """For tests that run compilers and type checkers, each of which may take minutes."""
    faulthandler.dump_traceback_later(1800, exit=True, file=sys.__stderr__)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What a test made and dropped is collected, and the streams are let go of."""
    before = set(_registry.sources)
    yield
    # A stream's close may still run on the library's own thread.
    until = time.monotonic() + PATIENCE
    gc.collect()
    while left := set(_registry.sources) - before:
        assert time.monotonic() < until, f"streams are left: {left}"
        time.sleep(0.01)
        gc.collect()
