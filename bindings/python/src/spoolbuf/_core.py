"""The C buffer over a source, and how its calls block: on the stream, on others, on signals."""

from __future__ import annotations

import ctypes
import functools
import io
import math
import os
import time
from collections.abc import Callable
from typing import Any, Optional

from . import _lifetime, _signals
from ._errors import (
    CanceledError,
    InvalidError,
    TimedOutError,
    error_for,
    keep_partial,
    short_error,
)
from ._native import SIZE_UNKNOWN, Status, address_of, fresh, held, lib, read_bytes
from ._native import Stats as NativeStats
from ._reader import Reader
from ._source import Source

# The size of a read if the number of bytes to come is unknown.
PIECE = 1 << 20

# At most this many bytes of memory are copied without releasing the GIL.
HELD = 1 << 16

# At most this many bytes are zeroed in less time than a call of `fresh` takes.
_CLEAN = 1 << 13

# The largest size of a resource, and so an offset past every end.
LIMIT = 2**63 - 1

# How long a read with a timeout may delay signals on the main thread, in milliseconds.
_SLICE = 50

# How many times a read retries after another one was interrupted inside the stream.
_TRIES = 1000


class Core:
    """A C handle, and the state that calls on it need."""

    _handle: Optional[int]
    _source: Source
    # This many bytes can be taken from the stream before any of them is on disk.
    _in_memory: int
    # Whether only the main thread ever called the stream, so that it never waits for another.
    _alone: bool
    # Whether the stream is asked only for the bytes needed.
    _is_exact: bool
    _why_closed: str
    _name: str

    def close(self) -> None:
        """Releases everything."""
        raise NotImplementedError

    # Reading.

    def _read_at(self, offset: int, size: int, reader: Optional[Reader] = None) -> bytes:
        """Reads, for a cancelable reader if one is given. A negative `size` reads to the end."""
        if not 0 <= size <= PIECE:
            return self._read_long(offset, size, reader)
        # Zeroing a small object is cheap.
        out = bytes(size) if size <= _CLEAN else fresh(None, size)
        count = self._now(offset, size, out)
        if count != size:
            count = self._bring(offset, address_of(out), size, reader)
        return out if count == size else out[:count]

    def _read_long(self, offset: int, size: int, reader: Optional[Reader]) -> bytes:
        out = io.BytesIO()
        done = 0
        while size < 0 or done < size:
            # Doubles the buffer, so that copying it while it grows costs little in total.
            room = max(PIECE, done, self._buffered(offset + done))
            room = room if size < 0 else min(room, size - done)
            out.seek(done + room - 1)
            out.write(b"\0")
            count = 0
            try:
                with out.getbuffer() as view, view[done:] as rest:
                    anchor: Any = (ctypes.c_char * 0).from_buffer(rest)
                    try:
                        count = self._fill(offset + done, ctypes.addressof(anchor), room, reader)
                    finally:
                        del anchor
            except BaseException as error:
                if size < 0:
                    # No later read could raise it.
                    out.truncate(done)
                    keep_partial(error, out.getvalue())
                    raise
                if not done or not comes_later(error):
                    raise
            done += count
            if not count or (count < room and (size >= 0 or self._is_end(offset + done))):
                break
        out.truncate(done)
        return out.getvalue()

    def _is_end(self, place: int) -> bool:
        """Whether a short read ended at the end. If not, the next read raises the failure."""
        final = self._stats().final_size
        return final != SIZE_UNKNOWN and place >= final

    def _now(self, offset: int, size: int, out: Any) -> int:
        """Reads buffered bytes only: calls no stream and never blocks on anybody."""
        # A read from disk may take a while: other threads can run meanwhile.
        quick = size <= HELD and self._source.taken <= self._in_memory
        count: int = (read_bytes if quick else lib.sb_read_some)(self._handle, offset, size, out, 0)
        return count

    def _fill(self, offset: int, address: int, size: int, reader: Optional[Reader] = None) -> int:
        """Fills memory as far as the resource goes. The caller keeps the memory alive."""
        count = self._now(offset, size, address)
        return count if count == size else self._bring(offset, address, size, reader)

    def _bring(self, offset: int, address: int, size: int, reader: Optional[Reader] = None) -> int:
        """Fills memory with bytes that may have to arrive first."""
        if reader is None:
            if not self._may_wait():
                # Not a closure: Python 3.12 and 3.13 crash if there is no memory to create one.
                read = functools.partial(lib.sb_read, self._handle, offset, size, address)
                return self._wait(read)
            reader = Reader(self)
            try:
                return self._bring(offset, address, size, reader)
            finally:
                reader.free()
        done = 0
        while done < size:
            try:
                count = self._read_on(offset + done, address + done, size - done, reader)
            except Exception as error:
                if not done or not comes_later(error):
                    raise
                break
            if not count:
                break
            done += count
        return done

    def _read_on(self, offset: int, address: int, size: int, reader: Reader) -> int:
        """Reads the available bytes, after blocking for the first one."""
        count = self._now(offset, size, address)
        return count if count >= 0 else reader.read(offset, address, size)

    # Waiting.

    def _may_wait(self) -> bool:
        """Whether this is the main thread, and it may wait for others."""
        return not self._alone and _signals.is_main()

    def _wait(self, call: Callable[[], int], reader: Optional[Reader] = None) -> int:
        """Calls C for bytes that may have to arrive first. Raises its error, or a pending one."""
        source = self._source
        # Drops the exception of an earlier call that could no longer raise it.
        source.take_kept()
        tries = 0
        while True:
            is_main = _signals.is_main()
            if not is_main:
                self._alone = False
            rung = False
            try:
                with source.reading():
                    if is_main and reader is not None and not self._alone:
                        with _signals.Watch(reader) as watch:
                            count = call()
                        rung = watch.rung
                    else:
                        count = call()
            except BaseException:
                source.take_kept()
                self._go_on()
                raise
            kept = source.take_kept()
            if kept is not None:
                self._go_on()
                try:
                    raise kept
                finally:
                    # Breaks the cycle between the exception and this frame.
                    del kept
            if count == Status.CANCELED and rung and reader and not reader.is_canceled:
                # A signal woke it, and its handler has run by now.
                continue
            if count != Status.SOURCE or tries == _TRIES or not self._go_on():
                return self._check(count)
            # Another thread was interrupted.
            tries += 1
            time.sleep(0.001)

    def _wait_within(self, take: Callable[[int], int], timeout: float) -> int:
        """Reads the bytes that arrive within `timeout` seconds; 0 reads buffered bytes only."""
        if timeout:
            self._alone = False
        until = time.monotonic() + timeout
        while True:
            left = max(math.ceil((until - time.monotonic()) * 1000), 0) if timeout else 0
            limit = min(left, _SLICE if _signals.is_main() else LIMIT)
            try:
                return self._wait(functools.partial(take, limit))
            except TimedOutError:
                if limit == left:
                    raise

    def _go_on(self) -> bool:
        """Whether the stream failed only because of an interrupt. If so, clears the failure."""
        if self._source.error() is not None:
            return False
        lib.sb_retry(self._handle)
        return True

    # The end.

    def _end(self) -> int:
        """The size that a file uses to seek from its end."""
        size: int = held.sb_size(self._handle)
        return self._find_end() if size == Status.UNKNOWN else self._check(size)

    def _find_end(self) -> int:
        """The true size. Asks a seekable stream for its end, or else reads to it."""
        asked = False
        while True:
            stats = self._stats()
            if stats.final_size != SIZE_UNKNOWN:
                return stats.final_size
            if stats.seekable and not asked:
                asked = True
                end = self._source.find_end()
                if end is not None:
                    # Its last byte, and the absence of one after it, prove the end.
                    self._read_at(max(end - 1, 0), 2)
                continue
            # A forward-only stream is read up to any offset without copying a byte of it.
            place = stats.frontier if stats.seekable else LIMIT - 1
            self._read_at(place, PIECE if stats.seekable else 1)

    # Queries.

    def _buffered(self, offset: int) -> int:
        return self._check(held.sb_buffered(self._handle, offset))

    def _stats(self) -> NativeStats:
        stats = NativeStats()
        self._check(lib.sb_stat(self._handle, ctypes.byref(stats), ctypes.sizeof(stats)))
        return stats

    def _check_open(self) -> None:
        if self._handle is None:
            self._check(Status.INVALID)

    def _check(self, code: int, path: object = None) -> int:
        """Returns the count, or raises the exception for the status."""
        if code >= 0:
            return code
        if code == Status.SOURCE:
            error = self._source.error()
            if error is not None:
                try:
                    raise error
                finally:
                    # Breaks the cycle between the exception and this frame.
                    del error
        if self._handle is None:
            if _lifetime.is_ending():
                _lifetime.park()
            if code == Status.INVALID:
                raise InvalidError(self._why_closed)
            if code == Status.CANCELED:
                raise error_for(code, "the buffer was closed")
        system_error = 0
        if code in (Status.IO, Status.DISK_FULL, Status.SHORT):
            stats = NativeStats()
            size = ctypes.sizeof(stats)
            if lib.sb_stat(self._handle, ctypes.byref(stats), size) == Status.OK:
                if code == Status.SHORT:
                    raise short_error(min(stats.bound, stats.frontier), stats.declared)
                system_error = stats.system_error
                if path is None and system_error and stats.spool_dir:
                    path = os.fsdecode(stats.spool_dir)
        raise error_for(code, text_of(code), system_error, path)


def comes_later(error: BaseException) -> bool:
    """Whether the bytes before an error are returned now, and the next read raises it."""
    return isinstance(error, Exception) and not isinstance(error, (CanceledError, InvalidError))


def text_of(code: int) -> str:
    """The library's description of a status."""
    text: bytes = lib.sb_strerror(code)
    return text.decode()
