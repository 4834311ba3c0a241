"""The end of a cache, and of what it has lent: closed, collected, forked, or the interpreter's end."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from spoolbuf import (
    Cache,
    CanceledError,
    InvalidError,
    Resource,
    Status,
    _library,
    _lifetime,
    _native,
    _opener,
    _registry,
)
from calls import Call
from openers import SIZE, WHOLE, Opener, Waits
from programs import run
from support import PATIENCE, eventually


def test_close_with_open_files() -> None:
    opener = Opener()
    cache = Cache(opener)
    file, buf = cache.open("a"), cache["b"]
    assert file.read(5) == WHOLE[:5] and buf[:5] == WHOLE[:5]
    cache.close()
    cache.close()
    assert cache.closed and repr(cache) == "Cache<closed>"
    assert all(stream.closed.is_set() for stream in opener.streams)
    calls = [
        lambda: file.read(),
        lambda: file.seek(0, 2),
        lambda: buf[:],
        lambda: buf.stat(),
        lambda: buf.open(),
        lambda: cache["c"],
        lambda: cache.open("c"),
        lambda: cache.remove("c"),
        cache.clear,
        cache.trim,
        cache.stat,
    ]
    for call in calls:
        with pytest.raises(InvalidError, match="the cache is closed"):
            call()
    file.close()
    buf.close()


@pytest.mark.parametrize("where", ["expect", "is_ending", "wait_for_flights"])
def test_a_close_that_is_interrupted_before_it_begins(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one does it."""

    def fail(*_args: object) -> bool:
        raise KeyboardInterrupt

    opener = Opener()
    cache = Cache(opener)
    assert cache["a"][:5] == WHOLE[:5]
    with monkeypatch.context() as patch:
        if where == "expect":
            patch.setattr(_registry.closes, "expect", fail)
        elif where == "is_ending":
            patch.setattr(_lifetime, "is_ending", fail)
        else:
            patch.setattr(_lifetime, "_ending", True)
            patch.setattr(cache._lender.opener, "wait_for_flights", fail)
        with pytest.raises(KeyboardInterrupt):
            cache.close()
    assert not cache.closed and cache["a"][:5] == WHOLE[:5]
    cache.close()
    assert cache.closed and all(stream.closed.is_set() for stream in opener.streams)


def test_close_ends_blocked_calls() -> None:
    entered, go = threading.Event(), threading.Event()

    def endless() -> Iterator[bytes]:
        entered.set()
        go.wait(PATIENCE)
        yield b"late"

    cache = Cache(lambda key: Resource(endless(), cancel=go.set))
    blocked = Call.inside(entered, lambda: cache["key"].read(0, 5))
    cache.close()
    with pytest.raises(CanceledError):
        blocked.end()


def test_a_buffer_is_opened_when_it_is_used(tmp_path: Path) -> None:
    opener = Opener()
    with Cache(opener) as cache:
        buf = cache["key"]
        assert not buf.closed and repr(buf) == "CachedBuffer<'key'>"
        assert not opener.calls and bool(buf)
        assert len(buf) == buf.size == SIZE and cache.stat().leases == 1
        assert buf[10:20] == WHOLE[10:20] and buf[-1] == WHOLE[-1] and buf[3, 5] == WHOLE[3:5]
        assert buf.save(tmp_path / "saved") == SIZE
        assert (tmp_path / "saved").read_bytes() == WHOLE
        out = bytearray(5)
        assert buf.readinto(5, out) == 5 and out == WHOLE[5:10]
        assert b"".join(buf) == bytes(buf) == WHOLE
        assert asyncio.run(buf.aread(5, 5)) == WHOLE[5:10]
        file = buf.open()
        assert file.read(5) == WHOLE[:5]
        buf.close()
        buf.close()
        assert buf.closed and cache.stat().leases == 0
        for call in (lambda: buf[:], lambda: file.read(), buf.stat, lambda: len(buf)):
            with pytest.raises(InvalidError, match="the buffer is closed"):
                call()
        with cache["other"] as other:
            assert other.read_some(0, 5) == WHOLE[:5]
        never = cache["never"]
        never.close()
        with pytest.raises(InvalidError):
            never[:]
        assert [key for key, _ in opener.calls] == ["key", "other"]


def test_a_buffer_that_is_closed_while_it_opens() -> None:
    opener = Waits()
    with Cache(opener) as cache:
        buf = cache["key"]
        blocked = Call.inside(opener.entered, lambda: buf[:])
        buf.close()
        opener.go.set()
        with pytest.raises(InvalidError):
            blocked.end()
        assert cache.stat().leases == 0


def test_collection() -> None:
    class Back:
        """A stream that keeps the cache alive, and is kept by it."""

        def __init__(self, cache: Cache) -> None:
            self.cache = cache

        def read(self, size: int, /) -> bytes:
            return b"x" * size

    class Fails(Back):
        def read(self, size: int, /) -> bytes:
            raise ConnectionError(self.cache)

    def make(kind: Any) -> Any:
        holder: list[Cache] = []
        cache = Cache(lambda key: kind(holder[0]))
        holder.append(cache)
        file = cache.open("key")
        try:
            file.read(5)
        except ConnectionError:
            pass
        handles.append(cache._lender.handle)
        return weakref.ref(cache._lender), weakref.ref(file)

    handles: list[Optional[int]] = []
    for kind in (Back, Fails):
        references = make(kind)
        for _ in range(20):
            gc.collect()
        assert [reference() for reference in references] == [None, None]
    # The C caches are gone, too.
    stats = _native.CacheStats()
    for handle in handles:
        code = _library.lib.sb_cache_stat(handle, ctypes.byref(stats), ctypes.sizeof(stats))
        assert handle and code == Status.INVALID


def test_a_dropped_file_ends_its_lease_and_keeps_the_cache() -> None:
    opener = Opener()
    cache = Cache(opener)
    file: Any = cache.open("key")
    view: Any = cache["other"]
    view[:5]
    assert cache.stat().leases == 2
    del view
    gc.collect()
    assert cache.stat().leases == 1
    del cache
    gc.collect()
    assert file.read() == WHOLE
    del file
    gc.collect()
    eventually(lambda: all(stream.closed.is_set() for stream in opener.streams))
    assert not _opener.inside


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child() -> None:
    out = run(
        """
import gc, os
from spoolbuf import Cache, InvalidError
class Stream:
    def read(self, size): return b"x" * size
    def close(self): print("closed", os.getpid() == parent, flush=True)
parent = os.getpid()
cache = Cache(lambda key: Stream())
file, buf = cache.open("a"), cache["b"]
file.read(5), buf[:5]
child = os.fork()
if not child:
    for call in (lambda: file.read(99999), lambda: buf[:5], lambda: cache["c"], cache.stat):
        try:
            call()
        except InvalidError as error:
            assert "parent" in str(error), error
        else:
            raise SystemExit("no error")
    file.close(); buf.close(); cache.close()
    del file, buf, cache
    gc.collect()
    with Cache(lambda key: [b"mine"]) as own:
        assert own["key"][:] == b"mine"
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert file.read(5) == b"xxxxx"
file.close(), buf.close()
cache.close()
"""
    )
    assert out == "closed True\n" * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_a_buffer_is_opened() -> None:
    out = run(
        """
import os, signal, threading, warnings
from spoolbuf import Cache, InvalidError
from support import PATIENCE
# Python warns of every fork beside threads.
warnings.simplefilter("ignore")
def open_key(key):
    entered.set()
    go.wait(PATIENCE)
    return [b"bytes"]
entered, go = threading.Event(), threading.Event()
cache = Cache(open_key)
buf = cache["a"]
opening = threading.Thread(target=lambda: print(buf[:]))
opening.start()
entered.wait(PATIENCE)
child = os.fork()
if not child:
    # A hang ends with a status.
    signal.alarm(PATIENCE)
    try:
        buf[:]
    except InvalidError as error:
        os._exit(0 if "parent" in str(error) else 1)
    os._exit(2)
assert os.waitpid(child, 0)[1] == 0
go.set()
opening.join()
cache.close()
"""
    )
    assert out == "b'bytes'\n"


def test_the_end_of_the_interpreter() -> None:
    """Open files, and a function that hangs on a thread of the library."""
    out = run(
        """
import threading
from spoolbuf import Cache, TimedOutError
from support import PATIENCE
def open_key(key):
    if key == "hangs":
        entered.set()
        threading.Event().wait()
    return [b"bytes"]
entered = threading.Event()
cache = Cache(open_key)
file = cache.open("a")
try:
    cache.open("hangs", timeout=0)
except TimedOutError:
    pass
assert entered.wait(PATIENCE)
print(file.read())
"""
    )
    assert out == "b'bytes'\n"
