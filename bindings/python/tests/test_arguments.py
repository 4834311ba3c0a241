"""Wrong arguments: the message names the argument and what it should be."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import pytest

from spoolbuf import Cache, PushBuffer, Resource, StreamBuffer


def open_key(key: str) -> bytes:
    return b"bytes"


async def open_later(key: str) -> bytes:
    return b"bytes"


SECONDS: dict[str, Callable[[Any], object]] = {
    "fresh": lambda value: Cache(open_key, fresh=value),
    "idle": lambda value: Cache(open_key, idle=value),
    "timeout": lambda value: Cache(open_key).open("key", timeout=value),
    "timeout of a file": lambda value: StreamBuffer(b"").open(timeout=value),
    "timeout of a read": lambda value: StreamBuffer(b"").read_some(0, 1, timeout=value),
    "timeout of a save": lambda value: StreamBuffer(b"").save(io.BytesIO(), timeout=value),
    "timeout of a search": lambda value: StreamBuffer(b"").find_size(value),
    "timeout of a push": lambda value: PushBuffer().push(0, b"b", timeout=value),
}


@pytest.mark.parametrize("name", SECONDS)
def test_times(name: str) -> None:
    call, name = SECONDS[name], name.split()[0]
    for wrong in ("1", b"1", []):
        with pytest.raises(TypeError, match=f"^{name} must be a number, not "):
            call(wrong)
    for wrong in (-1, -math.inf):
        with pytest.raises(ValueError, match=f"^{name} must not be negative$"):
            call(wrong)
    with pytest.raises(ValueError, match=f"^{name} must be a number$"):
        call(math.nan)
    for right in (None, math.inf, 1e300, 1):
        call(right)


WHOLE: dict[str, Callable[[Any], object]] = {
    "max_memory": lambda value: Cache(open_key, max_memory=value),
    "threads": lambda value: Cache(open_key, threads=value),
    "max_disk": lambda value: Cache(open_key).trim(0, value),
    "buffering": lambda value: StreamBuffer(b"").open("rb", value),
    "buffering of a cache": lambda value: Cache(open_key).open("key", "rb", value),
    "reach": lambda value: StreamBuffer(b"").open(reach=value),
    "offset": lambda value: StreamBuffer(b"").read(value, 1),
    "max_size": lambda value: StreamBuffer(b"", max_size=value),
    "size": lambda value: Resource(b"", value),
    "tag": lambda value: Resource(b"", tag=value),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers(name: str) -> None:
    for wrong in ("1", 1.5):
        with pytest.raises(TypeError, match=f"^{name.split()[0]} must be an integer, not "):
            WHOLE[name](wrong)


def test_callables() -> None:
    with pytest.raises(TypeError, match="^open must be callable, not str$"):
        Cache("url")  # type: ignore[arg-type]
    for make in (StreamBuffer, Resource, StreamBuffer(b"").reopen):
        with pytest.raises(TypeError, match="^cancel must be callable, not int$"):
            make(b"", cancel=5)  # type: ignore[operator]


def test_streams_of_a_cache() -> None:
    for wrong, text in (
        (io.BytesIO, "not the class BytesIO"),
        (open_later("key"), "coroutine is an asynchronous stream"),
    ):
        # A coroutine that nobody awaits is closed, and Python warns of none.
        with Cache(lambda key: wrong) as cache, pytest.raises(TypeError, match=text):
            cache.open("key")


def test_places() -> None:
    buf = StreamBuffer(b"bytes")
    for start in (5, 2**63, 2**64, 2**70):
        assert buf[start:] == buf[start, start + 1] == b""
    with pytest.raises(TypeError, match="object cannot be interpreted as an integer"):
        buf.open().readline("5")  # type: ignore[arg-type]
    for mode in (None, b"rb"):
        with pytest.raises(TypeError, match="^mode must be a str, not "):
            buf.open(mode)  # type: ignore[call-overload]


def test_paths() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        StreamBuffer(b"").save("")
    for make in (lambda: Cache(open_key, spool_dir=""), lambda: StreamBuffer(b"", spool_dir=b"")):
        with pytest.raises(ValueError, match="must not be empty"):
            make()


def test_what_a_cached_buffer_lacks() -> None:
    with Cache(open_key) as cache:
        with pytest.raises(AttributeError, match="'CachedBuffer' object has no attribute 'resume'"):
            cache["key"].resume()  # type: ignore[attr-defined]
