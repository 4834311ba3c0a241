"""What all buffers have in common: files, saves, control, and the end."""

from __future__ import annotations

import ctypes
import operator
import os
import weakref
from types import TracebackType
from typing import Literal, NoReturn, Optional, TypeVar, Union, overload

from . import _aio, _interpreter, _lifetime, _native, _save, _signals
from ._arguments import directory, limit_of, natural
from ._details import Details
from ._errors import error_for
from ._file import RawStreamFile, StreamFile
from ._handle import text_of
from ._native import (
    ALL,
    MAX_DEFAULT,
    SIZE_UNKNOWN,
    OnFull,
    Options,
    SaveFlag,
    Status,
    lib,
)
from ._queries import Queries
from ._save import Progress, Target

MAX_SIZE = MAX_DEFAULT
"""The default of `max_size`: at most 5 MiB of a resource are kept in memory."""

REACH_AUTO = _native.REACH_AUTO
"""A `reach` for media libraries, as their C adapters use: 64 KiB past the buffered bytes."""

# How far a file reads ahead: little, so that a seek wastes little.
_BUFFERING = 1 << 13

Directory = Union[None, str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Short = Optional[Literal["error", "end"]]

_Self = TypeVar("_Self", bound="BaseBuffer")


class BaseBuffer(Queries):
    """A buffer, wherever its bytes come from."""

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
        _lifetime.live[self._source.key] = weakref.ref(self)

    async def aread(self, offset: int = 0, size: Optional[int] = -1) -> bytes:
        """Reads like `read`, for asyncio: the event loop is not blocked, and no thread waits.

        The stream is called on a thread of the library, one for each buffer. The event loop's
        thread copies the bytes, at most 64 KiB at a time.

        Canceling the task, or a timeout of asyncio, cancels only this read. A read to the end
        raises if the stream fails first; the exception's `partial` has the bytes before that.

        >>> import asyncio
        >>> asyncio.run(StreamBuffer(b"some stream").aread(5, 6))
        b'stream'
        """
        offset = natural("offset", offset)
        size = -1 if size is None else operator.index(size)
        return await _aio.aread(self, offset, size)

    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        mode: Literal[0],
        *,
        timeout: Optional[float] = ...,
        buffered_only: bool = ...,
        reach: Optional[int] = ...,
    ) -> RawStreamFile: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        mode: str = ...,
        *,
        buffering: Literal[0],
        timeout: Optional[float] = ...,
        buffered_only: bool = ...,
        reach: Optional[int] = ...,
    ) -> RawStreamFile: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        mode: str,
        buffering: Literal[0],
        *,
        timeout: Optional[float] = ...,
        buffered_only: bool = ...,
        reach: Optional[int] = ...,
    ) -> RawStreamFile: ...
    @overload
    def open(
        self,
        mode: Union[int, str] = ...,
        buffering: int = ...,
        *,
        timeout: Optional[float] = ...,
        buffered_only: bool = ...,
        reach: Optional[int] = ...,
    ) -> StreamFile: ...
    def open(
        self,
        mode: Union[int, str] = "rb",
        buffering: int = -1,
        *,
        timeout: Optional[float] = None,
        buffered_only: bool = False,
        reach: Optional[int] = None,
    ) -> Union[StreamFile, RawStreamFile]:
        """Opens the resource as a binary file object, with its own position and `cancel`.

        Any number of them can share one buffer; only one thread at a time may use each. `buffering`
        is as in the builtin `open`: a size in bytes, 0 for none. It may also be the only argument.

        With a `timeout`, in seconds, a call raises `TimedOutError` if no byte arrives in time, as
        `read_some` does. With `buffered_only` the stream is never called for this file, and the
        prefetch does not follow it: it reads what is buffered, or arrives for others before the
        timeout. Without a timeout it never blocks.

        A `reach` is for players and parsers, which look at the end first: over a stream that can't
        seek, a seek more than this many bytes past the buffered ones, or from an unknown end,
        raises `UnsupportedError` at once and does not move. `REACH_AUTO` is a good one. None is no
        limit: everything up to there is fetched.

        >>> with StreamBuffer([b"by", b"tes"]).open() as file:
        ...     file.seek(-3, 2), file.read()
        (2, b'tes')
        """
        if isinstance(mode, int):
            buffering = mode
        elif sorted(mode) != ["b", "r"]:
            hint = (
                "io.TextIOWrapper(buf.open()) is a text file"
                if mode in ("r", "rt")
                else "read only"
            )
            raise ValueError(f"the mode is 'rb', not {mode!r}: {hint}")
        limit = None if reach is None else natural("reach", reach)
        raw = RawStreamFile(self, limit_of(timeout), buffered_only, limit)
        return (
            raw if buffering == 0 else StreamFile(raw, buffering if buffering > 1 else _BUFFERING)
        )

    # Control.

    def save(
        self,
        target: Target,
        *,
        progress: Optional[Progress] = None,
        sync: bool = False,
        replace: bool = True,
        require_size: bool = False,
        buffered_only: bool = False,
        link: bool = False,
        timeout: Optional[float] = None,
        mode: int = 0,
    ) -> int:
        """Reads the stream to its end and saves the resource, atomically.

        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as there:
        ...     StreamBuffer([b"by", b"tes"]).save(os.path.join(there, "file"))
        5

        Args:
            target: a path, whose file is replaced atomically or left unchanged; or an open
                descriptor or binary file object, which is written to at its position. The library
                writes to a plain file or pipe itself. It calls the `write` of any other object
                (a GzipFile, a BytesIO, a socket's file).
            progress: called with the number of bytes saved and the total, None while that is
                unknown; or a progress bar with `update`, such as tqdm's. An exception that it
                raises stops the save.
            sync: whether the file is on the disk (fsync) before the call returns.
            replace: False leaves an existing file alone, and raises `ExistsError`.
            require_size: raises `SizeError` unless the size is the declared one.
            buffered_only: saves the bytes buffered now, without asking the stream.
            link: the file may share its blocks with the temporary file, or be that file. This takes
                almost no time. Only for a file that nobody edits in place while the buffer lives.
            timeout: the limit for the whole save, in seconds; after it, `TimedOutError` is raised,
                and the file is unchanged. The stream is then asked on a thread of the library.
            mode: the permission bits of the file at a path, 0o600, say; 0 is the default mode.
        """
        flags = SaveFlag(0)
        flags |= SaveFlag.SYNC if sync else flags
        flags |= SaveFlag.REQUIRE_SIZE if require_size else flags
        flags |= SaveFlag.BUFFERED if buffered_only else flags
        flags |= SaveFlag.LINK if link else flags
        flags |= flags if replace else SaveFlag.NO_REPLACE
        if link:
            self._in_memory = -1
        if not _signals.is_main():
            self._alone = False
        if timeout is not None and not timeout >= 0:
            raise ValueError("timeout must not be negative")
        if timeout is not None:
            _interpreter.check_helper()
            self._alone = False
        how = _save.How(flags, progress, _save.deadline(timeout), natural("mode", mode, 0o777))
        return _save.save(self, target, how)

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
                    _lifetime.live.pop(self._source.key, None)

    def __enter__(self: _Self) -> _Self:
        """Returns the buffer itself.

        >>> with StreamBuffer(b"bytes") as buf:
        ...     buf[:2]
        b'by'
        """
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Closes the buffer."""
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses copying and pickling: the copy would close the original's handle."""
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()


def check_short(on_short: Short) -> None:
    """Raises if the option has no meaning."""
    if on_short not in (None, "error", "end"):
        raise ValueError('on_short must be "error" or "end"')
