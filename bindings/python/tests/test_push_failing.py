"""Pushes that end in a failure: it reaches every reader as itself, and can be cleared."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from spoolbuf import PushBuffer, SourceError, State
from calls import Call
from support import PATIENCE, eventually


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
        lambda: buf.read_some(5, 1, timeout=PATIENCE),
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
    eventually(lambda: buf.stat().waits)
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
    eventually(lambda: buf.stat().waits)
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
