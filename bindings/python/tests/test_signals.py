"""Ctrl-C: it reaches the program, and neither the stream nor other threads take harm."""

from __future__ import annotations

import _thread
import contextlib
import functools
import io
import operator
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Optional

import pytest

from spoolbuf import (
    CanceledError,
    RawStreamFile,
    SourceError,
    StreamBuffer,
    _entry,
    _native,
    _registry,
    _source,
    _streams,
)
from support import data

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def sleep() -> None:
    """A minute, in pieces: a signal that comes just before a sleep does not end it."""
    for _ in range(6000):
        time.sleep(0.01)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@contextlib.contextmanager
def interrupted_once(when: Callable[[], object]) -> Generator[None, None, None]:
    """Expects a KeyboardInterrupt from the block, in which `when` becomes true.

    One signal could come just before a call that blocks, so they come until one was seen; and only
    the first one is raised, so that none is left for what follows.
    """
    raised: list[bool] = []
    seen = threading.Event()

    def handler(number: int, frame: Optional[FrameType]) -> None:
        if not raised:
            raised.append(True)
            raise KeyboardInterrupt

    def shoot() -> None:
        while not when():
            time.sleep(0.001)
        while not seen.wait(0.01):
            interrupt()

    before = signal.signal(signal.SIGINT, handler)
    thread = threading.Thread(target=shoot)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        seen.set()
        thread.join()
        signal.signal(signal.SIGINT, before)


def test_inside_the_stream() -> None:
    def stream():
        yield b"abc"
        interrupt()
        sleep()
        yield b"def"

    buf = StreamBuffer(stream())
    assert buf.read(0, 3) == b"abc"
    with pytest.raises(KeyboardInterrupt):
        buf.read(3, 1)
    # The generator is over, which is not the end of the stream.
    with pytest.raises(OSError, match="interrupted"):
        buf.read(3, 1)
    assert buf[:3] == b"abc"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Calls one after the other, without an instruction of Python's between them."""
    return list(map(operator.methodcaller("__call__"), calls))


def test_where_c_enters_python() -> None:
    """The place where no `try` of a function's own can be: before its first line."""

    class Server:
        def __init__(self) -> None:
            self.served: list[tuple[int, ...]] = []

        def serve(self, request: tuple[int, ...]) -> int:
            self.served.append(request)
            if request[2] == 4:
                raise KeyError
            return 7

    server = Server()
    entry = _entry.Entry(_native.ProgressCallback, 3, server, -5)
    call = functools.partial(entry.function, 1, 2**40, 3)
    assert call() == 7 and server.served == [(1, 2**40, 3)] and entry.take() is None
    _, result = at_once(_thread.interrupt_main, call)
    assert result == -5 and isinstance(entry.take(), KeyboardInterrupt)
    assert entry.function(1, 2, 4) == -5 and isinstance(entry.take(), KeyError)
    assert call() == 7 and len(server.served) == 3
    # At the recursion limit the generator ends, without being closed; another one takes its place.
    kept, entry._generator = entry._generator, (number for number in ())
    assert list(entry._generator) == [] and kept
    assert isinstance(entry.take(), SourceError)
    assert call() == 7 and entry.take() is None
    # The garbage collector closes it, which is no such end; the next one still is.
    entry._generator.close()
    assert entry.take() is None and call() == 7
    entry._generator = (number for number in ())
    assert list(entry._generator) == [] and isinstance(entry.take(), SourceError)


def test_what_the_stream_has_answered_counts() -> None:
    """An interrupt that comes between the stream's return and the next instruction."""
    question = _streams.Question()
    try:
        question.ask(_thread.interrupt_main)
        # Here at the latest.
        time.sleep(0)
    except KeyboardInterrupt:
        pass
    assert question.answered
    assert question.ask(lambda: 1) is None


def test_bytes_that_did_not_reach_c_are_handed_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes on the way out of the callback, the next one begins where C stands."""
    pull = _source.Source._pull
    results: list[int] = []

    def lost(self: _source.Source, *request: int) -> int:
        result = pull(self, *request)
        results.append(result)
        if len(results) % 2:
            raise KeyError("on the way out")
        return result

    monkeypatch.setattr(_source.Source, "_pull", lost)
    for stream in (
        (data(at, 1000) for at in range(0, 50_000, 1000)),
        io.BytesIO(data(0, 50_000)),
        io.BufferedReader(Slow(data(0, 50_000))),
    ):
        buf, done = StreamBuffer(stream), 0
        while done < 50_000:
            try:
                part = buf.read(done, 700)
            except KeyError:
                continue
            assert part == data(done, len(part)) and part
            done += len(part)


def test_an_interrupt_before_the_view_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream did not keep a view of its memory: the interrupt did."""
    release = _streams._let_go
    shown: list[memoryview] = []

    def interrupted(view: memoryview) -> bool:
        if not shown and view.nbytes:
            shown.append(view)
            raise KeyboardInterrupt
        return release(view)

    monkeypatch.setattr(_streams, "_let_go", interrupted)
    buf = StreamBuffer(io.BufferedReader(Slow(data(0, 50_000))))
    with pytest.raises(KeyboardInterrupt) as caught:
        buf.read(0, 1000)
    buf.resume()
    assert buf[:] == data(0, 50_000)
    assert caught.value.__traceback__


def test_a_file_stays_where_it_is_when_a_read_is_interrupted() -> None:
    file = StreamBuffer([b"abc"]).open(0)
    wait = file._buffer._wait

    def interrupted(*arguments: Any) -> int:
        count = wait(*arguments)
        # The bytes are there, and the handler runs on the way out.
        _thread.interrupt_main()
        return count

    file._buffer._wait = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        file.read(10)
    assert file._buffer.buffered() == 3
    assert file.tell() == 0
    assert file.read(10) == b"abc"
    # And what makes up for a signal leaves a `cancel` alone.
    file = StreamBuffer([b"abc"]).open(0)
    file.cancel()
    file._reader.calm()
    with pytest.raises(CanceledError):
        file.read(1)


def test_a_stream_that_can_go_on_goes_on() -> None:
    """A pipe's file takes nothing when it is interrupted."""
    out, into = os.pipe()
    with open(out, "rb", 0) as file, StreamBuffer(file) as buf:
        os.write(into, b"abc")
        assert buf.read(0, 3) == b"abc"
        with interrupted_once(lambda: buf.stat().pulls > 1):
            buf.read(3, 1)
        os.write(into, b"def")
        os.close(into)
        # Also its end is believed.
        assert buf[:] == b"abcdef"


def test_a_stream_that_nobody_knows_to_bear_it_is_not_asked_by_itself() -> None:
    class Stream:
        def __init__(self) -> None:
            self.asked = 0

        def read(self, size: int) -> bytes:
            self.asked += 1
            if self.asked == 2:
                interrupt()
                sleep()
            return b"abc" if self.asked < 4 else b""

    stream = Stream()
    buf = StreamBuffer(stream)
    assert buf.read(0, 3) == b"abc"
    with pytest.raises(KeyboardInterrupt):
        buf.read(3, 1)
    for _ in range(2):
        with pytest.raises(OSError, match="interrupted"):
            buf.read(3, 1)
    assert stream.asked == 2 and buf[:3] == b"abc"
    buf.resume()
    assert buf.read(0, 6) == b"abcabc"
    assert buf[:] == b"abcabc"


def test_another_thread_is_not_told() -> None:
    out, into = os.pipe()
    with open(out, "rb", 0) as file, StreamBuffer(file) as buf:
        outcome: list[object] = []

        def wait() -> None:
            while not buf.stat().pulls:
                time.sleep(0.001)
            try:
                outcome.append(buf.read(0, 3))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        with interrupted_once(lambda: buf.stat().waits):
            buf.read(0, 3)
        os.write(into, b"abc")
        os.close(into)
        thread.join()
        assert outcome == [b"abc"]


def test_other_handlers(tmp_path) -> None:
    class Late(Exception):
        pass

    def handler(number, frame):
        raise Late

    before = signal.signal(signal.SIGALRM, handler)
    try:

        def stream():
            yield b"abc"
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            sleep()

        buf = StreamBuffer(stream())
        with pytest.raises(Late):
            buf.save(tmp_path / "file")
        assert signal.getsignal(signal.SIGALRM) is handler
        assert not list(tmp_path.iterdir())
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("others", [False, True])
def test_a_storm(others: bool) -> None:
    """Interrupts at any place whatsoever: no byte is wrong, none is lost, no end is invented."""
    size = 3_000_000
    buf = StreamBuffer(io.BufferedReader(Slow(data(0, size))), max_size=100_000)

    if others:
        # From here on the main thread's reads are such as can be woken.
        thread = threading.Thread(target=buf.read, args=(0, 1))
        thread.start()
        thread.join()

    def handler(number: int, frame: Optional[FrameType]) -> None:
        # Not where the test itself is, nor where Python would only print it: in a finalizer, and
        # where C lets go of the stream.
        printed = (RawStreamFile.close.__code__, _registry._on_close.__code__)
        while frame is not None and frame.f_code not in printed:
            if frame.f_code is StreamBuffer.read.__code__:
                raise KeyboardInterrupt
            frame = frame.f_back

    stop = threading.Event()

    def shoot() -> None:
        while not stop.wait(0.0005):
            interrupt()

    before = signal.signal(signal.SIGINT, handler)
    thread = threading.Thread(target=shoot)
    thread.start()
    done = seen = 0
    try:
        while done < size or seen <= 30:
            place = min(done, size - 1)
            try:
                part = buf.read(place, 50_000 if seen > 30 else 1000)
            except KeyboardInterrupt:
                seen += 1
                continue
            except SourceError:
                # It was inside the stream, of which we know that it bears it.
                buf.resume()
                continue
            assert part == data(place, len(part)) and part
            done = place + len(part)
    finally:
        stop.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert buf.read(size, 1) == b""


class Slow(io.RawIOBase):
    """A file that only goes forwards, and survives whatever is raised in it."""

    def __init__(self, whole: bytes) -> None:
        self.whole, self.at = whole, 0

    def readable(self) -> bool:
        return True

    def readinto(self, out) -> int:
        count = min(len(out), len(self.whole) - self.at)
        out[:count] = self.whole[self.at : self.at + count]
        self.at += count
        return count
