"""A cache: one budget for many streams, one open for each key, and every failure as itself."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

import spoolbuf
from spoolbuf import (
    Cache,
    CanceledError,
    InvalidError,
    ReentrantError,
    Resource,
    ShortError,
    SourceError,
    Status,
    StreamBuffer,
    TimedOutError,
    UnsupportedError,
    _native,
    _opener,
)
from support import chunks, data

SIZE = 300_000
WHOLE = data(0, SIZE)


class Stream:
    """A stream that tells whether it was closed."""

    def __init__(self, size: int = SIZE) -> None:
        self.rest = chunks(size)
        self.closed = threading.Event()

    def read(self, size: int, /) -> bytes:
        return next(self.rest, b"")

    def close(self) -> None:
        self.closed.set()


class Opener:
    """Opens streams, and remembers them."""

    def __init__(self, tag: int = 0, size: int = SIZE) -> None:
        self.tag = tag
        self.size = size
        self.calls: list[tuple[Any, int]] = []
        self.streams: list[Stream] = []

    def __call__(self, key: Any, old_tag: int) -> Resource:
        self.calls.append((key, old_tag))
        self.streams.append(Stream(self.size))
        return Resource(self.streams[-1], self.size, self.tag)


def eventually(true: Any) -> None:
    """Waits for what another thread does."""
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError


def test_hits_and_misses() -> None:
    opener = Opener()
    with Cache(opener) as cache:
        with cache.open("a") as file:
            assert file.read() == WHOLE
            assert isinstance(file, spoolbuf.StreamFile) and file.name == "a"
            assert cache.stat().leases == 1
        assert opener.streams[0].closed.is_set()
        with cache.open("a", buffering=0) as raw:
            assert isinstance(raw, spoolbuf.RawStreamFile)
            assert raw.seek(-5, 2) == SIZE - 5 and raw.readall() == WHOLE[-5:]
        stats = cache.stat()
        assert (stats.hits, stats.misses, stats.entries, stats.leases) == (1, 1, 1, 0)
        assert stats.pulled == SIZE and stats.opening == 0
        assert opener.calls == [("a", 0)]


def test_keys() -> None:
    opener = Opener()
    with Cache(opener) as cache:
        keys: list[Any] = ["a", b"a", "\xe9\udc80", b"\0\xff", "x" * 4095, b"y" * 4095]
        for key in keys * 2:
            assert cache[key].read(1, 2) == WHOLE[1:3]
        assert {key for key, _ in opener.calls} == set(keys)
        for bad in ("", b"", "x" * 4096, "\xe9" * 2048):
            with pytest.raises(ValueError):
                cache.open(bad)
        for wrong in (1, None, bytearray(b"a"), ("a",)):
            for call in (cache.open, cache.remove, cache.__getitem__):
                with pytest.raises(TypeError):
                    call(wrong)  # type: ignore[operator]
        with pytest.raises(TypeError):
            "a" in cache  # type: ignore[operator]
        with pytest.raises(TypeError):
            iter(cache)  # type: ignore[call-overload]
        for mode in ("w", "r"):
            with pytest.raises(ValueError):
                cache.open("new", mode)
        assert "new" not in {key for key, _ in opener.calls}


def test_whatever_a_buffer_takes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    streams = {
        "bytes": lambda: WHOLE,
        "generator": lambda: chunks(SIZE),
        "file": lambda: path.open("rb"),
        "memory": lambda: io.BytesIO(WHOLE),
        "buffer": lambda: StreamBuffer(WHOLE),
        "resource": lambda: Resource(chunks(SIZE), size=lambda: SIZE),
    }
    with Cache(lambda key: streams[key]()) as cache:
        for key in streams:
            with cache.open(key) as file:
                assert file.read(10) == WHOLE[:10]
                assert file.seek(-10, 2) == SIZE - 10 and file.read() == WHOLE[-10:]
        with Cache(lambda key: cache[key]) as above:
            assert above["file"][:] == WHOLE


def test_the_old_tag_is_passed_to_who_wants_it() -> None:
    seen: list[tuple[object, ...]] = []

    def optional(key: str, data: Optional[bytes] = None) -> bytes:
        seen.append((key, data))
        return b"x"

    def named(key: str, old_tag: int = 7) -> bytes:
        seen.append((key, old_tag))
        return b"x"

    def star(*both: object) -> bytes:
        seen.append(both)
        return b"x"

    for call in (optional, named, star):
        with Cache(call) as cache:
            assert cache["k"][:] == b"x"
    assert seen == [("k", None), ("k", 0), ("k", 0)]


@pytest.mark.parametrize("fails", [False, True])
def test_one_open_for_sixteen_threads(fails: bool) -> None:
    entered, go = threading.Event(), threading.Event()
    calls: list[str] = []
    raised = ConnectionError("refused")

    def open_key(key: str) -> Iterator[bytes]:
        calls.append(key)
        entered.set()
        assert go.wait(60)
        if fails:
            raise raised
        return chunks(SIZE)

    results: list[object] = []

    def use() -> None:
        try:
            with cache.open("key") as file:
                results.append(file.read() == WHOLE)
        except BaseException as error:
            results.append(error)

    with Cache(open_key) as cache:
        threads = [threading.Thread(target=use) for _ in range(16)]
        for thread in threads:
            thread.start()
        assert entered.wait(60)
        # Those who wait have a lease to come: the open itself has none.
        eventually(lambda: cache._lender.opener.origins(b"skey").opens == 16)
        time.sleep(0.2)
        go.set()
        for thread in threads:
            thread.join()
        assert len(results) == 16
        if not fails:
            assert results == [True] * 16 and len(calls) == 1
            return
        assert all(result is raised for result in results)
        count = len(calls)
        assert count < 16
        fails = False
        assert cache["key"][:] == WHOLE
        assert len(calls) == count + 1
        assert not cache._lender.opener.origins(b"skey").failures


def test_the_exception_of_open_is_not_remembered() -> None:
    errors: list[BaseException] = [LookupError("first"), SystemExit(3), ConnectionError("third")]
    left = list(errors)

    def open_key(key: str) -> bytes:
        if left:
            raise left.pop(0)
        return b"bytes"

    with Cache(open_key) as cache:
        for error in errors[:2]:
            with pytest.raises(type(error)) as caught:
                cache.open("key")
            assert caught.value is error
            # The traceback begins here, and ends in the function.
            assert caught.traceback[-1].name == "open_key"
        with pytest.raises(ConnectionError):
            cache.open("key", timeout=60)
        assert cache["key"][:] == b"bytes"


def test_wrong_results_of_open() -> None:
    result: Any = None
    with Cache(lambda key: result) as cache:
        for result, kind, text in (
            (None, TypeError, "returned None"),
            (5, TypeError, "int"),
            ("text", TypeError, "str"),
            (Resource(None), ValueError, "no stream"),
            (Resource(None, tag=5), ValueError, "no stream"),
        ):
            with pytest.raises(kind, match=text):
                cache["key"][:]
        result = b"bytes"
        assert cache["key"][:] == b"bytes"
    for tag in (-1, 2**64):
        with pytest.raises(ValueError):
            Resource(b"", tag=tag)
    with pytest.raises(TypeError):
        Cache(5)  # type: ignore[arg-type]


def test_an_exception_in_a_stream() -> None:
    raised = [ConnectionError("cut"), ConnectionError("again")]

    def cut(nth: int) -> Iterator[bytes]:
        yield WHOLE[:1000]
        raise raised[nth]

    opened: list[object] = []

    def open_key(key: str) -> Iterator[bytes]:
        opened.append(key)
        return cut(len(opened) - 1) if len(opened) < 3 else chunks(SIZE)

    with Cache(open_key) as cache:
        with cache.open("key") as file, cache.open("key", 0) as raw:
            assert file.read(2000) == WHOLE[:1000]
            for read in (lambda: file.read(1), lambda: file.read(), lambda: raw.readall()):
                with pytest.raises(ConnectionError) as caught:
                    read()
                assert caught.value is raised[0]
            assert raised[0].partial == WHOLE[:1000]  # type: ignore[attr-defined]
            # What failed is opened anew, and this one keeps its bytes and its exception.
            with cache.open("key") as other:
                assert other.read(1000) == WHOLE[:1000]
                with pytest.raises(ConnectionError) as caught:
                    other.read(1)
                assert caught.value is raised[1]
                with pytest.raises(ConnectionError) as caught:
                    file.read(1)
                assert caught.value is raised[0]
            file.seek(0)
            assert file.read(1000) == WHOLE[:1000]
        assert cache["key"][:] == WHOLE
        assert len(opened) == 3


def test_an_exception_on_a_thread_of_the_library() -> None:
    raised = ConnectionError("cut")

    def cut() -> Iterator[bytes]:
        yield WHOLE[:1000]
        raise raised

    with Cache(lambda key: cut(), prefetch=SIZE) as cache:
        with cache.open("key", timeout=60) as file:
            assert file.read(1000) == WHOLE[:1000]
            with pytest.raises(ConnectionError) as caught:
                file.read(1)
            assert caught.value is raised


def test_an_end_that_comes_too_early() -> None:
    with Cache(lambda key: Resource(chunks(1000), size=2000)) as cache:
        with pytest.raises(ShortError) as caught:
            cache["key"][:]
        assert (caught.value.received, caught.value.declared) == (1000, 2000)
    with Cache(lambda key: Resource(chunks(1000), size=2000), on_short="end") as cache:
        assert cache["key"][:] == WHOLE[:1000]
    with pytest.raises(ValueError):
        Cache(lambda key: b"", on_short="maybe")  # type: ignore[arg-type]


def test_revalidation() -> None:
    opener = Opener(tag=5)
    answers: list[Optional[Resource]] = []

    def open_key(key: str, old_tag: int) -> Resource:
        resource = opener(key, old_tag)
        return (answers.pop(0) if answers else None) or resource

    with Cache(open_key, fresh=0) as cache:
        assert cache["key"][:] == WHOLE
        time.sleep(0.02)
        answers.append(Resource(None, tag=5))
        first = cache.open("key")
        assert first.read(5) == WHOLE[:5] and cache.stat().pulled == SIZE
        time.sleep(0.02)
        assert cache["key"][:5] == WHOLE[:5] and cache.stat().pulled == SIZE
        assert opener.streams[-1].closed.is_set()
        time.sleep(0.02)
        answers.append(Resource(b"other", tag=6))
        assert cache["key"][:] == b"other"
        assert [old for _, old in opener.calls] == [0, 5, 5, 5]
        # The lease keeps what it was given.
        first.seek(0)
        assert first.read() == WHOLE
        first.close()


def test_an_entry_that_is_idle_has_no_stream() -> None:
    opener = Opener(tag=5)
    with Cache(opener) as cache:
        with cache.open("key") as file:
            assert file.read(5) == WHOLE[:5]
            assert not opener.streams[0].closed.is_set()
        assert opener.streams[0].closed.is_set()
        pulled = cache.stat().pulled
        assert 0 < pulled < SIZE
        # The same tag: it goes on, and the bytes that there are delivered again.
        with cache.open("key") as file:
            assert file.read() == WHOLE
        assert len(opener.streams) == 2 and opener.streams[1].closed.is_set()
        assert [old for _, old in opener.calls] == [0, 0]
        assert cache["key"][:] == WHOLE and len(opener.streams) == 2


def test_the_budget_holds() -> None:
    size = 1 << 20
    with Cache(lambda key: chunks(size), max_memory=1 << 20, max_disk=4 << 20) as cache:
        for number in range(40):
            assert cache[f"key {number}"][:] == data(0, size)
            stats = cache.stat()
            assert stats.memory_peak <= (1 << 20) + (1 << 18) and stats.disk_peak <= 4 << 20
        assert stats.entries < 7 and stats.misses == 40
        assert stats.evicted_disk + stats.evicted_large + stats.evicted_memory > 30
        # The last one is there.
        assert cache["key 39"][5:10] == data(5, 5) and cache.stat().hits == 1


def test_idle_entries_go() -> None:
    with Cache(lambda key: b"bytes", idle=0) as cache:
        file = cache.open("key")
        assert cache.stat().entries == 1
        file.close()
        eventually(lambda: cache.stat().entries == 0)
        assert cache.stat().expired == 1


def test_remove_clear_and_trim_with_open_files() -> None:
    opener = Opener()
    with Cache(opener) as cache:
        used = cache.open("used")
        assert used.read(10) == WHOLE[:10]
        assert cache["idle"][:] == WHOLE
        cache.clear()
        assert cache.stat().entries == 1
        cache.remove("used")
        cache.remove("absent")
        assert cache["used"].read(0, 5) == WHOLE[:5] and len(opener.calls) == 3
        assert used.read() == WHOLE[10:]
        cache.trim(0, 0)
        used.seek(0)
        assert used.read() == WHOLE
        used.close()
        cache.trim(max_disk=0)
        cache.clear()
        stats = cache.stat()
        assert (stats.entries, stats.leases, stats.disk) == (0, 0, 0)
        for bad in (-1, 2**64):
            with pytest.raises(ValueError):
                cache.trim(bad)
        with pytest.raises(ValueError):
            cache.trim(max_disk=-1)


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


def test_close_ends_blocked_calls() -> None:
    entered, go = threading.Event(), threading.Event()

    def endless() -> Iterator[bytes]:
        entered.set()
        go.wait(60)
        yield b"late"

    cache = Cache(lambda key: Resource(endless(), cancel=go.set))
    raised: list[BaseException] = []

    def read() -> None:
        try:
            cache["key"].read(0, 5)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert entered.wait(60)
    cache.close()
    thread.join()
    assert [type(error) for error in raised] == [CanceledError]


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


def test_threads_that_use_a_buffer_first_share_its_lease() -> None:
    go = threading.Event()

    def open_key(key: str) -> bytes:
        assert go.wait(60)
        return b"bytes"

    with Cache(open_key) as cache:
        buf = cache["key"]
        results: list[bytes] = []
        threads = [threading.Thread(target=lambda: results.append(buf[:])) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        go.set()
        for thread in threads:
            thread.join()
        stats = cache.stat()
        assert results == [b"bytes"] * 8 and stats.leases == stats.hits + stats.misses == 1
        buf.close()
        assert cache.stat().leases == 0


def test_a_buffer_that_is_closed_while_it_opens() -> None:
    entered, go = threading.Event(), threading.Event()

    def open_key(key: str) -> bytes:
        entered.set()
        assert go.wait(60)
        return b"bytes"

    raised: list[type[BaseException]] = []

    def read() -> None:
        try:
            buf[:]
        except InvalidError as error:
            raised.append(type(error))

    with Cache(open_key) as cache:
        buf = cache["key"]
        thread = threading.Thread(target=read)
        thread.start()
        assert entered.wait(60)
        buf.close()
        go.set()
        thread.join()
        assert raised == [InvalidError] and cache.stat().leases == 0


def test_asyncio_with_an_exception() -> None:
    raised = ConnectionError("cut")

    def cut() -> Iterator[bytes]:
        yield b"some"
        raise raised

    with Cache(lambda key: cut()) as cache:
        with pytest.raises(ConnectionError) as caught:
            asyncio.run(cache["key"].aread())
        assert caught.value is raised and raised.partial == b"some"  # type: ignore[attr-defined]


def test_a_timeout_of_open() -> None:
    go = threading.Event()
    threads: list[int] = []

    def open_key(key: str) -> bytes:
        threads.append(threading.get_ident())
        assert go.wait(60)
        return b"bytes"

    with Cache(open_key) as cache:
        for timeout in (0.05, 0.12, 0):
            with pytest.raises(TimedOutError):
                cache.open("key", timeout=timeout)
        assert len(threads) == 1
        go.set()
        # It went on for the next open, on a thread of the library. If that came too late for it,
        # the entry had no stream any more.
        with cache.open("key", timeout=60) as file:
            assert file.read() == b"bytes"
        assert len(threads) < 3 and threading.get_ident() not in threads
        with pytest.raises(ValueError):
            cache.open("key", timeout=-1)


def test_a_timeout_of_reads() -> None:
    go = threading.Event()

    def slow() -> Iterator[bytes]:
        yield b"some"
        assert go.wait(60)
        yield b"bytes"

    with Cache(lambda key: slow()) as cache:
        with cache.open("key", timeout=0.2) as file:
            assert file.read(4) == b"some"
            with pytest.raises(TimedOutError):
                file.read(5)
            go.set()
        # After a long open, reads have the whole timeout again.
        cache.remove("key")
        go.clear()
        with cache.open("key", timeout=60) as file:
            threading.Timer(0.3, go.set).start()
            assert file.read(9) == b"somebytes"


def test_buffered_only() -> None:
    opener = Opener()
    with Cache(opener) as cache:
        with pytest.raises(TimedOutError):
            cache.open("key", buffered_only=True)
        assert not opener.calls
        with cache.open("key") as file:
            assert file.read(10) == WHOLE[:10]
        with cache.open("key", buffered_only=True) as file:
            assert file.read(10) == WHOLE[:10]
            with pytest.raises(TimedOutError):
                file.seek(SIZE - 1)
                file.read(1)
        assert len(opener.calls) == 1


def test_buffered_only_waits_for_nobody() -> None:
    entered, go = threading.Event(), threading.Event()

    def open_key(key: str) -> bytes:
        entered.set()
        assert go.wait(60)
        return b"bytes"

    with Cache(open_key) as cache:
        thread = threading.Thread(target=lambda: cache["key"][:])
        thread.start()
        assert entered.wait(60)
        for timeout in (None, 0, 0.05):
            with pytest.raises(TimedOutError):
                cache.open("key", timeout=timeout, buffered_only=True)
        threading.Timer(0.2, go.set).start()
        with cache.open("key", timeout=60, buffered_only=True) as file:
            assert file.readinto(bytearray(5)) <= 5
        thread.join()


def test_reach() -> None:
    with Cache(lambda key: chunks(SIZE)) as cache, cache.open("key", reach=1000) as file:
        with pytest.raises(UnsupportedError):
            file.seek(200_000)
        assert file.read(10) == WHOLE[:10]


def test_an_opener_that_uses_the_cache() -> None:
    def open_key(key: str) -> Any:
        if key == "self":
            return cache["self"][:]
        return cache["inner"] if key == "outer" else chunks(SIZE)

    with Cache(open_key) as cache:
        with pytest.raises(ReentrantError):
            cache["self"][:]
        with pytest.raises(ReentrantError):
            cache.open("self", timeout=60)
        assert cache["outer"][:] == WHOLE
        assert cache["inner"][:] == WHOLE


def test_openers_that_wait_for_each_other() -> None:
    both = threading.Barrier(2)

    def open_key(key: str) -> Any:
        both.wait(60)
        return cache["b" if key == "a" else "a"][:]

    raised: list[object] = []

    def use(key: str) -> None:
        try:
            cache.open(key)
        except BaseException as error:
            raised.append(type(error))

    with Cache(open_key) as cache:
        thread = threading.Thread(target=use, args=("b",))
        thread.start()
        use("a")
        thread.join()
        assert raised == [ReentrantError, ReentrantError]


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
        code = _native.lib.sb_cache_stat(handle, ctypes.byref(stats), ctypes.sizeof(stats))
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


def test_copies_are_refused() -> None:
    import copy

    with Cache(lambda key: b"bytes") as cache:
        for thing in (cache, cache["key"]):
            with pytest.raises(TypeError):
                copy.copy(thing)


def test_wrong_options() -> None:
    wrong: list[dict[str, Any]] = [
        {"max_memory": -1},
        {"max_disk": 2**64},
        {"threads": 0},
        {"fresh": -1},
        {"idle": float("nan")},
        {"spool_dir": "a\0b"},
    ]
    for options in wrong:
        with pytest.raises(ValueError):
            Cache(lambda key: b"", **options)
    with Cache(lambda key: b"bytes", max_memory=0, max_disk=0) as cache:
        assert cache["key"][:] == b"bytes"


def test_ctrl_c_in_the_opener() -> None:
    """The main thread raises it; those who wait for its run open again."""
    entered = threading.Event()
    main = threading.get_ident()

    def open_key(key: str) -> bytes:
        if threading.get_ident() == main:
            entered.set()
            eventually(lambda: cache._lender.opener.origins(b"skey").opens == 2)
            time.sleep(0.1)
            raise KeyboardInterrupt
        return b"bytes"

    results: list[object] = []

    def wait() -> None:
        assert entered.wait(60)
        results.append(cache["key"][:])

    with Cache(open_key) as cache:
        thread = threading.Thread(target=wait)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            cache.open("key")
        thread.join()
        assert results == [b"bytes"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="not on this system")
@pytest.mark.parametrize("timeout", [None, 60.0])
def test_ctrl_c_while_another_thread_opens(timeout: Optional[float]) -> None:
    class Alarm(Exception):
        pass

    def ring(*_args: object) -> None:
        raise Alarm

    entered, go = threading.Event(), threading.Event()

    def open_key(key: str) -> bytes:
        entered.set()
        assert go.wait(60)
        return b"bytes"

    with Cache(open_key) as cache:
        thread = threading.Thread(target=lambda: cache["key"][:])
        thread.start()
        assert entered.wait(60)
        former = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Alarm):
                cache.open("key", timeout=timeout)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)
            go.set()
        thread.join()
        assert cache["key"][:] == b"bytes"


def test_ctrl_c_in_a_stream() -> None:
    count = 0

    def open_key(key: str) -> Iterator[bytes]:
        nonlocal count
        count += 1
        yield WHOLE[:1000]
        if count == 1:
            raise KeyboardInterrupt
        yield WHOLE[1000:]

    with Cache(open_key) as cache:
        with cache.open("key") as file:
            assert file.read(1000) == WHOLE[:1000]
            with pytest.raises(KeyboardInterrupt):
                file.read(1)
        assert cache["key"][:] == WHOLE


def test_ctrl_c_in_a_stream_is_not_for_others() -> None:
    reading = threading.Event()

    def open_key(key: str) -> Iterator[bytes]:
        yield WHOLE[:1000]
        reading.set()
        eventually(lambda: buf.stat().waits)
        raise KeyboardInterrupt

    raised: list[BaseException] = []

    def wait() -> None:
        assert reading.wait(60)
        try:
            buf.read(1000, 1)
        except BaseException as error:
            raised.append(error)

    with Cache(open_key) as cache, cache["key"] as buf:
        assert buf.read(0, 1000) == WHOLE[:1000]
        thread = threading.Thread(target=wait)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            buf.read(1000, 1)
        thread.join()
        assert isinstance(raised[0], SourceError)
        assert isinstance(raised[0].__cause__, KeyboardInterrupt)


def test_an_exception_on_the_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """This thread raises it, and those who wait for its run open again."""
    entered = threading.Event()
    enter = _opener._on_open
    raised = LookupError()

    def fail(*request: int) -> int:
        monkeypatch.setattr(_opener, "_on_open", enter)
        entered.set()
        eventually(lambda: cache._lender.opener.origins(b"skey").opens == 2)
        time.sleep(0.1)
        raise raised

    monkeypatch.setattr(_opener, "_on_open", fail)
    results: list[object] = []

    def wait() -> None:
        assert entered.wait(60)
        try:
            results.append(cache["key"][:])
        except BaseException as error:
            results.append(error)

    with Cache(lambda key: b"bytes") as cache:
        thread = threading.Thread(target=wait)
        thread.start()
        with pytest.raises(LookupError) as caught:
            cache.open("key")
        assert caught.value is raised
        thread.join()
        assert results == [b"bytes"]


def test_an_exception_on_the_way_out() -> None:
    """It is raised, although the key was opened."""
    raised = LookupError()

    def open_key(key: str) -> bytes:
        way = _opener.opens._thread.way
        assert way is not None
        if not calls:
            way._holder.came = raised
        calls.append(key)
        return b"bytes"

    calls: list[str] = []
    with Cache(open_key) as cache:
        with pytest.raises(LookupError) as caught:
            cache.open("key")
        assert caught.value is raised
        stats = cache.stat()
        assert (stats.leases, stats.opening) == (0, 0)
        assert cache["key"][:] == b"bytes"


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    assert not done.stderr, done.stderr
    return done.stdout


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


def test_the_end_of_the_interpreter() -> None:
    """Open files, and a function that hangs on a thread of the library."""
    out = run(
        """
import threading
from spoolbuf import Cache, TimedOutError
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
assert entered.wait(60)
print(file.read())
"""
    )
    assert out == "b'bytes'\n"


# Exceptions at any instruction: see test_entry.

START = """
import ctypes, functools, random, signal, sys, threading, time
from spoolbuf import Cache, SpoolbufError
from support import data
W = data(0, 20_000)
sys.unraisablehook = lambda _: None

class Stop(Exception):
    pass

def open_key(key):
    # Written in C, so that it loses nothing by itself.
    return iter([W[at : at + 640] for at in range(0, len(W), 640)])

cache = Cache(open_key, max_memory=0, max_disk=30_000)

def read_all(counts):
    for turn in range(20):
        at = turn * 640
        while True:
            try:
                with cache.open(str(turn % 3)) as file:
                    file.seek(at)
                    part = file.read(640)
                    if part != W[at : at + 640]:
                        counts[1] += 1
                        return
                break
            except Stop:
                counts[0] += 1
"""


def run_strictly(code: str) -> None:
    out = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", START + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=Path(__file__).parent,
    )
    assert (out.returncode, out.stdout) == (0, "wrong: 0\n"), (out.stdout, out.stderr)


def test_exceptions_from_another_thread() -> None:
    run_strictly(
        """
        counts, done = [0, 0], []
        threading.excepthook = lambda _: None

        def work(begun):
            begun.append(True)
            while not done:
                try:
                    read_all(counts)
                except Stop:
                    counts[0] += 1
                except SpoolbufError as error:
                    counts[1] += 1
                    print(repr(error), file=sys.stderr)

        def start():
            begun = []
            thread = threading.Thread(target=work, args=(begun,), daemon=True)
            thread.start()
            while not begun:
                time.sleep(0.001)
            return thread

        sys.setswitchinterval(1e-5)
        rng = random.Random(1)
        until = time.monotonic() + 1
        thread = start()
        while not counts[1] and (counts[0] < 300 or time.monotonic() < until):
            time.sleep(rng.random() * 0.002)
            if not thread.is_alive():
                thread = start()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(Stop)
            )
        done.append(True)
        thread.join()
        print("wrong:", counts[1])
        """
    )


def test_the_recursion_limit() -> None:
    run_strictly(
        """
        def at_depth(depth, work):
            return work() if depth <= 0 else at_depth(depth - 1, work)

        def read():
            with cache.open("deep") as file:
                return file.read(100)
        wrong = seen = 0
        sys.setrecursionlimit(400)
        for depth in range(300, 400):
            cache.remove("deep")
            part = b""
            try:
                part = at_depth(depth, read)
            except Exception:
                seen += 1
            wrong += part != W[: len(part)]
            # And it goes on: nothing of the way in is left broken.
            wrong += read() != W[:100]
        sys.setrecursionlimit(1000)
        assert seen > 5
        print("wrong:", wrong)
        """
    )


def test_many_threads_many_keys() -> None:
    """Every byte is right while entries come and go."""
    wrong: list[object] = []

    def stream(number: int) -> Iterator[bytes]:
        for at in range(0, 100_000, 7000):
            yield data(number + at, min(7000, 100_000 - at))

    def open_key(key: bytes) -> Resource:
        return Resource(stream(key[0]), 100_000, tag=1)

    def use(seed: int) -> None:
        import random

        rng = random.Random(seed)
        try:
            for _ in range(60):
                key = rng.randrange(12)
                offset, size = rng.randrange(100_000), rng.randrange(20_000)
                size = min(size, 100_000 - offset)
                with cache.open(bytes([key])) as file:
                    file.seek(offset)
                    if file.read(size) != data(key + offset, size):
                        wrong.append((key, offset, size))
                if rng.random() < 0.1:
                    cache.remove(bytes([rng.randrange(12)]))
        except BaseException as error:
            wrong.append(error)

    with Cache(open_key, max_memory=300_000, max_disk=600_000) as cache:
        threads = [threading.Thread(target=use, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        stats = cache.stat()
        assert stats.leases == 0 and stats.hits and stats.misses
