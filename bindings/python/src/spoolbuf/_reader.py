"""Who waits for bytes in C, and can be stopped there. It has no place of its own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Optional

from ._native import Status, Whence, held, lib

if TYPE_CHECKING:
    from ._core import Core


# How much is asked for at a time where no more than that is to be asked for.
_EXACTLY = 1 << 14


class Reader:
    """A reader of C's, made when it is first needed: what is buffered is read without one.

    Whoever makes one frees it. No finalizer does: what a signal's handler raises in one is lost.
    """

    _reader: Optional[int] = None
    # Found here also at the interpreter's end, where modules are empty.
    _free = staticmethod(lib.sb_reader_free)

    def __init__(self, buffer: Core) -> None:
        """The buffer lives at least as long as this."""
        self._buffer = buffer
        self.is_canceled = False

    def read(self, offset: int, address: int, size: int) -> int:
        """Waits for the first byte only; raises what a read raises."""
        buffer = self._buffer
        if buffer._is_exact and not buffer._may_wait():
            # A reader of C's needs one byte, and for one byte the stream would be asked each time.
            if self.is_canceled:
                buffer._check(Status.CANCELED)
            size = min(size, _EXACTLY)
            read = functools.partial(lib.sb_read, buffer._handle, offset, size, address)
            return buffer._wait(read)
        return buffer._wait(functools.partial(_read, self._get(), offset, size, address), self)

    def _get(self) -> int:
        if self._reader is None:
            reader: Optional[int] = lib.sb_reader_new(self._buffer._handle)
            if not reader:
                self._buffer._check_open()
                self._buffer._check(Status.NO_MEMORY)
                raise AssertionError
            self._reader = reader
            # A `cancel` of before, or of right now.
            if self.is_canceled:
                self.wake()
        return self._reader

    def cancel(self) -> None:
        """Stops the waiting call and later ones that would wait."""
        self.is_canceled = True
        self.wake()

    def resume(self) -> None:
        """Lets it wait again."""
        self.is_canceled = False
        if self._reader is not None:
            lib.sb_reader_resume(self._reader)

    def wake(self) -> None:
        """Has the waiting call return; for a signal."""
        if self._reader is not None:
            lib.sb_reader_cancel(self._reader)

    def calm(self) -> None:
        """Makes up for a `wake`, but not for a `cancel`."""
        if self._reader is not None:
            lib.sb_reader_resume(self._reader)
        if self.is_canceled:
            self.wake()

    def free(self) -> None:
        """Lets go of what C has."""
        reader, self._reader = self._reader, None
        if reader is not None:
            self._free(reader)


def _read(reader: int, offset: int, size: int, address: int) -> int:
    count: int = held.sb_reader_seek(reader, offset, Whence.SET)
    return count if count < 0 else lib.sb_reader_read(reader, size, address)
