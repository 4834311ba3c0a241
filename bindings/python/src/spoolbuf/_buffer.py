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

from . import _aio, _interpreter, _lifetime, _save, _signals, _source, _stats
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
"""How much of a resource is kept in memory unless told otherwise: 5 MiB."""

# What an iteration yields at most.
_CHUNK = 1 << 16

# What a save asks the stream for at a time.
_STEP = 1 << 16

# What a file reads ahead: little, so that a jump costs little.
_BUFFERING = 1 << 13

_NONE: Any = object()


class StreamBuffer(Core):
    """Makes the bytes of a stream readable anywhere, any number of times, from any thread.

    `stream` is any iterable of bytes-like chunks (a generator, a list, `response.iter_content()`),
    one bytes object, or anything with `readinto` or `read` (a file, `urlopen(…)`). It is read only
    as far as somebody wants bytes. One that has `seek` and says that it is `seekable()` is made to
    seek where that saves reading; its bytes count from where it stands now.

    >>> buf = StreamBuffer(iter([b"some ", b"stream ", b"of bytes"]))
    >>> buf[5:11]
    b'stream'
    >>> buf.read(0, 4)
    b'some'

    Args:
        stream: where the bytes come from.
        size: how long the resource is said to be. A hint: a longer one is read to its end all the
            same, and a shorter one is an error, see `on_short`.
        max_size: how many bytes to keep in memory; older ones go to a temporary file without a
            name. None keeps everything in memory.
        prefetch: bytes to keep ready past the furthest read, as by `prefetch()`.
        cancel: called, on any thread, when a call inside the stream is to return soon: shut the
            socket down there. Must not block.
        close_stream: whether the stream's `close()` is called once no byte of it is wanted any more.
        spool_dir: the directory of the temporary file.
        memory_on_full: whether to go on in memory past `max_size` when the disk is full.
        on_short: what a stream means that ends before its declared size: "error" raises `ShortError`
            at that place, until `resume()` asks the stream again; "end" believes it. Without it an
            error where `size` was given or an HTTP response has a length, and an end for files.
        seek_gap: a gap of up to so many bytes is read, not seeked over.
        round_up: the stream is asked for what is needed, rounded up to a multiple of so many bytes,
            16384 at most.
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
        """See the class."""
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
            # Its `read` is not a file's.
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
        self._key, callback = self._source.register()
        handle = ctypes.c_void_p()
        code = lib.sb_new_with(ctypes.byref(callback), ctypes.byref(options), ctypes.byref(handle))
        if code != Status.OK:
            _source.forget(self._key)
            raise error_for(code, text_of(code))
        self._handle = handle.value
        _lifetime.live[self._key] = weakref.ref(self)

    # Reading.

    @overload
    def read(self) -> bytes: ...
    @overload
    def read(self, offset: int, size: Optional[int]) -> bytes: ...
    def read(self, offset: int = _NONE, size: Optional[int] = _NONE) -> bytes:
        """Returns the bytes at `[offset, offset + size)`, or all of them.

        Waits for what is missing. Fewer come back where the resource ends or fails first; at or
        past the end none. A failure raises at the next read that reaches it.

        Without a size, or with None or a negative one, it reads to the end. Then a failure raises at
        once, and the exception's `partial` has the bytes before it.

        A file's `read(size)` is that of `open()`: with one argument this is a `TypeError`.

        >>> StreamBuffer(b"some stream").read(5, 6)
        b'stream'
        >>> StreamBuffer(b"some stream").read(6)
        Traceback (most recent call last):
        TypeError: read() takes an offset and a size; for a file's read(size) use open()
        """
        if type(offset) is int and type(size) is int and 0 <= offset < LIMIT and 0 <= size <= HELD:
            # What `_read_at` does, for what is asked most often.
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
        """Reads at `offset` into any writable memory, without a copy between; returns how many.

        Memory of any shape is filled as it lies there; what is not in one piece is a `ValueError`
        or a `BufferError`.

        >>> out = bytearray(6)
        >>> StreamBuffer(b"some stream").readinto(5, out), out
        (6, bytearray(b'stream'))
        """
        if type(buffer) is bytearray and 0 <= offset < LIMIT:
            # What follows after this, for what is asked most often.
            size = len(buffer)
            if size <= HELD and self._source.taken <= self._in_memory:
                try:
                    count: int = read_anchored(self._handle, offset, size, anchored(buffer), 0)
                    if count == size:
                        return count
                except ctypes.ArgumentError:
                    # A number of another kind.
                    pass
        offset = _count("offset", offset)
        with pinned(buffer) as memory:
            return self._fill(offset, memory.address, memory.size)

    def read_some(self, offset: int, size: int, timeout: Optional[float] = None) -> bytes:
        """Waits only until the first byte at `offset` is there, then returns what is there.

        With `timeout`, in seconds, the stream is called on a thread of the library's own, so that
        the limit holds; 0 takes buffered bytes only. Nothing in time raises `TimedOutError`; at or
        past the end there are none.

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
        """Reads as `read` does, for asyncio: the loop goes on meanwhile.

        Canceling the task, or a timeout of asyncio's, stops this read alone. A read to the end raises
        if the stream fails first; the exception's `partial` has the bytes before.

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
        """`buf[a:b]` as of bytes, `buf[a, b]` the same, `buf[i]` one byte as a number.

        Places counted from the end need the end, and wait for it.

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
        """Yields the resource from its start, in chunks as they come: a stream again.

        >>> b"".join(StreamBuffer([b"by", b"tes"]))
        b'bytes'
        """
        offset = 0
        while chunk := self.read_some(offset, _CHUNK):
            yield chunk
            offset += len(chunk)

    # What Python would make of the above looks at whole chunks, or asks for a byte at a time.
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
        """Opens the resource as a binary file, with a place and a `cancel` of its own.

        Any number of them work on one buffer, each used by one thread at a time. `buffering` is as
        of the builtin `open`: a size in bytes, 0 for none; it may also come alone.

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

    # What is known.

    def is_exhausted(self) -> bool:
        """Whether the stream has nothing more.

        Where that can't be told, by the size or by an end that was seen, it asks the stream for
        one more byte, and waits for it.

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
        """The size: the true one once the stream has ended, else the declared one, or None.

        >>> StreamBuffer([b"by", b"tes"]).size is None
        True
        """
        size: int = held.sb_size(self._handle)
        return None if size == Status.UNKNOWN else self._check(size)

    def __len__(self) -> int:
        """The size; raises `UnknownSizeError`, a `TypeError`, while nobody knows it.

        >>> len(StreamBuffer([b"by", b"tes"], size=5))
        5
        """
        return self._check(held.sb_size(self._handle))

    def __bool__(self) -> bool:
        """True: a buffer is there, whatever its size."""
        return True

    @property
    def stream_index(self) -> int:
        """How far the stream was read, in bytes.

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
        """How many bytes at `offset` can be read without waiting.

        >>> StreamBuffer(b"bytes").buffered(0)
        0
        """
        return self._buffered(_count("offset", offset))

    def ranges(self) -> list[range]:
        """What is buffered, in order: for drawing a seek bar.

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
        """The size, how far the stream was read, and where that is.

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
        """Reads the stream to its end and saves the resource, wholly or not at all.

        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as there:
        ...     StreamBuffer([b"by", b"tes"]).save(os.path.join(there, "file"))
        5

        Args:
            target: a path, whose file is replaced in one step or left whole; or an open descriptor
                or binary file, which is written to at its place. A plain file or pipe is written to
                by the library, anything else with `write` (a GzipFile, a BytesIO, a socket's file)
                by that.
            progress: called with the bytes saved and the total, None while that is not known; or a
                bar with `update`, such as tqdm's. What it raises stops the save.
            sync: on the disk (fsync) before the call returns.
            replace: False leaves an existing file alone, and raises `ExistsError`.
            exact: raises `SizeError` unless the size is the declared one.
            buffered_only: what is buffered now, without asking the stream.
            link: the file may share its blocks with the temporary file, or be it: done in no time.
                Only for a file that nobody edits in place while the buffer lives.
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
        """On the main thread, waits for what a save takes next: a signal gets through here."""
        if not self._may_wait() or self.buffered(offset) >= _STEP:
            return
        # What fails here does so in the save as well.
        room: bytes = fresh(None, _STEP)
        with contextlib.suppress(Exception):
            self._bring(offset, address_of(room), _STEP)

    def prefetch(self, ahead: Optional[int] = None) -> None:
        """Has a thread keep `ahead` bytes ready past the furthest read; None everything, 0 stops.

        The stream is then called on that thread.

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
        """Stops every call that waits, and those to come, until `resume`.

        The call that is inside the stream returns when the stream does, for which the `cancel` that
        was given with the stream is called. Buffered bytes stay readable.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.cancel()
        >>> buf.read(0, 5)
        Traceback (most recent call last):
        spoolbuf.CanceledError: [Errno ...] ...
        """
        stops = self._source.stops
        try:
            self._check(lib.sb_cancel(self._handle))
        finally:
            # An exception may have come between C and the stream's `cancel`.
            self._source.stop_unless(stops)

    def retry(self) -> None:
        """Clears a failure: the stream is asked again, where it stands. Leaves a `cancel`.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.retry()
        >>> buf.read(0, 5)
        b'bytes'
        """
        self._source.resumed()
        self._check(lib.sb_retry(self._handle))

    def resume(self) -> None:
        """Clears a cancel and a failure: the stream is asked again, where it stands.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.cancel()
        >>> buf.resume()
        >>> buf.read(0, 5)
        b'bytes'
        """
        self._source.resumed()
        self._check(lib.sb_resume(self._handle))

    def spill(self) -> None:
        """Moves what is in memory to the temporary file now.

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
        """Lets go of everything, at once; calls on other threads raise `CanceledError`.

        Collecting the buffer and leaving its `with` do the same.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.close()
        >>> buf.closed
        True
        """
        handle, self._handle = self._handle, None
        if handle is not None:
            _lifetime.live.pop(self._key, None)
            lib.sb_free(handle)

    def __enter__(self) -> StreamBuffer:
        """The buffer itself.

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
        """Closes."""
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Neither copied nor pickled: the copy would close the original's handle."""
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()


def _count(name: str, value: int, limit: int = 2**64 - 1) -> int:
    """Any kind of whole number that C can take."""
    value = operator.index(value)
    if not 0 <= value <= limit:
        raise ValueError(f"{name} must be from 0 to {limit}, not {value}")
    return value


def _directory(path: Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]) -> bytes:
    """Whatever the working directory is once the spool file is made."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("embedded null byte")
    return os.path.abspath(name)


def _name_of(stream: object) -> str:
    name: object = stream._name if isinstance(stream, StreamBuffer) else getattr(stream, "name", "")
    return name if isinstance(name, str) and name else "<StreamBuffer>"
