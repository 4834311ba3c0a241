"""An exception where C calls `close` or `cancel` is raised by the call at work, and both are done.

Each one becomes pending in C code, between the library and the callback's first instruction.
"""

from __future__ import annotations

import _thread
import collections
import contextlib
import ctypes
import functools
import gc
import io
import operator
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from spoolbuf import CanceledError, NoMemoryError, StreamBuffer, _codes, _library, _native
from calls import Call
from support import PATIENCE, data


class Stop(Exception):
    """Thrown in by another thread, as a job queue does at its time limit."""


class Stream:
    """Counts how often it is closed."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.closes = 0

    def read(self, size: int) -> bytes:
        return next(self.chunks, b"")

    def close(self) -> None:
        self.closes += 1


def bring_ctrl_c(_thread_id: int) -> Callable[[], object]:
    return _thread.interrupt_main


def bring_stop(thread_id: int) -> Callable[[], object]:
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc
    return functools.partial(throw, ctypes.c_ulong(thread_id), ctypes.py_object(Stop))


KINDS = [(bring_ctrl_c, KeyboardInterrupt), (bring_stop, Stop)]


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Calls functions just before a callback of later buffers, with no Python code in between."""
    sb_new_with = _library.lib.sb_new_with
    kept: list[object] = []

    def arrange(name: str, *calls: Callable[[], object]) -> None:
        def new_with(callback: Any, *rest: Any) -> int:
            source = callback._obj
            # A copy: the value of a field is a view of it.
            pointer = _native.NotifyCallback.from_buffer_copy(getattr(source, name))
            real = functools.partial(pointer, source.opaque)
            each = map(operator.methodcaller("__call__"), (*calls, real))
            # A deque exhausts the iterator. The number that C passes is its maximum length.
            function = _native.NotifyCallback(functools.partial(collections.deque, each))
            kept.extend((function, real))
            setattr(source, name, function)
            return sb_new_with(callback, *rest)

        monkeypatch.setattr(_library.lib, "sb_new_with", new_with)

    return arrange


@pytest.fixture(autouse=True)
def printed(monkeypatch: pytest.MonkeyPatch) -> Generator[list[object], None, None]:
    """The exceptions that Python prints because nobody can catch them: none."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: lost.append(args.exc_value))
    yield lost
    assert not lost


@pytest.mark.parametrize(("bring", "error"), KINDS)
def test_close_when_the_buffer_is_closed(before: Any, bring: Any, error: Any) -> None:
    before("close", bring(threading.get_ident()))
    stream = Stream(iter([data(0, 10)]))
    buf = StreamBuffer(stream, close_stream=True)
    assert buf.read(0, 10) == data(0, 10)
    with pytest.raises(error):
        buf.close()
    assert stream.closes == 1 and buf.closed
    buf.close()


@pytest.mark.parametrize(("bring", "error"), KINDS)
def test_close_when_all_is_read(before: Any, bring: Any, error: Any) -> None:
    before("close", bring(threading.get_ident()))
    stream = Stream(iter([data(0, 10)]))
    buf = StreamBuffer(stream, close_stream=True)
    with pytest.raises(error):
        buf.read()
    assert stream.closes == 1
    assert buf.read() == data(0, 10)


@pytest.mark.parametrize(("bring", "error"), KINDS)
def test_close_when_a_save_ends(before: Any, bring: Any, error: Any, tmp_path: Any) -> None:
    before("close", bring(threading.get_ident()))
    stream = Stream(iter([data(0, 10)]))
    buf = StreamBuffer(stream, close_stream=True)
    with pytest.raises(error):
        buf.save(tmp_path / "file")
    assert stream.closes == 1
    assert buf.save(tmp_path / "file") == 10


@pytest.mark.parametrize(("bring", "error"), KINDS)
def test_close_when_no_buffer_can_be_made(
    before: Any, bring: Any, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before("close", bring(threading.get_ident()))
    new_with = _library.lib.sb_new_with

    def fails(callback: Any, options: Any, out: Any) -> int:
        new_with(callback, options, out)
        _library.lib.sb_free(out._obj)
        out._obj.value = None
        return _codes.Status.NO_MEMORY

    monkeypatch.setattr(_library.lib, "sb_new_with", fails)
    stream = Stream(iter([data(0, 10)]))
    with pytest.raises((error, NoMemoryError)) as caught:
        StreamBuffer(stream, close_stream=True)
    assert isinstance(caught.value, error)
    assert stream.closes == 1


@contextlib.contextmanager
def a_read_that_waits() -> Generator[tuple[StreamBuffer, list[object]], None, None]:
    """A buffer with another thread inside its stream, and the calls of its `cancel`."""
    inside, told = threading.Event(), threading.Event()
    cancels: list[object] = []

    def cancel() -> None:
        cancels.append(None)
        told.set()

    def stream() -> Generator[bytes, None, None]:
        yield b"abc"
        inside.set()
        assert told.wait(PATIENCE)
        raise CanceledError("told to")

    stands = Stream(stream())
    buf = StreamBuffer(stands, cancel=cancel, close_stream=True)
    buf.read(0, 3)

    blocked = Call.inside(inside, lambda: buf.read(3, 1))
    try:
        yield buf, cancels
    finally:
        told.set()
        blocked.thread.join()
    with pytest.raises(CanceledError):
        blocked.end()
    buf.close()
    assert stands.closes == 1


@pytest.mark.parametrize("how", ["cancel", "close"])
@pytest.mark.parametrize(("bring", "error"), KINDS)
def test_cancel(before: Any, bring: Any, error: Any, how: str) -> None:
    before("cancel", bring(threading.get_ident()))
    with a_read_that_waits() as (buf, cancels):
        with pytest.raises(error):
            getattr(buf, how)()
        assert len(cancels) == 1


@pytest.mark.parametrize(("bring", "error"), KINDS)
def test_cancel_of_a_file(before: Any, bring: Any, error: Any) -> None:
    before("cancel", bring(threading.get_ident()))
    inside, told = threading.Event(), threading.Event()
    cancels: list[object] = []

    class Waits:
        def read(self, size: int) -> bytes:
            inside.set()
            assert told.wait(PATIENCE)
            raise CanceledError("told to")

    def cancel() -> None:
        cancels.append(None)
        told.set()

    buf = StreamBuffer(Waits(), cancel=cancel, interruptible=True)
    file = buf.open()
    blocked = Call.inside(inside, lambda: file.read(1))
    with pytest.raises(error):
        file.cancel()
    with pytest.raises(CanceledError):
        blocked.end()
    assert len(cancels) == 1
    buf.close()


def test_several_threads_cancel_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them enters Python, which is enough for the call that runs; the others may."""
    everybody = threading.Barrier(4)
    sb_cancel = _library.lib.sb_cancel

    def together(handle: int) -> int:
        everybody.wait(PATIENCE)
        return sb_cancel(handle)

    monkeypatch.setattr(_library.lib, "sb_cancel", together)
    with a_read_that_waits() as (buf, cancels):
        threads = [threading.Thread(target=buf.cancel) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= len(cancels) <= 4


def test_a_close_inside_a_close() -> None:
    inner = Stream(iter([b"abc"]))

    class Outer(Stream):
        def close(self) -> None:
            super().close()
            StreamBuffer(inner, close_stream=True).close()

    outer = Outer(iter([b"abc"]))
    StreamBuffer(outer, close_stream=True).close()
    assert (outer.closes, inner.closes) == (1, 1)


def test_an_interrupt_inside_the_streams_close() -> None:
    """It is raised, and the stream is not closed twice."""
    stream = Stream(iter([b"abc"]))
    count = stream.close

    def close() -> None:
        count()
        raise KeyboardInterrupt

    stream.close = close  # type: ignore[method-assign]
    buf = StreamBuffer(stream, close_stream=True)
    with pytest.raises(KeyboardInterrupt):
        buf.close()
    assert stream.closes == 1


def test_what_the_streams_close_raises_is_printed(printed: list[object]) -> None:
    """As in a finalizer: a read that got its bytes has not failed."""
    stream = Stream(iter([b"abc"]))

    def close() -> None:
        raise KeyError("mine")

    stream.close = close  # type: ignore[method-assign]
    assert StreamBuffer(stream, close_stream=True).read() == b"abc"
    assert isinstance(printed.pop(), KeyError) and not printed


def test_a_close_that_comes_when_the_buffer_is_gone() -> None:
    """On a thread of the library, after `close()` has returned: the callbacks live until then."""
    inside, go, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(Stream):
        def close(self) -> None:
            super().close()
            closed.set()

    def stream() -> Generator[bytes, None, None]:
        inside.set()
        assert go.wait(PATIENCE)
        yield b"abc"

    stands = Slow(stream())
    buf = StreamBuffer(stands, prefetch=100, close_stream=True)
    assert inside.wait(PATIENCE)
    buf.close()
    del buf
    assert not stands.closes
    go.set()
    assert closed.wait(PATIENCE)
    assert stands.closes == 1


def test_an_interrupt_before_c_has_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody calls `close` then, and no source stays registered: see `nothing_left`."""

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(_library.lib, "sb_new_with", interrupted)
    stream = Stream(iter([b"abc"]))
    with pytest.raises(KeyboardInterrupt):
        StreamBuffer(stream, close_stream=True)
    gc.collect()
    assert stream.closes == 1


@pytest.mark.parametrize(("bring", "error"), KINDS)
def test_cancel_by_a_read_elsewhere(before: Any, bring: Any, error: Any) -> None:
    """The read that leaves a stalled stream raises it, once it has its bytes."""
    # Filled without Python code, as `before` demands.
    called: queue.SimpleQueue[None] = queue.SimpleQueue()
    before("cancel", functools.partial(called.put, None), bring(threading.get_ident()))
    inside, told = threading.Event(), threading.Event()

    class Stalls(io.BytesIO):
        def readinto(self, out: Any, /) -> int:
            if self.tell() < 100_000 and not told.is_set():
                inside.set()
                assert told.wait(PATIENCE)
                raise CanceledError("told to")
            return super().readinto(out)

    buf = StreamBuffer(Stalls(data(0, 1_000_000)), cancel=told.set, interruptible=True)
    first = Call.inside(inside, lambda: buf.read(100_000, 10))
    # The callback is not made again.
    releaser = Call(lambda: (called.get(timeout=PATIENCE), told.set()))
    with pytest.raises(error):
        buf.read(900_000, 10)
    assert buf.read(900_000, 10) == data(900_000, 10)
    assert first.end() == data(100_000, 10)
    releaser.end()
    buf.close()
