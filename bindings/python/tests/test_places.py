"""An exception at any place leaves no lock taken, no watch hung up, and nothing closed by half."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib.util
import io
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from spoolbuf import Cache, SourceError, Status, StreamBuffer, _base, _cached, _flight, _lender
from spoolbuf import _native, _once, _opener, _position, _signals, _source
from spoolbuf._library import lib
from calls import Call
from openers import WHOLE, Opener
from places import Stop, at_each_instruction, at_each_place
from support import PATIENCE, skip
from throwing import none_wrong


def is_free(lock: Any) -> bool:
    """Whether another thread can take it."""

    def take() -> bool:
        taken: bool = lock.acquire(blocking=False)
        if taken:
            lock.release()
        return taken

    return bool(Call(take).end())


def check_free(lock: Any) -> None:
    assert is_free(lock)


def test_a_stream_is_left_to_its_other_buffers() -> None:
    stream = io.BytesIO(WHOLE)
    buf = StreamBuffer(stream)
    source: Any = buf._source
    lock = source._position._share.lock

    def read() -> None:
        # It may be raised as the reason of another one.
        with contextlib.suppress(Exception):
            StreamBuffer(stream).read(0, 1000)

    codes = {
        _position.Position.find_end.__code__: lambda: source.find_end(PATIENCE),
        _source.Source._pull.__code__: read,
    }
    for code, call in codes.items():
        assert at_each_place(code, call, lambda: check_free(lock)) > 4
    assert buf[:] == WHOLE


def test_a_flight_stays_landed() -> None:
    flight = _flight.Flight()
    flight.land()
    for seconds in (-1, 0):
        places = at_each_place(
            _flight.Flight.wait.__code__,
            lambda: flight.wait(seconds),
            lambda: check_free(flight._air),
        )
        assert places > 0 and flight.has_landed()


def test_a_key_is_opened_by_other_threads_too() -> None:
    buffers: list[_cached.CachedBuffer] = []

    def open_key() -> None:
        buffers.append(cache["key"])
        with contextlib.suppress(StopIteration):
            buffers[-1]._aopen().send(None)

    with Cache(Opener()) as cache, cache["key"] as first:
        assert first[:5] == WHOLE[:5]
        code = _cached.CachedBuffer._aopen.__code__
        assert at_each_place(code, open_key, lambda: check_free(buffers[-1]._opening)) > 20
        assert all(buf[:5] == WHOLE[:5] for buf in buffers)
        while buffers:
            buffers.pop().close()
        assert cache.stat().leases == 1


def test_no_thread_is_taken_to_be_where_it_was() -> None:
    """A thread that is neither in a read nor in the function of a cache is not counted there."""
    buf = StreamBuffer(iter([b"bytes"]))
    source: Any = buf._source

    def read() -> None:
        with source.reading():
            pass

    # Before Python 3.12, a profile function's exception ends a generator before it is in its `try`.
    if sys.version_info >= (3, 12):
        assert at_each_place(_source.Source.reading.__wrapped__.__code__, read) > 2
        assert source._readers == []

    def open_key() -> None:
        cache.remove("key")
        cache.open("key").close()

    def check() -> None:
        assert not _opener.inside and not origins.readers
        # Else the next open of the key would wait for ever.
        assert origins.flight is None or origins.flight.has_landed()

    with Cache(lambda key: b"bytes") as cache:
        origins = cache._lender.opener.origins(b"skey")
        assert at_each_place(_opener.Opener.serve.__code__, open_key, check) > 40
        if sys.version_info >= (3, 12):
            assert at_each_place(_lender._Call.lease.__code__, open_key, check) > 80


def test_a_cache_is_closed_by_another_close() -> None:
    caches: list[Cache] = []
    handles: list[Optional[int]] = []

    def close() -> None:
        caches.append(Cache(Opener()))
        handles.append(caches[-1]._lender.handle)
        caches[-1].close()

    def check() -> None:
        caches[-1].close()
        assert caches[-1].closed
        # The C cache is gone, too.
        stats = _native.CacheStats()
        code = lib.sb_cache_stat(handles[-1], ctypes.byref(stats), ctypes.sizeof(stats))
        assert code == Status.INVALID

    assert at_each_place(_lender.Lender.close.__code__, close, check) > 10


def test_a_buffer_is_closed_by_another_close(monkeypatch: pytest.MonkeyPatch) -> None:
    # A weak reference's callback is such a place too, where Python prints what comes.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    # Written in C: its `close` has no place before its work.
    streams: list[io.BytesIO] = []
    buffers: list[StreamBuffer] = []

    def close() -> None:
        streams.append(io.BytesIO(b"bytes"))
        buffers.append(StreamBuffer(streams[-1], close_stream=True))
        # In Python 3.9, a generator that C enters may end by the exception.
        with contextlib.suppress(SourceError):
            buffers[-1].close()

    def check() -> None:
        buffers[-1].close()
        assert buffers[-1].closed and streams[-1].closed

    assert at_each_place(_base.BaseBuffer.close.__code__, close, check) > 10


@pytest.mark.parametrize("at_each", [at_each_place, at_each_instruction])
def test_a_call_is_made_once(at_each: Callable[..., int]) -> None:
    turns: list[_once.Once] = []
    made: list[int] = []
    raised: list[bool] = []

    def make() -> None:
        turns.append(_once.Once())
        try:
            turns[-1].make(functools.partial(made.append, 1))
        except Stop:
            raised.append(True)

    def check() -> None:
        turns[-1].make(functools.partial(made.append, 1))
        assert len(made) == len(turns)

    places = at_each(_once.Once.make.__code__, make, check)
    # None was taken for the call's own, and printed.
    assert places - 1 == len(raised) > 1


def test_a_lock_is_released_without_memory() -> None:
    if not importlib.util.find_spec("_testcapi"):
        skip("_testcapi", "this Python is without its own tests")
    none_wrong(
        "",
        """
        import threading
        import _testcapi
        from spoolbuf._answer import TAKEN, attempt_at
        from throwing import report
        wrong = 0
        for nth in range(20):
            lock = threading.Lock()
            attempt = attempt_at(lock, 0)
            _testcapi.set_nomemory(nth, nth + 1)
            try:
                attempt[None]
            except MemoryError:
                pass
            finally:
                _testcapi.remove_mem_hooks()
                if attempt == TAKEN:
                    lock.release()
            wrong += lock.locked()
        report(wrong)
        """,
    )


class Waiter:
    """Counts its wakes that were not undone."""

    is_canceled = False
    wakes = 0

    def wake(self) -> None:
        self.wakes += 1

    def calm(self) -> None:
        self.wakes = 0

    def details(self, code: int) -> None: ...


@contextlib.contextmanager
def descriptor() -> Iterator[int]:
    """Signals are reported on it, as on that of an event loop."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.setblocking(False)
    former = signal.set_wakeup_fd(ear.fileno(), warn_on_full_buffer=False)
    try:
        yield ear.fileno()
    finally:
        signal.set_wakeup_fd(former)
        ear.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
# The classes of set_wakeup_fd's own exceptions as well: a timeout of SIGALRM is often an OSError.
@pytest.mark.parametrize("raised", [Stop, ValueError, TimeoutError])
@pytest.mark.parametrize("method", ["__enter__", "__exit__"])
def test_no_watch_is_left(raised: type[Exception], method: str) -> None:
    """Nor an exception lost. An event loop keeps its descriptor."""
    buf = StreamBuffer(b"bytes")
    # As if another thread had read.
    buf._alone = False
    bell = _signals._get_bell()
    waiter, seen = Waiter(), []

    def wait() -> None:
        try:
            buf._wait(lambda: 0, waiter)
        except raised as error:
            # Its frames, and so the watch, are still there.
            seen.append(error)

    def ring() -> int:
        bell._ring()
        return 0

    def check() -> None:
        assert bell._former is None and not [watch for watch in bell._watches if watch()]
        assert signal.set_wakeup_fd(fd, warn_on_full_buffer=False) == fd
        assert not waiter.wakes

    code = getattr(_signals.Watch, method).__code__
    with descriptor() as fd:
        assert at_each_place(code, wait, check, raised) - 1 == len(seen) > 4
        # Also after a signal has woken it.
        places = at_each_place(code, lambda: buf._wait(ring, waiter), check, raised)
        assert places > 4


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_watch_that_is_left_is_forgotten() -> None:
    """After two exceptions, at the first lines of `__exit__` and `end`."""
    waiter = Waiter()
    bell = _signals._get_bell()
    with descriptor() as fd:
        _signals.Watch(waiter).__enter__()
        gc.collect()
        bell._ring()
        assert not waiter.wakes
        with _signals.Watch(waiter):
            assert len([watch for watch in bell._watches if watch()]) == 1
        assert bell._watches == [] and bell._former is None
        assert signal.set_wakeup_fd(fd, warn_on_full_buffer=False) == fd
