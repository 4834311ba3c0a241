"""Ctrl-C, and exceptions at any instruction, while a cache opens or reads."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Optional

import pytest

from spoolbuf import Cache, SourceError, _opener
from calls import Call
from openers import WHOLE, Waits
from support import PATIENCE, eventually
from throwing import none_wrong


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

    with Cache(open_key) as cache:
        other = Call(lambda: entered.wait(PATIENCE) and cache["key"][:])
        with pytest.raises(KeyboardInterrupt):
            cache.open("key")
        assert other.end() == b"bytes"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="not on this system")
@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_ctrl_c_while_another_thread_opens(timeout: Optional[float]) -> None:
    class Alarm(Exception):
        pass

    def ring(*_args: object) -> None:
        raise Alarm

    opener = Waits()
    with Cache(opener) as cache:
        other = Call.inside(opener.entered, lambda: cache["key"][:])
        former = signal.signal(signal.SIGALRM, ring)
        try:
            with pytest.raises(Alarm):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                cache.open("key", timeout=timeout)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)
            opener.go.set()
        assert other.end() == cache["key"][:] == b"bytes"


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

    with Cache(open_key) as cache, cache["key"] as buf:
        assert buf.read(0, 1000) == WHOLE[:1000]
        other = Call(lambda: reading.wait(PATIENCE) and buf.read(1000, 1))
        with pytest.raises(KeyboardInterrupt):
            buf.read(1000, 1)
        with pytest.raises(SourceError) as caught:
            other.end()
        assert isinstance(caught.value.__cause__, KeyboardInterrupt)


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
    with Cache(lambda key: b"bytes") as cache:
        other = Call(lambda: entered.wait(PATIENCE) and cache["key"][:])
        with pytest.raises(LookupError) as caught:
            cache.open("key")
        assert caught.value is raised
        assert other.end() == b"bytes"


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


# Exceptions at any instruction: see test_entry.

START = """
import sys
from spoolbuf import Cache, DiskFullError, SpoolbufError
from support import data
from throwing import Stop, at_depth, report, throw_into
W = data(0, 20_000)

def open_key(key):
    # Written in C, so that it loses nothing by itself.
    return iter([W[at : at + 640] for at in range(0, len(W), 640)])

def new_cache():
    return Cache(open_key, max_memory=0, max_disk=30_000)

cache, lost = new_cache(), 0

def read_all(counts):
    global cache, lost
    try:
        for turn in range(20):
            read_part(counts, turn)
    except DiskFullError:
        # An exception at the first instruction of a finalizer keeps a reader, and its room. It is rare.
        lost += 1
        counts[1] += lost > 3 + counts[0] // 10
        cache = new_cache()
    except SpoolbufError as error:
        counts[1] += 1
        print(repr(error), file=sys.stderr)

def read_part(counts, turn):
    at = turn * 640
    while True:
        try:
            with cache.open(str(turn % 3)) as file:
                file.seek(at)
                counts[1] += file.read(640) != W[at : at + 640]
            return
        except Stop:
            counts[0] += 1
"""


def test_exceptions_from_another_thread() -> None:
    none_wrong(START, "report(throw_into(read_all)[1])")


def test_the_recursion_limit() -> None:
    none_wrong(
        START,
        """
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
        report(wrong)
        """,
    )
