"""A cache and threads: who opens a key, who waits for that and for how long."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from spoolbuf import Cache, ReentrantError, Resource, TimedOutError
from calls import Call
from openers import SIZE, WHOLE, Opener, Waits, has_paused
from support import PATIENCE, chunks, data, eventually


@pytest.mark.parametrize("fails", [False, True])
def test_one_open_for_sixteen_threads(fails: bool) -> None:
    entered, go = threading.Event(), threading.Event()
    calls: list[str] = []
    raised = ConnectionError("refused")

    def open_key(key: str) -> Iterator[bytes]:
        calls.append(key)
        entered.set()
        assert go.wait(PATIENCE)
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
        assert entered.wait(PATIENCE)
        # Each has found that it has to wait.
        eventually(lambda: cache.stat().misses == 16)
        go.set()
        for thread in threads:
            thread.join()
        assert len(results) == 16 and len(calls) == 1
        if not fails:
            assert results == [True] * 16
            return
        assert all(result is raised for result in results)
        fails = False
        assert cache["key"][:] == WHOLE
        assert len(calls) == 2
        assert not cache._lender.opener.origins(b"skey").failures


def test_threads_that_use_a_buffer_first_share_its_lease() -> None:
    opener = Waits()
    with Cache(opener) as cache:
        buf = cache["key"]
        calls = [Call(lambda: buf[:]) for _ in range(8)]
        time.sleep(0.1)
        opener.go.set()
        results = [call.end() for call in calls]
        stats = cache.stat()
        assert results == [b"bytes"] * 8 and stats.leases == stats.hits + stats.misses == 1
        buf.close()
        assert cache.stat().leases == 0


def test_a_timeout_of_open() -> None:
    entered, go = threading.Event(), threading.Event()
    threads: list[int] = []

    def open_key(key: str) -> bytes:
        threads.append(threading.get_ident())
        entered.set()
        assert go.wait(PATIENCE)
        return b"bytes"

    with Cache(open_key) as cache:
        for timeout in (0.05, 0.12, 0):
            with pytest.raises(TimedOutError):
                cache.open("key", timeout=timeout)
        assert entered.wait(PATIENCE) and len(threads) == 1
        go.set()
        # It went on for the next open, on a thread of the library.
        with cache.open("key", timeout=PATIENCE) as file:
            assert file.read() == b"bytes"
        assert len(threads) == 1 and threading.get_ident() not in threads
        with pytest.raises(ValueError):
            cache.open("key", timeout=-1)


def polled(cache: Cache) -> Any:
    """As an event loop opens a key."""
    while True:
        try:
            return cache.open("key", timeout=0)
        except TimedOutError:
            time.sleep(0.001)


def test_polls_get_what_one_call_brings() -> None:
    opener, go = Opener(), threading.Event()

    def open_key(key: str, old_tag: int) -> Resource:
        assert go.wait(PATIENCE)
        return opener(key, old_tag)

    with Cache(open_key) as cache:
        for _ in range(40):
            with pytest.raises(TimedOutError):
                cache.open("key", timeout=0)
        begun = time.monotonic()
        go.set()
        eventually(lambda: cache.stat().opening == 0)
        # Nobody waits, and nobody has a lease.
        assert cache.stat().leases == 0
        assert not opener.streams[0].closed.is_set() or has_paused(begun)
        with polled(cache):
            stats = cache.stat()
            counts = (len(opener.calls), stats.hits, stats.misses)
            assert counts == (1, 1, 40) or has_paused(begun)
            assert cache["key"][:] == WHOLE


def test_polls_get_what_was_raised() -> None:
    go = threading.Event()
    calls: list[str] = []

    def open_key(key: str) -> bytes:
        calls.append(key)
        assert go.wait(PATIENCE)
        raise LookupError(key)

    with Cache(open_key) as cache:
        with pytest.raises(TimedOutError):
            cache.open("key", timeout=0)
        begun = time.monotonic()
        go.set()
        eventually(lambda: cache.stat().opening == 0)
        with pytest.raises(LookupError, match="key"):
            polled(cache)
        assert (calls == ["key"] and not cache._lender.opener._unclaimed) or has_paused(begun)


def test_a_timeout_of_reads() -> None:
    go = threading.Event()

    def slow() -> Iterator[bytes]:
        yield b"some"
        assert go.wait(PATIENCE)
        yield b"bytes"

    with Cache(lambda key: slow()) as cache:
        with cache.open("key") as first:
            assert first.read(4) == b"some"
            with cache.open("key", timeout=0.2) as file:
                # Buffered bytes need no time.
                assert file.read(4) == b"some"
                with pytest.raises(TimedOutError):
                    file.read(5)
            go.set()
        # After a long open, reads have the whole timeout again.
        cache.remove("key")
        go.clear()
        with cache.open("key", timeout=PATIENCE) as file:
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
    opener = Waits()
    with Cache(opener) as cache:
        other = Call.inside(opener.entered, lambda: cache["key"][:])
        for timeout in (None, 0, 0.05):
            with pytest.raises(TimedOutError):
                cache.open("key", timeout=timeout, buffered_only=True)
        threading.Timer(0.2, opener.go.set).start()
        with cache.open("key", timeout=PATIENCE, buffered_only=True) as file:
            assert file.readinto(bytearray(5)) <= 5
        assert other.end() == b"bytes"


def test_an_opener_that_uses_the_cache() -> None:
    def open_key(key: str) -> Any:
        if key == "self":
            return cache["self"][:]
        return cache["inner"] if key == "outer" else chunks(SIZE)

    with Cache(open_key) as cache:
        with pytest.raises(ReentrantError):
            cache["self"][:]
        with pytest.raises(ReentrantError):
            cache.open("self", timeout=PATIENCE)
        assert cache["outer"][:] == WHOLE
        assert cache["inner"][:] == WHOLE


def test_openers_that_wait_for_each_other() -> None:
    both = threading.Barrier(2)

    def open_key(key: str) -> Any:
        both.wait(PATIENCE)
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


def test_many_threads_many_keys() -> None:
    """Every byte is right while entries come and go."""
    wrong: list[object] = []
    keys = 24

    def stream(number: int) -> Iterator[bytes]:
        for at in range(0, 100_000, 7000):
            yield data(number + at, min(7000, 100_000 - at))

    def open_key(key: bytes) -> Resource:
        return Resource(stream(key[0]), 100_000, tag=1)

    def use(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(60):
                key = rng.randrange(keys)
                offset, size = rng.randrange(100_000), rng.randrange(20_000)
                size = min(size, 100_000 - offset)
                with cache.open(bytes([key])) as file:
                    file.seek(offset)
                    if file.read(size) != data(key + offset, size):
                        wrong.append((key, offset, size))
                if rng.random() < 0.1:
                    cache.remove(bytes([rng.randrange(keys)]))
        except BaseException as error:
            wrong.append(error)

    # The disk has room for an entry of each thread, so that no read finds it full.
    with Cache(open_key, max_memory=300_000, max_disk=900_000) as cache:
        threads = [threading.Thread(target=use, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        stats = cache.stat()
        assert stats.leases == 0 and stats.hits and stats.misses
