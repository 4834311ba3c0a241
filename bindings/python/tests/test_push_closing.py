"""Wrong calls of a push buffer, and its end."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from spoolbuf import CanceledError, InvalidError, PushBuffer, State, StreamBuffer
from calls import Call


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
