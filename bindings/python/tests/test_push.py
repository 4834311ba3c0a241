"""Bytes that are pushed: their order, the room for them, their end, and who waits for them."""

from __future__ import annotations

import array
import asyncio
import errno
import gc
import io
import os
import random
import signal
import sys
import textwrap
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from spoolbuf import (
    CanceledError,
    FileError,
    InvalidError,
    PushBuffer,
    ShortError,
    SizeError,
    SourceError,
    State,
    StreamBuffer,
    TimedOutError,
    UnknownSizeError,
)
from programs import Program
from support import data, need


def until(true: Callable[[], object]) -> None:
    """Waits for what another thread is about to do."""
    while not true():
        time.sleep(0.001)


class Call:
    """A call on a thread of its own, and what came of it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.result: object = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def end(self) -> object:
        self.thread.join()
        if self.error is not None:
            raise self.error
        return self.result


# The bytes.


def test_any_order() -> None:
    size, piece = 1_000_000, 7919
    buf = PushBuffer()
    places = list(range(0, size, piece))
    random.Random(1).shuffle(places)
    for done, place in enumerate(places):
        part = data(place, min(piece, size - place))
        assert buf.push(place, part) == len(part)
        assert buf.read(place, len(part)) == part
        if not done:
            assert buf.ranges() == [range(place, place + len(part))]
            assert buf.wanted() == range(place)
    assert buf.size is None
    buf.end()
    assert buf.size == len(buf) == size and buf[:] == data(0, size)
    assert buf.ranges() == [range(size)] and not buf.wanted()
    assert buf.read(size, 1) == b"" and buf.is_exhausted()
    assert buf.stat().pulled == size and buf.stat().state is State.ENDED


def test_overlap() -> None:
    """Buffered bytes stay as they are, and count as accepted."""
    buf = PushBuffer()
    assert buf.push(2, b"23") == 2
    assert buf.push(0, b"xxxxxx") == 6
    assert buf.push(0, b"yyyyyyyy") == 8
    assert buf.read(0, 8) == b"xx23xxyy"
    assert buf.stat().pulled == 8


@pytest.mark.parametrize(
    "piece",
    [
        b"bytes",
        bytearray(b"bytes"),
        memoryview(b"bytes"),
        memoryview(b"b-y-t-e-s")[::2],
        array.array("B", b"bytes"),
        memoryview(bytearray(b"bytes")),
    ],
    ids=lambda piece: type(piece).__name__,
)
def test_bytes_like(piece: bytes) -> None:
    buf = PushBuffer()
    assert buf.push(3, piece) == 5
    assert buf.read(3, 5) == b"bytes"


def test_numpy() -> None:
    numpy = need("numpy")
    square = numpy.arange(6, dtype="<u2").reshape(2, 3)
    for array_ in (square, numpy.asfortranarray(square), square[:, ::2], square[0, :0]):
        buf = PushBuffer()
        assert buf.push(0, array_) == array_.nbytes
        buf.end()
        assert buf[:] == array_.tobytes()
    frozen = numpy.frombuffer(b"bytes", dtype="u1")
    assert not frozen.flags.writeable
    buf = PushBuffer()
    assert buf.push(0, frozen) == 5 and buf.read(0, 5) == b"bytes"


def test_the_bytes_are_copied() -> None:
    buf, piece = PushBuffer(), bytearray(b"bytes")
    buf.push(0, piece)
    piece[:] = b"other, and the memory is free to be resized"
    assert buf.read(0, 5) == b"bytes"


def test_an_exception_does_not_pin_the_bytes() -> None:
    buf, piece = PushBuffer(ahead=1), bytearray(b"bytes")
    buf.push(0, b"b")
    with pytest.raises(TimedOutError) as caught:
        buf.push(1, piece, timeout=0)
    piece += b"more"
    assert caught.value.__traceback__ is not None


def test_nothing() -> None:
    buf = PushBuffer()
    assert buf.push(0, b"") == 0 and buf.ranges() == []
    buf.end()
    assert buf[:] == b"" and len(buf) == 0


def test_spill(tmp_path: Path) -> None:
    size = 3_000_000
    buf = PushBuffer(max_size=0, spool_dir=tmp_path)
    assert buf.push(0, data(0, size)) == size
    assert buf.stat().disk > 0 and buf.stat().spool_dir == str(tmp_path)
    buf.end()
    assert buf[:] == data(0, size)
    assert buf.read(size // 2, 1000) == data(size // 2, 1000)


def test_everything_of_a_buffer(tmp_path: Path) -> None:
    buf = PushBuffer(11, prefetch=4)
    assert repr(buf) == "PushBuffer<11, 0, memory 0, disk 0>"
    # The declared size is a hint.
    assert buf.wanted() == range(2**63 - 1)
    buf.push(0, b"some stream")
    buf.end()
    with buf.open() as file:
        assert file.name == "<PushBuffer>" and file.seek(-6, os.SEEK_END) == 5
        assert file.read() == b"stream"
    target = tmp_path / "file"
    assert buf.save(target, require_size=True) == 11 and target.read_bytes() == b"some stream"
    out = io.BytesIO()
    assert buf.save(out) == 11 and out.getvalue() == b"some stream"
    assert b"".join(buf) == bytes(buf) == buf[0:] == b"some stream"
    assert buf[-6:] == b"stream" and buf[0] == ord("s")
    buf.spill()
    buf.set_max_size(0)
    assert buf.stat().disk == 11
    # Another buffer reads its bytes, not its `read`.
    assert StreamBuffer(buf)[5:] == b"stream"
    buf.close()
    assert buf.closed and repr(buf) == "PushBuffer<closed>"


# Room.


def test_ahead() -> None:
    """The pusher goes as far as the readers have come, and `ahead` further."""
    buf = PushBuffer(ahead=1000)
    assert buf.wanted() == range(1000)
    assert buf.push(0, data(0, 3000), timeout=0) == 1000
    assert not buf.wanted()
    with pytest.raises(TimedOutError):
        buf.push(1000, data(1000, 2000), timeout=0)
    buf.read(0, 500)
    assert buf.wanted() == range(1000, 1500)
    assert buf.push(1000, data(1000, 2000), timeout=0) == 500
    # What was accepted before needs no room.
    assert buf.push(0, data(0, 3000), timeout=0.01) == 1500
    pushing = Call(lambda: buf.push(1500, data(1500, 1500)))
    for place in range(500, 3000, 100):
        assert buf.read(place, 100) == data(place, 100)
    assert pushing.end() == 1500


def test_bytes_that_a_read_waits_for_are_accepted() -> None:
    buf = PushBuffer(ahead=10)
    reading = Call(lambda: buf.read(5000, 100))
    until(lambda: buf.stat().waits)
    assert buf.wanted().start == 5000
    assert buf.push(5000, data(5000, 100), timeout=0) == 100
    assert reading.end() == data(5000, 100)


def test_timeout() -> None:
    buf = PushBuffer(ahead=1)
    begun = time.monotonic()
    assert buf.push(0, b"bytes", timeout=0.1) == 1
    with pytest.raises(TimedOutError) as caught:
        buf.push(1, b"ytes", timeout=0.1)
    # By a clock that may be coarse.
    assert time.monotonic() - begun > 0.15
    assert isinstance(caught.value, TimeoutError)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            buf.push(1, b"ytes", timeout=wrong)
    for long in (float("inf"), 1e300):
        assert buf.push(0, b"b", timeout=long) == 1


def test_a_blocked_push_lets_others_work() -> None:
    """On the main thread, which blocks in pieces, and on any other."""
    buf = PushBuffer(ahead=1)
    reading = Call(lambda: buf.read(0, 1000))
    assert buf.push(0, data(0, 1000)) == 1000
    assert reading.end() == data(0, 1000)
    pushing = Call(lambda: buf.push(1000, data(1000, 1000)))
    assert buf.read(1000, 1000) == data(1000, 1000)
    assert pushing.end() == 1000


def test_a_spool_that_cannot_be(tmp_path: Path) -> None:
    there = tmp_path / "absent"
    buf = PushBuffer(max_size=0, spool_dir=there)
    size = 2_000_000
    with pytest.raises(FileError) as caught:
        buf.push(0, data(0, size))
    assert isinstance(caught.value, FileNotFoundError) and caught.value.filename == str(there)
    there.mkdir()
    assert buf.push(0, data(0, size)) == size
    assert buf.read(0, size) == data(0, size)


# The end.


def test_end() -> None:
    buf = PushBuffer()
    buf.push(5, b"bytes")
    with pytest.raises(SizeError):
        buf.end(9)
    with pytest.raises(UnknownSizeError):
        len(buf)
    buf.end(12)
    buf.end(12)
    assert buf.size == 12 and buf.wanted() == range(5)
    with pytest.raises(SizeError):
        buf.end(13)
    with pytest.raises(SizeError):
        buf.push(10, b"bytes")
    buf.push(10, b"by")
    buf.push(0, b"01234")
    assert buf[:] == b"01234bytesby"


def test_a_reader_waits_for_the_end() -> None:
    buf = PushBuffer()
    buf.push(0, b"bytes")
    reading = Call(lambda: buf[:])
    until(lambda: buf.stat().waits)
    buf.end()
    assert reading.end() == b"bytes"


def test_short() -> None:
    buf = PushBuffer(8)
    buf.push(0, b"bytes")
    assert len(buf) == 8
    buf.end()
    with pytest.raises(ShortError) as caught:
        buf.read(5, 1)
    assert (caught.value.received, caught.value.declared) == (5, 8)
    buf.retry()
    buf.push(5, b"123")
    buf.end()
    assert buf[:] == b"bytes123"
    believed = PushBuffer(8, on_short="end")
    believed.push(0, b"bytes")
    believed.end()
    assert believed[:] == b"bytes" and believed.stat().ended_short


# Failures.


def test_fail(tmp_path: Path) -> None:
    """Every later call raises the exception itself, with its own traceback."""

    def broken() -> None:
        raise ConnectionError("cut")

    try:
        broken()
    except ConnectionError as error:
        failure = error
    buf = PushBuffer(100)
    buf.push(0, b"bytes")
    file = buf.open(0)
    buf.fail(failure)
    calls: list[Callable[[], object]] = [
        lambda: buf.read(5, 1),
        lambda: buf.readinto(5, bytearray(1)),
        lambda: buf.read_some(5, 1),
        lambda: buf.read_some(5, 1, timeout=60),
        lambda: buf.read_some(5, 1, timeout=0),
        lambda: buf[-1],
        lambda: buf[:],
        lambda: buf.find_size(),
        lambda: buf.save(tmp_path / "file"),
        lambda: buf.save(io.BytesIO()),
        lambda: buf.push(5, b"bytes"),
        lambda: buf.end(),
        lambda: file.readall(),
        lambda: asyncio.run(buf.aread(5, 1)),
        lambda: Call(lambda: buf.read(5, 1)).end(),
    ]
    for call in calls:
        tracebacks: list[list[str]] = []
        for _ in range(2):
            with pytest.raises(ConnectionError) as caught:
                call()
            assert caught.value is failure
            frames = traceback.extract_tb(failure.__traceback__)
            tracebacks.append([frame.name for frame in frames])
        assert tracebacks[0][-2:] == ["test_fail", "broken"]
        # The frames of a call are not added to those of the next one.
        assert tracebacks[0] == tracebacks[1]
    with pytest.raises(ConnectionError) as caught:
        buf.read()
    assert caught.value.partial == b"bytes"  # type: ignore[attr-defined]
    assert buf.read(0, 100) == b"bytes" and not buf.wanted()
    assert buf.stat().state is State.FAILED and not list(tmp_path.iterdir())


@pytest.mark.parametrize("clear", [PushBuffer.retry, PushBuffer.resume])
def test_it_goes_on_after_a_failure(clear: Callable[[PushBuffer], None]) -> None:
    buf = PushBuffer()
    buf.push(0, b"by")
    buf.fail(ConnectionError("first"))
    buf.fail(ConnectionError("second"))
    with pytest.raises(ConnectionError, match="second"):
        buf.read(2, 1)
    clear(buf)
    assert buf.wanted().start == 2
    reading = Call(lambda: buf.read(2, 3))
    until(lambda: buf.stat().waits)
    buf.fail(KeyError("third"))
    with pytest.raises(KeyError, match="third"):
        reading.end()
    clear(buf)
    buf.push(2, b"tes")
    buf.end()
    # Nothing is left to fail.
    buf.fail(ConnectionError("fourth"))
    assert buf[:] == b"bytes" and buf.read(5, 1) == b""


def test_a_failure_that_is_cleared_at_once_reaches_nobody_or_is_raised() -> None:
    """A reader that woke for it either raises it or goes on to wait."""
    buf = PushBuffer()
    reading = Call(lambda: buf.read(0, 5))
    until(lambda: buf.stat().waits)
    buf.fail(ConnectionError())
    buf.retry()
    buf.push(0, b"bytes")
    try:
        assert reading.end() == b"bytes"
    except ConnectionError:
        assert buf.read(0, 5) == b"bytes"


def test_a_reader_between_two_failures_does_not_clear_the_second() -> None:
    buf = PushBuffer()
    buf.fail(ConnectionError("first"))
    # As for a reader that C has told of the first, while a retry is half done.
    with buf._pusher.resuming():
        assert buf._go_on()
        assert buf.stat().state is State.FAILED
    buf.fail(ConnectionError("second"))
    assert not buf._go_on()
    with pytest.raises(ConnectionError, match="second"):
        buf.read(0, 1)


def test_fail_takes_exceptions() -> None:
    buf = PushBuffer()
    for wrong in (ConnectionError, "cut", None, -5):
        with pytest.raises(TypeError, match="exception"):
            buf.fail(wrong)  # type: ignore[arg-type]
    assert buf.stat().state is State.OPEN
    buf.fail(SourceError(errno.EIO, "of this package"))
    with pytest.raises(SourceError, match="of this package"):
        buf.read(0, 1)


def test_the_exception_keeps_nothing_alive() -> None:
    class Thing:
        pass

    def make() -> tuple[weakref.ref[PushBuffer], weakref.ref[Thing]]:
        buf, thing = PushBuffer(), Thing()
        try:
            raise KeyError(buf, thing)
        except KeyError as error:
            buf.fail(error)
        with pytest.raises(KeyError):
            buf.read(0, 1)
        return weakref.ref(buf), weakref.ref(thing)

    references = make()
    gc.collect()
    assert [reference() for reference in references] == [None, None]


# Together.


def test_a_pusher_and_readers(tmp_path: Path) -> None:
    size = 4_000_000
    buf = PushBuffer(size, max_size=300_000, ahead=500_000, spool_dir=tmp_path)

    def push() -> None:
        place = 0
        while place < size:
            place += buf.push(place, data(place, min(50_000, size - place)))
        buf.end()

    def read(seed: int) -> None:
        rest = random.Random(seed)
        place = 0
        while part := buf.read(place, rest.randrange(1, 60_000)):
            assert part == data(place, len(part))
            place += len(part)
            again = rest.randrange(place)
            assert buf.read(again, 100) == data(again, min(100, size - again))
        assert place == size

    calls = [Call(push), *(Call(lambda seed=seed: read(seed)) for seed in range(4))]
    for call in calls:
        call.end()
    assert buf.stat().disk > 0


def test_pushers_that_meet() -> None:
    """Many threads push the same bytes, and other ones, at once."""
    size, piece = 2_000_000, 9973
    buf = PushBuffer(max_size=200_000)

    def push(seed: int) -> None:
        places = list(range(0, size, piece))
        random.Random(seed).shuffle(places)
        for place in places:
            length = min(2 * piece, size - place)
            assert buf.push(place, data(place, length)) == length

    for call in [Call(lambda seed=seed: push(seed)) for seed in range(4)]:
        call.end()
    buf.end()
    assert buf[:] == data(0, size) and buf.stat().pulled == size


def test_asyncio() -> None:
    """A callback of the event loop pushes for the tasks of the same loop."""
    size, piece = 100_000, 3000
    buf = PushBuffer(ahead=20_000)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def arrived(place: int) -> None:
            part = data(place, min(piece, size - place))
            try:
                place += buf.push(place, part, timeout=0)
            except TimedOutError:
                # The readers have to catch up first.
                loop.call_later(0.001, arrived, place)
                return
            if place < size:
                loop.call_soon(arrived, place)
            else:
                buf.end()

        async def read(step: int) -> None:
            place = 0
            while part := await buf.aread(place, step):
                assert part == data(place, len(part))
                place += len(part)
            assert place == size

        loop.call_soon(arrived, 0)
        await asyncio.gather(read(1000), read(7000), read(50_000))

    asyncio.run(main())


# Misuse, and the end of the buffer.


def test_a_stream_buffer_has_no_push() -> None:
    for name in ("push", "end", "fail", "wanted"):
        assert not hasattr(StreamBuffer, name) and hasattr(PushBuffer, name)


def test_wrong_arguments() -> None:
    wrongs = ({"ahead": 0}, {"ahead": -1}, {"size": -1}, {"on_short": "maybe"}, {"max_size": -1})
    for wrong in wrongs:
        with pytest.raises(ValueError):
            PushBuffer(**wrong)  # type: ignore[arg-type]
    buf = PushBuffer()
    for data_ in ("text", 5, None, [1, 2]):
        with pytest.raises(TypeError):
            buf.push(0, data_)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        buf.push(0.5, b"bytes")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        buf.push(-1, b"bytes")
    for place in (2**63 - 1, 2**64 - 1):
        with pytest.raises(ValueError):
            buf.push(place, b"bytes")
    with pytest.raises(ValueError):
        buf.end(2**63)
    assert buf.ranges() == [] and buf.stat().state is State.OPEN


def test_a_closed_buffer() -> None:
    buf = PushBuffer()
    buf.push(0, b"bytes")
    buf.close()
    calls: list[Callable[[], object]] = [
        lambda: buf.push(5, b"bytes"),
        lambda: buf.push(5, b""),
        lambda: buf.end(),
        lambda: buf.fail(KeyError()),
        lambda: buf.wanted(),
        lambda: buf.retry(),
        lambda: buf.resume(),
        lambda: buf.read(0, 1),
    ]
    for call in calls:
        with pytest.raises(InvalidError, match="closed"):
            call()


def test_close_ends_what_waits() -> None:
    for call in (lambda: buf.push(1, b"ytes"), lambda: buf.read(1, 1)):
        buf = PushBuffer(ahead=1)
        buf.push(0, b"b")
        waiting = Call(call)
        # Not seen for a push: it may be closed before it waits.
        time.sleep(0.05)
        buf.close()
        with pytest.raises((CanceledError, InvalidError), match="closed"):
            waiting.end()


def test_cancel_and_resume() -> None:
    buf = PushBuffer(ahead=1)
    buf.push(0, b"b")
    pushing = Call(lambda: buf.push(1, b"ytes"))
    buf.cancel()
    with pytest.raises(CanceledError):
        pushing.end()
    with pytest.raises(CanceledError):
        buf.push(1, b"y", timeout=0)
    assert not buf.wanted() and buf.read(0, 1) == b"b"
    # A failure is cleared by it, a cancel is not.
    buf.retry()
    with pytest.raises(CanceledError):
        buf.read(1, 1)
    buf.resume()
    assert buf.wanted() == range(1, 2)
    reading = Call(lambda: buf.read(0, 5))
    assert buf.push(1, b"ytes") == 4 and reading.end() == b"bytes"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_cannot_push() -> None:
    # On its own, since this process has threads.
    code = """
    from spoolbuf import InvalidError
    push = PushBuffer()
    held = threading.Event()
    def hold():
        # What a thread of the parent is inside of, the child never leaves.
        with push._pusher.resuming():
            held.set()
            time.sleep(3600)
    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    child = os.fork()
    if child:
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    for call in (lambda: push.push(0, b""), lambda: push.fail(KeyError()), push.retry, push.resume):
        try:
            call()
        except InvalidError as error:
            assert "parent" in str(error)
        else:
            os._exit(1)
    os._exit(0)
    """
    status, errors = program(code).end()
    assert status == 0, errors


# Signals.


def program(code: str) -> Program:
    """A program with a push buffer whose pusher can't go on."""
    start = """
    import os, signal, sys, threading, time
    from spoolbuf import PushBuffer
    push = PushBuffer(ahead=1)
    push.push(0, b"b")
    def waits(name):
        # Says so once the main thread is inside this function.
        main = threading.main_thread().ident
        def watch():
            while True:
                frame = sys._current_frames()[main]
                while frame is not None:
                    if frame.f_code.co_name == name:
                        os.write(1, b"waits\\n")
                        return
                    frame = frame.f_back
                time.sleep(0.001)
        threading.Thread(target=watch, daemon=True).start()
    """
    return Program(textwrap.dedent(start) + textwrap.dedent(code))


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@posix
@pytest.mark.parametrize(
    "call",
    [
        "push.push(1, b'ytes')",
        "push.push(1, b'ytes', timeout=3600)",
        "push.read(1, 10)",
        "push.read_some(1, 10, timeout=3600)",
        "push.open(0).readall()",
    ],
)
def test_ctrl_c(call: str) -> None:
    name = "_push" if ".push(" in call else "_wait"
    # An interpreter that ends closes the buffer first.
    running = program(f"waits({name!r})\n{call}")
    running.hear("waits")
    running.process.send_signal(signal.SIGINT)
    status, errors = running.end()
    assert status == -signal.SIGINT, errors
    assert errors.rstrip().endswith("KeyboardInterrupt") and f"in {name}" in errors, errors


@posix
def test_a_handler_runs_meanwhile_and_the_push_goes_on() -> None:
    running = program(
        """
        def handler(number, frame):
            threading.Thread(target=push.read, args=(0, 100)).start()
        signal.signal(signal.SIGUSR1, handler)
        waits("_push")
        assert push.push(1, bytes(99)) == 99
        """
    )
    running.hear("waits")
    running.process.send_signal(signal.SIGUSR1)
    status, errors = running.end()
    assert (status, errors) == (0, ""), errors


@posix
def test_after_a_ctrl_c_the_same_bytes_are_pushed_again() -> None:
    running = program(
        """
        waits("_push")
        try:
            push.push(0, b"bytes")
        except KeyboardInterrupt:
            threading.Thread(target=push.read, args=(0, 5)).start()
            assert push.push(0, b"bytes") == 5
            assert push.read(0, 5) == b"bytes"
            os.write(1, b"went on\\n")
        """
    )
    running.hear("waits")
    running.process.send_signal(signal.SIGINT)
    running.hear("went on")
    status, errors = running.end()
    assert status == 0, errors
