"""Reads at an offset: buffered bytes at once, other bytes as they arrive."""

from __future__ import annotations

import ctypes
import functools
import io
import time
from typing import Any, Optional

from ._codes import SIZE_UNKNOWN, Status
from ._errors import CanceledError, InvalidError, keep_partial
from ._handle import LIMIT, Handle
from ._library import held, lib, read_anchored, read_bytes
from ._memory import address_of, anchored, fresh
from ._reader import Reader
from ._share import Busy

# The size of a read if the number of bytes to come is unknown.
PIECE = 1 << 20

# At most this many bytes of memory are copied without releasing the GIL.
HELD = 1 << 16

# How long, in seconds, a call waits for a stream without a look at what has happened meanwhile.
_TURN = 0.05

# At most this many bytes are zeroed in less time than a call of `fresh` takes.
_CLEAN = 1 << 13


class Core(Handle):
    """The reads on which all others are built."""

    # This many bytes can be taken from the stream before any of them is on disk.
    _in_memory: int
    _name: str
    # Most bytes to keep; None for all.
    _window: Optional[int]

    @property
    def _stride(self) -> int:
        """`aread` waits for the last of this many bytes: 1 if the stream may seek to it."""
        return 1

    def _first(self) -> int:
        """The offset at which files and iterators start: that of the oldest byte that is kept."""
        return 0 if self._window is None else self._stats().tail

    def _new_reader(
        self, timeout: Optional[float] = None, buffered: bool = False, reach: Optional[int] = None
    ) -> Reader:
        """A reader, which its user frees."""
        return Reader(self, timeout, buffered, reach)

    def _read_at(self, offset: int, size: int, reader: Optional[Reader] = None) -> bytes:
        """Reads, for a cancelable reader if one is given. A negative `size` reads to the end."""
        if not 0 <= size <= PIECE:
            return self._read_long(offset, size, reader)
        # Zeroing a small object is cheap.
        out = bytes(size) if size <= _CLEAN else fresh(None, size)
        count = self._now(offset, size, out, reader)
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
                if not done or not self._comes_later(error):
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

    def _now(self, offset: int, size: int, out: Any, reader: Optional[Reader] = None) -> int:
        """Reads buffered bytes only: calls no stream and never blocks on anybody."""
        if reader is not None and reader.is_buffered:
            # Left to the reader, which the prefetch does not follow.
            return Status.TIMEOUT
        # A read from disk may take a while: other threads can run meanwhile.
        quick = size <= HELD and self._source.taken <= self._in_memory
        count: int = (read_bytes if quick else lib.sb_read_some)(self._handle, offset, size, out, 0)
        return count

    def _into(
        self, offset: int, out: Any, reader: Optional[Reader] = None, part: bool = False
    ) -> int:
        """Fills an object of a frequent type with bytes in memory, or a part of it if that will do.

        Negative if it can't. Where it can, it takes a fourth of the time of `pinned`.
        """
        size = LIMIT
        if type(out) is bytearray:
            size = len(out)
        elif type(out) is memoryview:
            size = out.nbytes
        if size > HELD or self._source.taken > self._in_memory:
            return Status.TIMEOUT
        if reader is not None and reader.is_buffered:
            return Status.TIMEOUT
        try:
            count: int = read_anchored(self._handle, offset, size, anchored(out), 0)
        except (TypeError, ctypes.ArgumentError):
            # The memory is read-only or in pieces, or the offset has another type.
            return Status.TIMEOUT
        return count if part or count == size else Status.TIMEOUT

    def _fill(self, offset: int, address: int, size: int, reader: Optional[Reader] = None) -> int:
        """Fills memory as far as the resource goes. The caller keeps the memory alive."""
        count = self._now(offset, size, address, reader)
        return count if count == size else self._bring(offset, address, size, reader)

    def _bring(self, offset: int, address: int, size: int, reader: Optional[Reader] = None) -> int:
        """Fills memory with bytes that may have to arrive first."""
        if reader is None:
            if not self._may_wait():
                # Not a closure: Python 3.12 and 3.13 crash if there is no memory to create one.
                read = functools.partial(lib.sb_read, self._handle, offset, size, address)
                return self._wait(read)
            reader = self._new_reader()
            try:
                return self._bring(offset, address, size, reader)
            finally:
                reader.free()
        done = 0
        while done < size:
            try:
                count = self._read_on(offset + done, address + done, size - done, reader)
            except Exception as error:
                if not done or not self._comes_later(error):
                    raise
                break
            if not count:
                break
            done += count
        return done

    def _comes_later(self, error: BaseException) -> bool:
        """Whether the bytes before an error are returned now, and a later read raises it."""
        return comes_later(error) and self._source.defer(error)

    def _read_on(self, offset: int, address: int, size: int, reader: Reader) -> int:
        """Reads the available bytes, after blocking for the first one."""
        count = self._now(offset, size, address, reader)
        return count if count >= 0 else reader.read(offset, address, size)

    # The end.

    def _end(self, reader: Reader) -> int:
        """The size that a file uses to seek from its end."""
        # With a reach, only a size that is a fact counts, not a declared one.
        size_of = held.sb_size if reader.reach is None else held.sb_known_size
        size: int = size_of(self._handle)
        return self._find_end(reader) if size == Status.UNKNOWN_SIZE else self._check(size)

    def _reaches_end(self) -> bool:
        """Whether a reader with a reach can go to the end."""
        stats = self._stats()
        return bool(stats.seekable) or stats.final_size != SIZE_UNKNOWN

    def _find_end(self, reader: Optional[Reader] = None) -> int:
        """The true size. Asks a seekable stream for its end, or else reads to it."""
        stats = self._stats()
        if stats.final_size != SIZE_UNKNOWN:
            return stats.final_size
        asks = stats.seekable and (reader is None or reader.may_call())
        end = self._ask_end(reader) if asks else None
        if end is not None:
            # Its last byte, and the absence of one after it, prove the end.
            self._read_at(max(end - 1, 0), 2, reader)
        if reader is not None:
            return reader.find_size()
        reader = self._new_reader()
        try:
            return reader.find_size()
        finally:
            reader.free()

    def _ask_end(self, reader: Optional[Reader]) -> Optional[int]:
        """Asks the stream for its end, once no other call is inside it."""
        limit = LIMIT if reader is None or reader.timeout is None else reader.timeout
        until = time.monotonic() + limit
        while True:
            left = until - time.monotonic()
            try:
                return self._source.find_end(max(min(left, _TURN), 0))
            except Busy:
                self._check_open()
                if reader is not None and reader.is_canceled:
                    self._check(Status.CANCELED)
                if left <= _TURN:
                    self._check(Status.TIMEOUT)


def comes_later(error: BaseException) -> bool:
    """Whether the bytes before an error may be returned now, and a later read raise it."""
    return isinstance(error, Exception) and not isinstance(error, (CanceledError, InvalidError))
