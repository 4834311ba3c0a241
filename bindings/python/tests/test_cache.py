"""A cache: one budget for many streams, each opened once for its key."""

from __future__ import annotations

import errno
import io
import time
from pathlib import Path
from typing import Any, Optional

import pytest

import spoolbuf
from spoolbuf import Cache, DiskFullError, Resource, StreamBuffer, UnsupportedError
from openers import SIZE, WHOLE, Opener
from support import chunks, data, eventually


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


def test_a_full_budget_is_no_full_disk() -> None:
    """The message says whose limit it is."""
    with Cache(lambda key: chunks(SIZE), max_memory=0, max_disk=0) as cache:
        with cache.open("key") as file, pytest.raises(DiskFullError, match="max_disk") as caught:
            file.read()
        assert caught.value.errno == errno.ENOSPC
        with cache["key"] as buf, pytest.raises(DiskFullError, match="max_disk"):
            buf.read()


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


def test_reach() -> None:
    with Cache(lambda key: chunks(SIZE)) as cache, cache.open("key", reach=1000) as file:
        with pytest.raises(UnsupportedError):
            file.seek(200_000)
        assert file.read(10) == WHOLE[:10]


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


def test_a_cached_buffer_as_a_stream() -> None:
    with Cache(Opener()) as cache:
        with StreamBuffer(cache["a"]) as buf:
            assert buf[:] == WHOLE and buf.open().name == "a"
        with StreamBuffer(WHOLE[:1]) as buf:
            buf.reopen(cache["a"])
            assert buf[:] == WHOLE
