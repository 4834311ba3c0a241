"""What the tests share: bytes that are a function of their offset, streams of them, and SKIPPED."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import NoReturn

# After this many seconds, what a test waits for hangs. A busy machine needs less.
PATIENCE = 300

# A prime, so that no power of two is a multiple of it.
PERIOD = 1048573
_base = hashlib.shake_128(b"spoolbuf").digest(PERIOD)


def _turned(turn: int) -> bytes:
    """The period once more, different from the others at each place."""
    return _base.translate(bytes((value + 37 * turn) % 256 for value in range(256)))


_turns: dict[int, bytes] = {}


def data(offset: int, size: int) -> bytes:
    """The bytes that stand at an offset; a misplaced one shows."""
    parts = []
    while size > 0:
        turn, start = divmod(offset, PERIOD)
        part = _turns.setdefault(turn % 256, b"") or _turned(turn % 256)
        _turns[turn % 256] = part
        parts.append(part[start : start + size])
        offset, size = offset + len(parts[-1]), size - len(parts[-1])
    return b"".join(parts)


def chunks(size: int, chunk: int = 4096, start: int = 0) -> Iterator[bytes]:
    """A stream of `size` bytes."""
    for offset in range(start, size, chunk):
        yield data(offset, min(chunk, size - offset))


def eventually(true: Callable[[], object]) -> None:
    """Waits for what another thread is about to do, for `PATIENCE` at most."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


def skip(what: str, why: str) -> NoReturn:
    """A test that needs something absent says so loudly, or fails where nothing may be absent."""
    # Not at the top: what makes the bytes also runs where there is no pytest.
    import pytest

    if os.environ.get("SPOOLBUF_REQUIRE_ALL") and not is_absent(what):
        pytest.fail(f"{what} is required: {why}")
    print(f"\nSKIPPED: {what} ({why})", file=sys.__stderr__, flush=True)
    pytest.skip(f"{what}: {why}")


def need(name: str) -> ModuleType:
    """Imports a package that the test needs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        skip(name, str(error))


def is_absent(name: str) -> bool:
    """Whether the runner tried in vain to install a package, and answers for that itself."""
    package = {"PIL.Image": "pillow", "pyright": "pyright[nodejs]"}.get(name, name)
    return package in os.environ.get("SPOOLBUF_ABSENT", "").split()
