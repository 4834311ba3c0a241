"""A stream whose `cancel` does no harm: it is left where it stalls, and asked again later."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import PATIENCE, chunks, data

from spoolbuf import Cache, CanceledError, Resource, StreamBuffer

SIZE, STALL, FAR = 3_000_000, 100_000, 2_000_000


class Stalls(io.RawIOBase):
    """A file that does not go past `STALL` until it is released. `cancel` ends one call."""

    def __init__(self, seeks: bool = True) -> None:
        self.at = self.canceled = 0
        self.end = SIZE
        self._seeks = seeks
        self._is_free = self._told = False
        self._change = threading.Condition()
        self.stalls = threading.Semaphore(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seeks

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert whence == 0
        self.at = offset
        return offset

    def readinto(self, out: Any, /) -> int:
        with self._change:
            if self.at == STALL and not self._is_free:
                self.stalls.release()
                assert self._change.wait_for(lambda: self._is_free or self._told, PATIENCE)
            told, self._told = self._told, False
            if told and self.at < self.end:
                raise CanceledError("told to")
        limit = STALL if self.at < STALL else self.end
        part = data(self.at, max(min(len(out), limit - self.at), 0))
        out[: len(part)] = part
        self.at += len(part)
        return len(part)

    def cancel(self) -> None:
        with self._change:
            self.canceled += 1
            self._told = True
            self._change.notify_all()

    def release(self) -> None:
        with self._change:
            self._is_free = True
            self._change.notify_all()


def created(stream: Stalls) -> Iterator[StreamBuffer]:
    with StreamBuffer(stream, SIZE, cancel=stream.cancel, interruptible=True) as buf:
        yield buf


def reopened(stream: Stalls) -> Iterator[StreamBuffer]:
    with StreamBuffer(chunks(1000), on_short="end") as buf:
        buf.read(0, 1000)
        buf.reopen(stream, SIZE, cancel=stream.cancel, interruptible=True)
        yield buf


def cached(stream: Stalls) -> Iterator[Any]:
    resource = Resource(stream, SIZE, cancel=stream.cancel, interruptible=True)
    with Cache(lambda key: resource) as cache, cache["key"] as buf:
        yield buf


def read_on_a_thread(buf: Any) -> Callable[[], object]:
    """Reads where the stream stalls. The function returns what came of it."""
    outcome: list[object] = []

    def read() -> None:
        try:
            outcome.append(buf.read(STALL, 10))
        except BaseException as error:
            outcome.append(type(error))

    thread = threading.Thread(target=read)
    thread.start()

    def finish() -> object:
        thread.join(PATIENCE)
        return outcome[0]

    return finish


@pytest.mark.parametrize("make", [created, reopened, cached])
def test_a_stalled_stream_is_left_for_a_read_elsewhere(make: Any) -> None:
    """Without that, the second read would wait for the end of the stall."""
    stream = Stalls()
    for buf in make(stream):
        finish = read_on_a_thread(buf)
        assert stream.stalls.acquire(timeout=PATIENCE)
        assert buf.read(FAR, 10) == data(FAR, 10)
        assert stream.canceled == 1
        # It goes back for the first one.
        assert stream.stalls.acquire(timeout=PATIENCE)
        stream.release()
        assert finish() == data(STALL, 10)


def test_others_wait_for_a_stream_that_is_not_interruptible() -> None:
    stream = Stalls()
    with StreamBuffer(stream, SIZE, cancel=stream.cancel) as buf:
        finish = read_on_a_thread(buf)
        assert stream.stalls.acquire(timeout=PATIENCE)
        with buf.open() as file:
            file.cancel()
        releaser = threading.Timer(0.3, stream.release)
        releaser.start()
        assert buf.read(FAR, 10) == data(FAR, 10)
        assert stream.canceled == 0
        assert finish() == data(STALL, 10)
        releaser.join()


@pytest.mark.parametrize("seeks", [False, True])
def test_a_canceled_file_leaves_the_stream(seeks: bool) -> None:
    """Its call is inside the stream, and returns all the same. Another one goes on."""
    stream = Stalls(seeks)
    with StreamBuffer(stream, SIZE, cancel=stream.cancel, interruptible=True) as buf:
        file = buf.open()
        file.seek(STALL)
        outcome: list[object] = []

        def read() -> None:
            try:
                outcome.append(file.read(10))
            except BaseException as error:
                outcome.append(type(error))

        thread = threading.Thread(target=read)
        thread.start()
        assert stream.stalls.acquire(timeout=PATIENCE)
        finish = read_on_a_thread(buf)
        file.cancel()
        thread.join(PATIENCE)
        assert outcome == [CanceledError]
        assert stream.stalls.acquire(timeout=PATIENCE)
        stream.release()
        assert finish() == data(STALL, 10)
        file.resume()
        assert file.read(10) == data(STALL, 10)


def test_an_end_after_a_cancel_is_the_end() -> None:
    """It came while the call was returning with the true end, which is no reason to doubt that."""
    stream = Stalls()
    stream.end = STALL
    with StreamBuffer(stream, cancel=stream.cancel, interruptible=True) as buf:
        finish = read_on_a_thread(buf)
        assert stream.stalls.acquire(timeout=PATIENCE)
        buf.cancel()
        finish()
        buf.resume()
        assert buf.find_size() == STALL and stream.canceled == 1


def test_a_stream_that_cannot_be_interruptible() -> None:
    with pytest.raises(ValueError, match="cancel"):
        StreamBuffer(io.BytesIO(b"abc"), interruptible=True)
    with pytest.raises(ValueError, match="iterator"):
        StreamBuffer(chunks(10), cancel=print, interruptible=True)
