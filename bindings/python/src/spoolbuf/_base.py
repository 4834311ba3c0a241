"""What all buffers have in common: files, saves, control, and the end."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Literal, Optional, Union

from . import _codes, _interpreter, _lifetime
from ._arguments import directory, natural
from ._codes import ALL, MAX_DEFAULT, SIZE_UNKNOWN, OnFull, Status
from ._content import Content
from ._details import Details
from ._errors import error_for
from ._handle import text_of
from ._library import lib
from ._native import Options

MAX_SIZE = MAX_DEFAULT
"""The default of `max_size`: at most 5 MiB of a resource are kept in memory."""

REACH_AUTO = _codes.REACH_AUTO
"""A `reach` for media libraries, as their C adapters use: 64 KiB past the buffered bytes."""

Directory = Union[None, str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Short = Optional[Literal["error", "end"]]


class BaseBuffer(Content):
    """A buffer, wherever its bytes come from."""

    # Its number among the live buffers. That of the source changes with a `reopen`.
    _life = 0

    def _options(
        self,
        max_size: Optional[int],
        prefetch: int,
        prefetch_low: int,
        spool_dir: Directory,
        memory_on_full: bool,
        window: Optional[int],
    ) -> Options:
        """The options of every buffer. Called first: from here on, `__del__` is safe."""
        self._handle = None
        self._why_closed = "the buffer is closed"
        _interpreter.check_patches()
        options = Options()
        lib.sb_options_init(ctypes.byref(options), ctypes.sizeof(options))
        self._in_memory = SIZE_UNKNOWN if max_size is None else natural("max_size", max_size)
        options.max_memory = self._in_memory
        self._window = None if window is None else natural("window", window, least=1)
        # 0 keeps everything.
        options.window = self._window or 0
        options.prefetch = natural("prefetch", prefetch)
        options.prefetch_low = natural("prefetch_low", prefetch_low)
        options.on_full = OnFull.MEMORY if memory_on_full else OnFull.FAIL
        if spool_dir is not None:
            options.spool_dir = directory(spool_dir)
        return options

    def _opened(self, code: int) -> None:
        """Checks the status with which the handle was created."""
        if code != Status.OK:
            raise error_for(code, Details(text_of(code)))
        self._life = self._source.key
        _lifetime.live[self._life] = weakref.ref(self)

    # Control.

    def prefetch(self, ahead: Optional[int] = None) -> None:
        """Has a thread keep `ahead` bytes buffered past the furthest read; None: all, 0 stops it.

        That thread then calls the stream.

        >>> buf = StreamBuffer([b"by", b"tes"])
        >>> buf.prefetch()
        >>> buf[:]
        b'bytes'
        """
        if ahead != 0:
            _interpreter.check_helper()
            self._alone = False
        distance = ALL if ahead is None else natural("ahead", ahead)
        self._check(lib.sb_prefetch(self._handle, distance))

    def cancel(self) -> None:
        """Cancels every blocked call, and later calls that would block, until `resume`.

        A call that is inside the stream returns when the stream does: the `cancel` that was passed
        with the stream is called for that. Buffered bytes stay readable.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.cancel()
        >>> buf.read(0, 5)
        Traceback (most recent call last):
        spoolbuf.CanceledError: [Errno ...] ...
        """
        with self._source.noticing():
            code: int = lib.sb_cancel(self._handle)
        self._check(code)

    def retry(self) -> None:
        """Clears a failure, but not a `cancel`: the stream is asked again at its current position.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.retry()
        >>> buf.read(0, 5)
        b'bytes'
        """
        self._check_open()
        with self._source.resuming():
            self._check(lib.sb_retry(self._handle))

    def resume(self) -> None:
        """Clears a cancel and a failure: the stream is asked again at its current position.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.cancel()
        >>> buf.resume()
        >>> buf.read(0, 5)
        b'bytes'
        """
        self._check_open()
        with self._source.resuming():
            self._check(lib.sb_resume(self._handle))

    def spill(self) -> None:
        """Moves the bytes in memory to the temporary file now.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf[:], buf.spill(), buf.stat().memory, buf.stat().disk
        (b'bytes', None, 0, 5)
        """
        self._in_memory = -1
        self._check(lib.sb_spill(self._handle))

    def set_max_size(self, max_size: Optional[int]) -> None:
        """Changes the memory limit, and moves bytes to the temporary file until it holds.

        None keeps everything in memory that comes from then on. If the file can't be written, the
        limit applies all the same, and later reads try again.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf[:], buf.set_max_size(0), buf.stat().memory, buf.stat().disk
        (b'bytes', None, 0, 5)
        """
        limit = SIZE_UNKNOWN if max_size is None else natural("max_size", max_size)
        self._in_memory = min(self._in_memory, limit)
        self._check(lib.sb_set_max_memory(self._handle, limit))

    # The end.

    @property
    def closed(self) -> bool:
        """Whether the buffer was closed.

        >>> StreamBuffer(b"bytes").closed
        False
        """
        return self._handle is None

    def close(self) -> None:
        """Releases everything at once; blocked calls on other threads raise `CanceledError`.

        Garbage collection of the buffer and leaving its `with` block do the same.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.close()
        >>> buf.closed
        True
        """
        handle = self._handle
        if handle is not None:
            with self._source.noticing():
                # Before C wakes blocked calls: they look here for the reason.
                self._handle = None
                try:
                    lib.sb_free(handle)
                finally:
                    _lifetime.live.pop(self._life, None)

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()


def check_short(on_short: Short) -> None:
    """Raises ValueError unless `on_short` has one of its values."""
    if on_short not in (None, "error", "end"):
        raise ValueError('on_short must be "error" or "end"')
