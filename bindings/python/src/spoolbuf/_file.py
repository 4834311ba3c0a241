"""A file over a buffer: a place of its own, a stop of its own."""

from __future__ import annotations

import functools
import io
import os
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from ._errors import InvalidError
from ._native import Status, Whence, held, lib, pinned

if TYPE_CHECKING:
    from ._buffer import StreamBuffer


class RawStreamFile(io.RawIOBase):
    """An unbuffered file: each read takes what is there, and waits for the first byte only.

    Used by one thread at a time, but for `cancel`, which comes from any.

    >>> raw = StreamBuffer([b"by", b"tes"]).open(buffering=0)
    >>> raw.read(4)
    b'by'
    """

    # Where `__init__` was interrupted, there is nothing to let go of.
    _reader: Optional[int] = None
    # Found here also at the interpreter's end, where modules are empty.
    _free = staticmethod(lib.sb_reader_free)

    def __init__(self, buffer: StreamBuffer) -> None:
        """The buffer lives at least as long as the file."""
        super().__init__()
        self._buffer = buffer
        self._stopped = False
        self._reader = lib.sb_reader_new(buffer._handle)
        if not self._reader:
            buffer._check(Status.INVALID if buffer.closed else Status.NO_MEMORY)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True, whatever the stream can do: the buffer holds what has passed."""
        return True

    def readinto(self, out: Any, /) -> int:
        """Reads up to `len(out)` bytes; 0 at the end."""
        with memoryview(out) as view, view.cast("B") as flat, pinned(flat) as address:
            return self._read(address, len(flat))

    def _read(self, address: int, size: int) -> int:
        """`readinto` for memory that the caller holds."""
        self._check_open()
        place = self._place()
        try:
            count = self._buffer._now(place, size, address)
            if count >= 0:
                held.sb_reader_seek(self._reader, place + count, Whence.SET)
                return count
            take = functools.partial(lib.sb_reader_read, self._reader, size, address)
            return self._buffer._wait(take, self)
        except BaseException:
            # A signal's handler may raise after bytes have come, which are not to be missed.
            held.sb_reader_seek(self._reader, place, Whence.SET)
            raise

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves; reads nothing, but for a seek from an end that nobody knows: that reads to it.

        >>> file = StreamBuffer([b"by", b"tes"]).open(buffering=0)
        >>> file.seek(-3, 2)
        2
        """
        self._check_open()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        if not -(2**63) <= offset < 2**63:
            raise OverflowError("offset out of range")
        place: int = held.sb_reader_seek(self._reader, offset, whence)
        if place == Status.UNKNOWN:
            self._buffer._find_end()
            place = held.sb_reader_seek(self._reader, offset, whence)
        if place == Status.INVALID and not self._buffer.closed:
            raise InvalidError("a place before the start of the file")
        return self._buffer._check(place)

    def tell(self) -> int:
        """The place, in bytes from the start."""
        self._check_open()
        return self._buffer._check(self._place())

    def cancel(self) -> None:
        """Stops this file alone: its waiting call and later ones that would wait raise.

        >>> file = StreamBuffer([b"by", b"tes"]).open(buffering=0)
        >>> file.cancel()
        >>> file.read(1)
        Traceback (most recent call last):
        spoolbuf.CanceledError: [Errno ...] ...
        """
        self._stopped = True
        self._wake()

    def resume(self) -> None:
        """Lets a canceled file wait again."""
        self._stopped = False
        lib.sb_reader_resume(self._reader)

    def _wake(self) -> None:
        """Has the waiting call return; for a signal."""
        lib.sb_reader_cancel(self._reader)

    def _calm(self) -> None:
        """Makes up for a `wake`, but not for a `cancel`."""
        lib.sb_reader_resume(self._reader)
        if self._stopped:
            self._wake()

    def buffered(self) -> int:
        """How many bytes can be read here without waiting.

        >>> StreamBuffer(b"bytes").open(buffering=0).buffered()
        0
        """
        return self._buffer.buffered(self.tell())

    def close(self) -> None:
        """Lets go of the place; the buffer stays."""
        if not self.closed:
            self._free(self._reader)
        super().close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Neither copied nor pickled."""
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def _place(self) -> int:
        place: int = held.sb_reader_seek(self._reader, 0, Whence.CUR)
        return place

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")


class StreamFile(io.BufferedReader):
    """A buffered file, as `open(path, "rb")` returns; `cancel` stops it alone.

    >>> with StreamBuffer([b"one\\n", b"two\\n"]).open() as file:
    ...     [line for line in file]
    [b'one\\n', b'two\\n']
    """

    raw: RawStreamFile  # type: ignore[assignment,unused-ignore]

    def read(self, size: Optional[int] = -1, /) -> bytes:
        """Reads `size` bytes, or to the end; bytes before an error are returned first.

        >>> StreamBuffer(b"bytes").open().read(2)
        b'by'
        """
        place = self.tell()
        try:
            return super().read(size)
        except BaseException as error:
            # What the lower layers had in hand is buffered, and so can be read again.
            self.seek(place)
            there = self.raw._buffer.buffered(place)
            if not there or not isinstance(error, Exception):
                raise
            return super().read(there if size is None or size < 0 else min(size, there))

    def cancel(self) -> None:
        """Stops this file alone: its waiting call and later ones that would wait raise.

        >>> file = StreamBuffer(b"bytes").open()
        >>> file.cancel()
        """
        self.raw.cancel()

    def resume(self) -> None:
        """Lets a canceled file wait again.

        >>> file = StreamBuffer(b"bytes").open()
        >>> file.resume()
        """
        self.raw.resume()
