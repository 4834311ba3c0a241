"""The buffer: a stream that becomes sliceable."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import operator
import os
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Optional, Union, overload

from . import _aio, _interpreter, _lifetime, _save, _signals, _stats
from ._core import HELD, LIMIT, PIECE, Core, text_of
from ._errors import InvalidError, error_for
from ._file import RawStreamFile, StreamFile
from ._native import (
    ALL,
    MAX_DEFAULT,
    SIZE_UNKNOWN,
    OnFull,
    OnShort,
    Options,
    Range,
    SaveFlag,
    Status,
    address_of,
    anchored,
    fresh,
    held,
    lib,
    pinned,
    read_anchored,
    read_bytes,
)
from ._reader import Reader
from ._save import Progress, Target
from ._source import Source, Stream
from ._stats import Stats

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_SIZE = MAX_DEFAULT
"""The default of `max_size`: at most 5 MiB of a resource are kept in memory."""

# The largest chunk that an iteration yields.
_CHUNK = 1 << 16

# How many bytes a save asks the stream for at a time.
_STEP = 1 << 16

# How far a file reads ahead: little, so that a seek wastes little.
_BUFFERING = 1 << 13

_NONE: Any = object()


class StreamBuffer(Core):
    """Makes the bytes of a stream readable anywhere, any number of times, from any thread.

    `stream` is any iterable of bytes-like chunks (a generator, a list, `response.iter_content()`),
    one bytes object, or anything with `readinto` or `read` (a file, `urlopen(…)`). It is read only
    as far as bytes are requested. A stream that has `seek` and is `seekable()` is sought where that
    saves reading. Its current position is offset 0 of the resource.

    >>> buf = StreamBuffer(iter([b"some ", b"stream ", b"of bytes"]))
    >>> buf[5:11]
    b'stream'
    >>> buf.read(0, 4)
    b'some'

    Args:
        stream: the source of the bytes.
        size: the declared size of the resource. It is a hint: a longer resource is still read to
            its end, and a shorter one is an error, see `on_short`.
        max_size: most bytes to keep in memory; older ones are spilled to an unnamed temporary file.
            None keeps everything in memory.
        prefetch: bytes to keep buffered past the furthest read, as by `prefetch()`.
        cancel: called, on any thread, to make a blocked call of the stream return soon: shut the
            socket down there. Must not block.
        close_stream: whether to call the stream's `close()` once no more of its bytes are needed.
        spool_dir: the directory of the temporary file.
        memory_on_full: whether to go on in memory past `max_size` when the disk is full.
        on_short: the meaning of an end before the declared size. "error" raises `ShortError` at
            that offset, until `resume()` asks the stream again; "end" believes the stream. The
            default is "error" if `size` is given or an HTTP response has a length, else "end".
        seek_gap: a gap of at most this many bytes is read instead of sought over.
        round_up: the stream is asked for the bytes needed, rounded up to a multiple of this, which
            is at most 16384.
    """

    def __init__(
        self,
        stream: Stream,
        size: Optional[int] = None,
        max_size: Optional[int] = MAX_SIZE,
        *,
        prefetch: int = 0,
        cancel: Optional[Callable[[], object]] = None,
        close_stream: bool = False,
        spool_dir: Union[None, str, bytes, os.PathLike[str], os.PathLike[bytes]] = None,
        memory_on_full: bool = False,
        on_short: Optional[Literal["error", "end"]] = None,
        seek_gap: Optional[int] = None,
        round_up: Optional[int] = None,
    ) -> None:
        """Takes the arguments described at the class."""
        self._handle = None
        self._why_closed = "the buffer is closed"
        _interpreter.check_patches()
        self._alone = not prefetch
        self._is_exact = round_up is not None and not round_up
        options = Options()
        lib.sb_options_init(ctypes.byref(options), ctypes.sizeof(options))
        self._in_memory = SIZE_UNKNOWN if max_size is None else _count("max_size", max_size)
        options.max = self._in_memory
        options.prefetch = _count("prefetch", prefetch)
        options.on_full = OnFull.MEMORY if memory_on_full else OnFull.FAIL
        if spool_dir is not None:
            options.spool_dir = _directory(spool_dir)
        if seek_gap is not None:
            options.seek_gap = _count("seek_gap", seek_gap)
        if round_up is not None:
            options.round_up = _count("round_up", round_up, 16384)
        if prefetch:
            _interpreter.check_helper()
        if size is not None:
            size = _count("size", size)
        if on_short not in (None, "error", "end"):
            raise ValueError('on_short must be "error" or "end"')
        self._name = _name_of(stream)
        if isinstance(stream, StreamBuffer):
            # A StreamBuffer's `read` is not that of a file.
            stream = iter(stream)
        self._source = Source(stream, size, cancel, close_stream)
        if on_short == "error" or (
            on_short is None and (size is not None or self._source.expected is not None)
        ):
            options.on_short = OnShort.ERROR
        size = self._source.size
        options.size = SIZE_UNKNOWN if size is None else size
        self._open(options)

    def _open(self, options: Options) -> None:
        source = self._source
        callback = source.register()
        handle = ctypes.c_void_p()
        code = int(Status.OK)
        try:
            with source.noticing():
                code = lib.sb_new_with(
                    ctypes.byref(callback), ctypes.byref(options), ctypes.byref(handle)
                )
        finally:
            # Also if an exception was raised right after it was made.
            self._handle = handle.value
        if code != Status.OK:
            raise error_for(code, text_of(code))
        _lifetime.live[source.key] = weakref.ref(self)

    # Reading.

    @overload
    def read(self) -> bytes: ...
    @overload
    def read(self, offset: int, size: Optional[int]) -> bytes: ...
    def read(self, offset: int = _NONE, size: Optional[int] = _NONE) -> bytes:
        """Returns the bytes at `[offset, offset + size)`, or all of them.

        Blocks until the missing bytes have arrived. Returns fewer bytes if the resource ends or
        fails first, and none at or past the end. The next read that reaches a failure raises it.

        Without a size, or with None or a negative one, it reads to the end. A failure then raises
        at once, and the exception's `partial` has the bytes before it.

        With one argument it raises a `TypeError`: for a file's `read(size)` use `open()`.

        >>> StreamBuffer(b"some stream").read(5, 6)
        b'stream'
        >>> StreamBuffer(b"some stream").read(6)
        Traceback (most recent call last):
        TypeError: read() takes an offset and a size; for a file's read(size) use open()
        """
        if type(offset) is int and type(size) is int and 0 <= offset < LIMIT and 0 <= size <= HELD:
            # A fast path of `_read_at` for the most frequent arguments.
            if self._source.taken <= self._in_memory:
                out = bytes(size)
                count: int = read_bytes(self._handle, offset, size, out, 0)
                if count == size:
                    return out
            return self._read_at(offset, size)
        if offset is _NONE and size is _NONE:
            return self._read_at(0, -1)
        if offset is _NONE or size is _NONE:
            raise TypeError("read() takes an offset and a size; for a file's read(size) use open()")
        offset = _count("offset", offset)
        return self._read_at(offset, -1 if size is None else operator.index(size))

    def readinto(self, offset: int, buffer: Buffer) -> int:
        """Reads at `offset` into any writable memory, without a copy; returns the number of bytes.

        Memory of any shape is filled in its order in memory. Memory that is not contiguous raises a
        `ValueError` or a `BufferError`.

        >>> out = bytearray(6)
        >>> StreamBuffer(b"some stream").readinto(5, out), out
        (6, bytearray(b'stream'))
        """
        if type(buffer) is bytearray and 0 <= offset < LIMIT:
            # A fast path of the code below for the most frequent arguments.
            size = len(buffer)
            if size <= HELD and self._source.taken <= self._in_memory:
                try:
                    count: int = read_anchored(self._handle, offset, size, anchored(buffer), 0)
                    if count == size:
                        return count
                except ctypes.ArgumentError:
                    # The number has another type.
                    pass
        offset = _count("offset", offset)
        with pinned(buffer) as memory:
            return self._fill(offset, memory.address, memory.size)

    def read_some(self, offset: int, size: int, timeout: Optional[float] = None) -> bytes:
        """Blocks only until the first byte at `offset` arrives; returns the available bytes.

        With a `timeout`, in seconds, a thread of the library calls the stream, so that the timeout
        holds. 0 returns buffered bytes only. If no byte arrives in time it raises `TimedOutError`.
        At or past the end it returns none.

        >>> StreamBuffer([b"by", b"tes"]).read_some(0, 100)
        b'by'
        """
        offset, size = _count("offset", offset), _count("size", size)
        if timeout is not None and not timeout >= 0:
            raise ValueError("timeout must not be negative")
        if timeout == math.inf:
            timeout = None
        if timeout:
            _interpreter.check_helper()
        if size > PIECE:
            size = min(size, max(PIECE, self.buffered(offset)))
        out: bytes = fresh(None, size)
        count = self._now(offset, size, out)
        if count < 0:
            take = functools.partial(lib.sb_read_some, self._handle, offset, size, out)
            if timeout is not None:
                count = self._wait_within(take, timeout)
            elif self._may_wait():
                reader = Reader(self)
                try:
                    count = reader.read(offset, address_of(out), size)
                finally:
                    reader.free()
            else:
                count = self._wait(functools.partial(take, -1))
        return out if count == size else out[:count]

    async def aread(self, offset: int = 0, size: Optional[int] = -1) -> bytes:
        """Reads like `read`, for asyncio: the event loop is not blocked.

        Canceling the task, or a timeout of asyncio, cancels only this read. A read to the end
        raises if the stream fails first; the exception's `partial` has the bytes before that.

        >>> import asyncio
        >>> asyncio.run(StreamBuffer(b"some stream").aread(5, 6))
        b'stream'
        """
        offset = _count("offset", offset)
        size = -1 if size is None else operator.index(size)
        return await _aio.aread(self, offset, size)

    @overload
    def __getitem__(self, key: Union[slice, tuple[int, int]]) -> bytes: ...
    @overload
    def __getitem__(self, key: int) -> int: ...
    def __getitem__(self, key: Union[slice, tuple[int, int], int]) -> Union[bytes, int]:
        """`buf[a:b]` is a slice as of bytes, `buf[a, b]` the same, `buf[i]` one byte as a number.

        Offsets counted from the end need the end, and block until it is known.

        >>> buf = StreamBuffer(b"some stream")
        >>> buf[5:], buf[:4], buf[-3:], buf[5, 11], buf[0]
        (b'stream', b'some', b'eam', b'stream', 115)
        """
        if isinstance(key, tuple):
            if len(key) != 2:
                raise TypeError("buf[a, b] takes two places")
            key = slice(*key)
        if isinstance(key, slice):
            return self._slice(key)
        place = operator.index(key)
        if place < 0:
            place += self._find_end()
        byte = self._read_at(place, 1) if 0 <= place < LIMIT else b""
        if not byte:
            raise IndexError("place out of range")
        return byte[0]

    def _slice(self, key: slice) -> bytes:
        start = 0 if key.start is None else operator.index(key.start)
        stop = None if key.stop is None else operator.index(key.stop)
        step = 1 if key.step is None else operator.index(key.step)
        if start < 0 or (stop is not None and stop < 0) or step < 1:
            places = range(*key.indices(self._find_end()))
            if not places:
                return b""
            low, high = min(places[0], places[-1]), max(places[0], places[-1])
            return self._read_at(low, high + 1 - low)[::step]
        if stop is not None and stop <= start:
            return b""
        start = _count("offset", start)
        return self._read_at(start, -1 if stop is None else stop - start)[::step]

    def __iter__(self) -> Iterator[bytes]:
        """Yields the resource from its start, in chunks as they arrive: a stream again.

        >>> b"".join(StreamBuffer([b"by", b"tes"]))
        b'bytes'
        """
        offset = 0
        while chunk := self.read_some(offset, _CHUNK):
            yield chunk
            offset += len(chunk)

    # Python's defaults would compare whole chunks, or read one byte at a time.
    __contains__ = None
    __reversed__ = None

    def __bytes__(self) -> bytes:
        """The whole resource.

        >>> bytes(StreamBuffer([b"by", b"tes"]))
        b'bytes'
        """
        return self._read_at(0, -1)

    @overload
    def open(self, mode: Literal[0]) -> RawStreamFile: ...  # type: ignore[overload-overlap]
    @overload
    def open(  # type: ignore[overload-overlap]
        self, mode: str = ..., *, buffering: Literal[0]
    ) -> RawStreamFile: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self, mode: str, buffering: Literal[0]
    ) -> RawStreamFile: ...
    @overload
    def open(self, mode: Union[int, str] = ..., buffering: int = ...) -> StreamFile: ...
    def open(
        self, mode: Union[int, str] = "rb", buffering: int = -1
    ) -> Union[StreamFile, RawStreamFile]:
        """Opens the resource as a binary file object, with its own position and `cancel`.

        Any number of them can share one buffer; only one thread at a time may use each. `buffering`
        is as in the builtin `open`: a size in bytes, 0 for none. It may also be the only argument.

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
        raw = RawStreamFile(self)
        return (
            raw if buffering == 0 else StreamFile(raw, buffering if buffering > 1 else _BUFFERING)
        )

    # State.

    def is_exhausted(self) -> bool:
        """Whether the stream has no more bytes.

        If neither the size nor an end that was seen tells, it asks the stream for one more byte,
        and blocks until that arrives.

        >>> buf = StreamBuffer([b"by", b"tes"])
        >>> buf.is_exhausted()
        False
        >>> buf[:], buf.is_exhausted()
        (b'bytes', True)
        """
        stats = self.stat()
        if stats.final_size is not None:
            return stats.frontier >= stats.final_size
        if stats.declared is not None and stats.frontier < stats.declared:
            return False
        return not self.read_some(stats.frontier, 1)

    @property
    def size(self) -> Optional[int]:
        """The size: the true one once the stream has ended, else the declared one, else None.

        >>> StreamBuffer([b"by", b"tes"]).size is None
        True
        """
        size: int = held.sb_size(self._handle)
        return None if size == Status.UNKNOWN else self._check(size)

    def __len__(self) -> int:
        """The size; raises `UnknownSizeError`, a `TypeError`, while it is unknown.

        >>> len(StreamBuffer([b"by", b"tes"], size=5))
        5
        """
        return self._check(held.sb_size(self._handle))

    def __bool__(self) -> bool:
        """True, even if the resource is empty."""
        return True

    @property
    def stream_index(self) -> int:
        """How far the stream has been read, in bytes.

        >>> buf = StreamBuffer([b"by", b"tes"])
        >>> buf.read(0, 1), buf.stream_index
        (b'b', 2)
        """
        return self.stat().frontier

    def stat(self) -> Stats:
        """Takes one consistent snapshot.

        >>> StreamBuffer(b"bytes").stat().pulls
        0
        """
        return _stats.from_native(self._stats())

    def buffered(self, offset: int = 0) -> int:
        """Returns how many bytes at `offset` can be read without blocking.

        >>> StreamBuffer(b"bytes").buffered(0)
        0
        """
        return self._buffered(_count("offset", offset))

    def ranges(self) -> list[range]:
        """Returns the buffered ranges, in order: for drawing a seek bar.

        >>> buf = StreamBuffer([b"by", b"tes"])
        >>> buf.read(0, 1), buf.ranges()
        (b'b', [range(0, 2)])
        """
        self._check(held.sb_buffered(self._handle, 0))
        room = 16
        while True:
            ranges = (Range * room)()
            count = lib.sb_ranges(self._handle, ranges, room)
            if count <= room:
                return [range(part.start, part.end) for part in ranges[:count]]
            room = 2 * count

    def __repr__(self) -> str:
        """Shows the size, how far the stream has been read, and where the bytes are.

        >>> StreamBuffer(b"bytes", 5)
        StreamBuffer<5, 0, memory 0, disk 0>
        """
        try:
            stats = self.stat()
        except InvalidError:
            return "StreamBuffer<closed>"
        place = f"memory {stats.memory}, disk {stats.disk}"
        return f"StreamBuffer<{self.size}, {stats.frontier}, {place}>"

    # Control.

    def save(
        self,
        target: Target,
        *,
        progress: Optional[Progress] = None,
        sync: bool = False,
        replace: bool = True,
        exact: bool = False,
        buffered_only: bool = False,
        link: bool = False,
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
            exact: raises `SizeError` unless the size is the declared one.
            buffered_only: saves the bytes buffered now, without asking the stream.
            link: the file may share its blocks with the temporary file, or be that file. This takes
                almost no time. Only for a file that nobody edits in place while the buffer lives.
        """
        flags = SaveFlag(0)
        flags |= SaveFlag.SYNC if sync else flags
        flags |= SaveFlag.EXACT if exact else flags
        flags |= SaveFlag.BUFFERED if buffered_only else flags
        flags |= SaveFlag.LINK if link else flags
        flags |= flags if replace else SaveFlag.KEEP
        if link:
            self._in_memory = -1
        if not _signals.is_main():
            self._alone = False
        return _save.save(self, target, flags, progress)

    def _await(self, offset: int) -> None:
        """On the main thread, waits for the next bytes of a save: signals interrupt this."""
        if not self._may_wait() or self.buffered(offset) >= _STEP:
            return
        # A failure here is one in the save as well.
        room: bytes = fresh(None, _STEP)
        with contextlib.suppress(Exception):
            self._bring(offset, address_of(room), _STEP)

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
        distance = ALL if ahead is None else _count("ahead", ahead)
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
        self._source.resumed()
        self._check(lib.sb_retry(self._handle))

    def resume(self) -> None:
        """Clears a cancel and a failure: the stream is asked again at its current position.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.cancel()
        >>> buf.resume()
        >>> buf.read(0, 5)
        b'bytes'
        """
        self._source.resumed()
        self._check(lib.sb_resume(self._handle))

    def spill(self) -> None:
        """Moves the bytes in memory to the temporary file now.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf[:], buf.spill(), buf.stat().memory, buf.stat().disk
        (b'bytes', None, 0, 5)
        """
        self._in_memory = -1
        self._check(lib.sb_spill(self._handle))

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
                lib.sb_free(handle)
                _lifetime.live.pop(self._source.key, None)

    def __enter__(self) -> StreamBuffer:
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


def _count(name: str, value: int, limit: int = 2**64 - 1) -> int:
    """Converts any kind of integer to one that C can take."""
    value = operator.index(value)
    if not 0 <= value <= limit:
        raise ValueError(f"{name} must be from 0 to {limit}, not {value}")
    return value


def _directory(path: Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]) -> bytes:
    """An absolute path: the working directory may change before the spool file is created."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("embedded null byte")
    return os.path.abspath(name)


def _name_of(stream: object) -> str:
    name: object = stream._name if isinstance(stream, StreamBuffer) else getattr(stream, "name", "")
    return name if isinstance(name, str) and name else "<StreamBuffer>"
