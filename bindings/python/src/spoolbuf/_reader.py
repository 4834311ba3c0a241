"""A cancelable wait for bytes in C. It has no position of its own."""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Optional

from ._codes import ReaderFlag, Status, Whence
from ._details import Details, Room
from ._handle import Handle
from ._library import held, lib
from ._native import ReaderOptions

# The size of a read if the stream must be asked only for the bytes needed.
_EXACTLY = 1 << 14


class Reader:
    """A C reader, created when it is first needed: buffered bytes are read without one.

    Its creator frees it. No finalizer does: an exception of a signal handler would be lost there.
    """

    _reader: Optional[int] = None
    # A class attribute is still found while the interpreter exits and modules are already empty.
    _free = staticmethod(lib.sb_reader_free)

    def __init__(
        self,
        buffer: Handle,
        timeout: Optional[float] = None,
        buffered: bool = False,
        reach: Optional[int] = None,
    ) -> None:
        """The reader keeps the buffer alive. A `timeout` is in seconds, a `reach` in bytes.

        With `buffered` it never calls the stream, and waits only within a timeout.
        """
        self._buffer = buffer
        self.is_canceled = False
        self.timeout = timeout
        self.is_buffered = buffered
        self.reach = reach

    def may_call(self) -> bool:
        """Whether a call may wait for the stream at all."""
        return not self.is_buffered and (self.timeout is None or self.timeout > 0)

    def read(self, offset: int, address: int, size: int) -> int:
        """Blocks only for the first byte; raises the same errors as a read."""
        buffer = self._buffer
        plain = self.timeout is None and not self.is_buffered
        if plain and buffer._is_exact and not buffer._may_wait():
            # A C reader needs one byte, so the stream would be asked for one byte each time.
            if self.is_canceled:
                buffer._check(Status.CANCELED)
            size = min(size, _EXACTLY)
            read = functools.partial(lib.sb_read, buffer._handle, offset, size, address)
            return buffer._wait(read)
        return buffer._wait(functools.partial(_read, self._get(), offset, size, address), self)

    def check_reach(self, offset: int) -> None:
        """Raises if the reach does not go there."""
        move = functools.partial(held.sb_reader_seek, self._get(), offset, Whence.SET)
        self._buffer._wait(move, self)

    def seek_live(self, offset: int) -> int:
        """Where the newest byte ends, plus an offset. It must be within the reach."""
        move = functools.partial(held.sb_reader_seek, self._get(), offset, Whence.LIVE)
        return self._buffer._wait(move, self)

    def find_size(self) -> int:
        """Reads the stream to its end without copying a byte, and returns the true size."""
        find = functools.partial(lib.sb_reader_find_size, self._get())
        return self._buffer._wait(find, self)

    def _get(self) -> int:
        if self.timeout:
            # Others call the stream, and a signal must wake this call.
            self._buffer._alone = False
        if self._reader is None:
            options = ReaderOptions()
            lib.sb_reader_options_init(ctypes.byref(options), ctypes.sizeof(options))
            if self.timeout is not None:
                options.timeout_ms = math.ceil(self.timeout * 1000)
            if self.reach is not None:
                options.reach = self.reach
            options.flags = ReaderFlag.BUFFERED if self.is_buffered else 0
            reader = self._room()
            out = ctypes.byref(reader)
            handle = self._buffer._handle
            self._buffer._check(lib.sb_reader_new_with(handle, ctypes.byref(options), out))
            self._reader = reader.value
            # `cancel` was called before, or just now.
            if self.is_canceled:
                self.wake()
        assert self._reader is not None
        return self._reader

    def _room(self) -> ctypes.c_void_p:
        """Where C writes the reader to."""
        return ctypes.c_void_p()

    def cancel(self) -> None:
        """Cancels the blocked call, and later ones that would block."""
        self.is_canceled = True
        self.wake()

    def resume(self) -> None:
        """Lets it block again."""
        self.is_canceled = False
        if self._reader is not None:
            lib.sb_reader_resume(self._reader)

    def wake(self) -> None:
        """Makes the blocked call return, so that a signal is handled."""
        if self._reader is not None:
            with self._buffer._source.noticing():
                lib.sb_reader_cancel(self._reader)

    def calm(self) -> None:
        """Undoes a `wake`, but not a `cancel`."""
        if self._reader is not None:
            lib.sb_reader_resume(self._reader)
        if self.is_canceled:
            self.wake()

    def details(self, code: int) -> Optional[Details]:
        """What C knows about the last call, which returned this status."""
        room = Room()
        told = lib.sb_reader_error(self._reader, ctypes.byref(room.error))
        known = told == Status.OK and room.error.status == code
        return room.details() if known else None

    def free(self) -> None:
        """Frees the C reader."""
        reader, self._reader = self._reader, None
        if reader is not None:
            self._free(reader)


def _read(reader: int, offset: int, size: int, address: int) -> int:
    count: int = held.sb_reader_seek(reader, offset, Whence.SET)
    return count if count < 0 else lib.sb_reader_read(reader, size, address)
