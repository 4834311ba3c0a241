"""Ctrl-C: it reaches the program, and neither the stream nor other threads take harm."""

from __future__ import annotations

import _thread
import io
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Optional

import pytest

from spoolbuf import CanceledError, RawStreamFile, Status, StreamBuffer, _signals, _source
from spoolbuf._native import lib
from support import data

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def sleep() -> None:
    """A minute, in pieces: a signal that comes just before a sleep does not end it."""
    for _ in range(6000):
        time.sleep(0.01)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


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


def test_between_two_calls_of_the_stream() -> None:
    """The place where no `try` of Python's can be: the first instruction of a callback."""
    taken = []

    class Stream:
        def read(self, size: int) -> bytes:
            taken.append(size)
            return data(sum(taken[:-1]), size)

    buf = StreamBuffer(Stream(), size=100_000)
    with pytest.raises(KeyboardInterrupt), _signals.Shield():
        # Noted, since it comes where C is on its way to the callback; the callback makes up for it.
        interrupt()
        status = lib.sb_read(buf._handle, 0, 1000, bytes(1000))
        assert status == Status.SOURCE
    buf.resume()
    assert not taken
    assert buf.read(0, 1000) == data(0, 1000)


def test_at_the_end_of_a_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the exchange of handlers is itself interrupted, it is made up for before C goes on."""
    shut = _signals.Shield.shut
    calls = []

    def interrupted(self: _signals.Shield) -> None:
        calls.append(self)
        if len(calls) == 1:
            raise KeyboardInterrupt
        shut(self)

    monkeypatch.setattr(_signals.Shield, "shut", interrupted)
    with _signals.Shield():
        with pytest.raises(KeyboardInterrupt):
            _signals.openly(lambda: None)
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_the_stream_has_answered_counts() -> None:
    """An interrupt that comes between the stream's return and the next instruction."""
    answers = []
    with pytest.raises(KeyboardInterrupt), _signals.Shield():
        answers.append(_source._ask(_thread.interrupt_main))
    assert answers == [None]


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
    file._calm()
    with pytest.raises(CanceledError):
        file.read(1)


def test_a_stream_that_can_go_on_goes_on() -> None:
    class File(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def readinto(self, out) -> int:
            if not self.tell() and not asked:
                asked.append(True)
                interrupt()
            return super().readinto(out)

    asked: list[bool] = []
    buf = StreamBuffer(File(data(0, 100_000)))
    with pytest.raises(KeyboardInterrupt):
        buf.read(0, 100_000)
    assert buf[:] == data(0, 100_000)


def test_another_thread_is_not_told() -> None:
    class File(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def readinto(self, out) -> int:
            if threading.current_thread() is threading.main_thread():
                while buf.stat().waits < 1:
                    time.sleep(0.001)
                interrupt()
                sleep()
            return super().readinto(out)

    buf = StreamBuffer(File(data(0, 100_000)))
    outcome: list[object] = []

    def wait() -> None:
        while not buf.stat().pulls:
            time.sleep(0.001)
        try:
            outcome.append(buf.read(0, 100_000) == data(0, 100_000))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        buf.read(0, 10)
    thread.join()
    assert outcome == [True]
    # Python 3.13t never collects a class, nor what its functions refer to.
    buf.close()


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
        # Not where the test itself is, nor where Python would only print it: in a finalizer.
        while frame is not None and frame.f_code is not RawStreamFile.close.__code__:
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
