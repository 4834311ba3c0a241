"""File objects over a buffer, each with its own position and its own cancellation.

A position moves only after a call has succeeded. Whatever ends a call, an error, a cancel or
Ctrl-C, no byte is skipped.
"""

from __future__ import annotations

import io
import operator
import os
from typing import Any, NoReturn, Optional

from ._core import Core
from ._errors import InvalidError
from ._handle import LIMIT
from ._memory import address_of, pinned

# The position of a closed file: less than any other.
_CLOSED = -(2**62)


class RawStreamFile(io.RawIOBase):
    """An unbuffered file: each read blocks only for the first byte and returns the available ones.

    Only one thread at a time may use it, except for `cancel`, which any thread may call.

    >>> raw = StreamBuffer([b"by", b"tes"]).open(buffering=0)
    >>> raw.read(4)
    b'by'
    """

    mode = "rb"

    def __init__(
        self,
        buffer: Core,
        timeout: Optional[float] = None,
        buffered: bool = False,
        reach: Optional[int] = None,
    ) -> None:
        """The file keeps the buffer alive. A `timeout` is in seconds, a `reach` in bytes."""
        super().__init__()
        buffer._check_open()
        self._buffer = buffer
        self._place = buffer._first()
        self._reader = buffer._new_reader(timeout, buffered, reach)
        self._is_limited = reach is not None

    @property
    def name(self) -> str:
        """The stream's name, if it has one.

        >>> StreamBuffer([b"by", b"tes"]).open().name
        '<StreamBuffer>'
        """
        return self._buffer._name

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True, even if the stream can't seek: the buffer keeps all bytes.

        With a `reach` it returns False until the end of such a stream is known, since PyAV and
        others look at the end otherwise. Within the buffered bytes `seek` works even then.
        """
        return not self._is_limited or self._buffer._reaches_end()

    def readinto(self, out: Any, /) -> int:
        """Reads at most `len(out)` bytes; returns 0 at the end."""
        place = self._check_open()
        count = self._buffer._into(place, out, self._reader, True)
        if count < 0:
            with pinned(out) as memory:
                count = self._buffer._read_on(place, memory.address, memory.size, self._reader)
        self._place = place + count
        return count

    def readall(self) -> bytes:
        """Reads to the end. On an error, the exception's `partial` has the bytes before it.

        >>> StreamBuffer([b"by", b"tes"]).open(buffering=0).readall()
        b'bytes'
        """
        place = self._check_open()
        whole = self._buffer._read_at(place, -1, self._reader)
        self._place = place + len(whole)
        return whole

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position. Reads nothing, except for a seek from an unknown end.

        For that it asks a seekable stream for its end, or else reads to the end. With a `reach` it
        raises `UnsupportedError`, an `io.UnsupportedOperation`, instead of fetching bytes further
        ahead, and the position stays.

        >>> file = StreamBuffer([b"by", b"tes"]).open(buffering=0)
        >>> file.seek(-3, 2)
        2
        """
        if whence == 0 and type(offset) is int and 0 <= offset < LIMIT and self._place >= 0:
            if self._is_limited:
                self._reader.check_reach(offset)
            self._place = offset
            return offset
        place = self._check_open()
        offset = operator.index(offset)
        if whence == os.SEEK_SET:
            place = offset
        elif whence == os.SEEK_CUR:
            place += offset
        elif whence == os.SEEK_END:
            place = self._buffer._end(self._reader) + offset
        else:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        if place >= 2**63 or not -(2**63) <= offset < 2**63:
            raise OverflowError("offset out of range")
        if place < 0:
            raise InvalidError("a place before the start of the file")
        if self._is_limited:
            self._reader.check_reach(place)
        self._place = place
        return place

    def seek_live(self, offset: int = 0) -> int:
        """Moves to where the newest byte ends, plus `offset`: for streams without an end.

        >>> buf = PushBuffer(window=1000)
        >>> file = buf.open(buffering=0)
        >>> buf.push(0, b"some stream")
        11
        >>> file.seek_live(-6), file.read(6)
        (5, b'stream')
        """
        self._check_open()
        offset = operator.index(offset)
        if not -(2**63) <= offset < 2**63:
            raise OverflowError("offset out of range")
        self._place = self._reader.seek_live(offset)
        return self._place

    def tell(self) -> int:
        """Returns the position, in bytes from the start."""
        return self._place if self._place >= 0 else self._check_open()

    def cancel(self) -> None:
        """Cancels only this file: its blocked call, and later ones that would block, raise.

        >>> file = StreamBuffer([b"by", b"tes"]).open(buffering=0)
        >>> file.cancel()
        >>> file.read(1)
        Traceback (most recent call last):
        spoolbuf.CanceledError: [Errno ...] ...
        """
        self._reader.cancel()

    def resume(self) -> None:
        """Lets a canceled file block again."""
        self._reader.resume()

    def buffered(self) -> int:
        """Returns how many bytes can be read at the position without blocking.

        >>> StreamBuffer(b"bytes").open(buffering=0).buffered()
        0
        """
        return self._buffer._buffered(self.tell())

    def close(self) -> None:
        """Closes the file; the buffer stays open."""
        # If `__init__` was interrupted, there is nothing to free.
        if not self.closed and hasattr(self, "_reader"):
            self._place = _CLOSED
            self._reader.free()
        super().close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses copying and pickling."""
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def _check_open(self) -> int:
        """Returns the position; raises if the file or its buffer is closed."""
        if self._place < 0:
            raise ValueError("I/O operation on closed file.")
        self._buffer._check_open()
        return self._place


class StreamFile(io.BufferedReader):
    """A buffered file, as `open(path, "rb")` returns; `cancel` cancels only this file.

    Small reads are served from a chunk of bytes that were buffered when it was read ahead.

    >>> with StreamBuffer([b"one\\n", b"two\\n"]).open() as file:
    ...     [line for line in file]
    [b'one\\n', b'two\\n']
    """

    raw: RawStreamFile  # type: ignore[assignment,unused-ignore]

    def __init__(self, raw: RawStreamFile, buffering: int = 8192) -> None:
        """The position is that of `raw`. The state of the base class is not used."""
        super().__init__(raw, 1)
        self._raw = raw
        self._buffering = buffering
        # A chunk of the resource, and its offset.
        self._piece = b""
        self._begin = 0

    def read(self, size: Optional[int] = -1, /) -> bytes:
        """Reads `size` bytes; the bytes before an error are returned first.

        Without a size it reads to the end. An error is then raised, and its `partial` has the bytes
        before it.

        >>> StreamBuffer(b"bytes").open().read(2)
        b'by'
        """
        raw = self._raw
        place = raw._place
        if type(size) is not int:
            size = -1 if size is None else operator.index(size)
        if size > 0:
            begin = place - self._begin
            end = begin + size
            if 0 <= begin and end <= len(self._piece):
                raw._place = place + size
                return self._piece[begin:end]
        elif size < 0:
            return raw.readall()
        part = self._read_at(raw._check_open(), size)
        raw._place = place + len(part)
        return part

    def _read_at(self, place: int, size: int) -> bytes:
        buffer = self._raw._buffer
        if 4 * size <= self._buffering:
            piece = self._read_ahead(place, self._buffering)
            if len(piece) >= size:
                return piece[:size]
        try:
            return buffer._read_at(place, size, self._raw._reader)
        except Exception as error:
            # It was canceled.
            there = buffer._buffered(place)
            if not there or not buffer._source.defer(error):
                raise
            return buffer._read_at(place, min(size, there))

    def _read_ahead(self, place: int, size: int) -> bytes:
        """Reads available bytes ahead, without blocking."""
        out = bytes(size)
        count = self._raw._buffer._now(place, size, out, self._raw._reader)
        if count <= 0:
            return b""
        # In this order: while the chunk is empty, its offset does not matter.
        self._piece = b""
        self._begin = place
        self._piece = out if count == size else out[:count]
        return self._piece

    def _next(self, place: int, size: int = 0) -> bytes:
        """Bytes from `place` on, after blocking for the first one; none at the end."""
        begin = place - self._begin
        if 0 <= begin < len(self._piece):
            return self._piece[begin:]
        size = max(size, self._buffering)
        piece = self._read_ahead(place, size)
        if piece:
            return piece
        raw = self._raw
        out = bytes(size)
        count = raw._buffer._read_on(place, address_of(out), len(out), raw._reader)
        return out[:count]

    def readinto(self, out: Any, /) -> int:
        """Fills `out`; the bytes before an error are returned first.

        >>> out = bytearray(2)
        >>> StreamBuffer(b"bytes").open().readinto(out), out
        (2, bytearray(b'by'))
        """
        raw = self._raw
        place = raw._check_open()
        count = raw._buffer._into(place, out, raw._reader)
        if count < 0:
            with pinned(out) as memory:
                count = raw._buffer._fill(place, memory.address, memory.size, raw._reader)
        raw._place = place + count
        return count

    def readinto1(self, out: Any, /) -> int:
        """Reads the available bytes, after blocking for the first one.

        >>> out = bytearray(5)
        >>> StreamBuffer([b"by", b"tes"]).open().readinto1(out), out
        (2, bytearray(b'by\\x00\\x00\\x00'))
        """
        return self._raw.readinto(out)

    def read1(self, size: int = -1, /) -> bytes:
        """Returns the available bytes, after blocking for the first one.

        >>> StreamBuffer([b"by", b"tes"]).open().read1(5)
        b'by'
        """
        raw = self._raw
        place = raw._check_open()
        size = operator.index(size)
        if not size:
            return b""
        part = self._next(place, size)
        part = part if size < 0 else part[:size]
        raw._place = place + len(part)
        return part

    def peek(self, size: int = 0, /) -> bytes:
        """Returns the next bytes, at least one except at the end, without moving the position.

        >>> file = StreamBuffer([b"by", b"tes"]).open()
        >>> file.peek(), file.tell()
        (b'by', 0)
        """
        return self._next(self._raw._check_open())

    def readline(self, size: Optional[int] = -1, /) -> bytes:
        """Reads a whole line; on an error the position does not move.

        >>> StreamBuffer(b"one\\ntwo\\n").open().readline()
        b'one\\n'
        """
        raw = self._raw
        place = raw._check_open()
        size = -1 if size is None else operator.index(size)
        limit = LIMIT if size < 0 else size
        begin = place - self._begin
        if 0 <= begin < len(self._piece):
            end = self._piece.find(b"\n", begin, begin + limit) + 1
            if end:
                raw._place = self._begin + end
                return self._piece[begin:end]
        line = self._line(place, limit)
        raw._place = place + len(line)
        return line

    def _line(self, place: int, limit: int) -> bytes:
        parts: list[bytes] = []
        while limit and (piece := self._next(place)):
            piece = piece[: piece.find(b"\n", 0, limit) + 1 or limit]
            parts.append(piece)
            place += len(piece)
            limit -= len(piece)
            if piece.endswith(b"\n"):
                break
        return b"".join(parts)

    def readlines(self, hint: Optional[int] = -1, /) -> list[bytes]:
        """Reads all lines; on an error the position does not move.

        >>> StreamBuffer(b"one\\ntwo\\n").open().readlines()
        [b'one\\n', b'two\\n']
        """
        place = self._raw._check_open()
        try:
            return super().readlines(-1 if hint is None else hint)
        except BaseException:
            self._raw._place = place
            raise

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position, as the raw file does.

        >>> StreamBuffer(b"bytes").open().seek(-3, 2)
        2
        """
        return self._raw.seek(offset, whence)

    def seek_live(self, offset: int = 0) -> int:
        """Moves to where the newest byte ends, as the raw file does.

        >>> StreamBuffer(b"bytes").open().seek_live()
        0
        """
        return self._raw.seek_live(offset)

    def tell(self) -> int:
        """Returns the position, in bytes from the start.

        >>> StreamBuffer(b"bytes").open().tell()
        0
        """
        return self._raw.tell()

    def cancel(self) -> None:
        """Cancels only this file: its blocked call, and later ones that would block, raise.

        >>> file = StreamBuffer(b"bytes").open()
        >>> file.cancel()
        """
        self._raw.cancel()

    def resume(self) -> None:
        """Lets a canceled file block again.

        >>> file = StreamBuffer(b"bytes").open()
        >>> file.resume()
        """
        self._raw.resume()
