"""The buffer: a stream that becomes sliceable."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import io
import math
import operator
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NoReturn, Optional, Union, overload

from . import _aio, _interpreter, _save, _signals, _source, _stats
from ._errors import CanceledError, InvalidError, TimedOutError, error_for
from ._file import RawStreamFile, StreamFile
from ._native import (
    ALL,
    MAX_DEFAULT,
    SIZE_UNKNOWN,
    OnFull,
    Options,
    Range,
    SaveFlag,
    State,
    Status,
    address_of,
    fresh,
    held,
    lib,
    pinned,
)
from ._native import Stats as NativeStats
from ._save import Progress, Target
from ._source import Source, Stream
from ._stats import Stats

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_SIZE = MAX_DEFAULT
"""How much of a resource is kept in memory unless told otherwise: 5 MiB."""

# What is read into at a time, where nobody knows how much will come.
_PIECE = 1 << 20

# What an iteration yields at most.
_CHUNK = 1 << 16

# What a save asks the stream for at a time.
_STEP = 1 << 16

# So many bytes of memory are copied without letting go of the GIL.
_HELD = 1 << 16

# How long a read with a timeout keeps the main thread from its signals, in milliseconds.
_SLICE = 50

# How often a read asks again after another one was interrupted inside the stream.
_TRIES = 1000

# The longest resource, and so a place past every end.
_LIMIT = 2**63 - 1


class StreamBuffer:
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
        size: how long the resource is said to be; a hint, never trusted.
        max_size: how many bytes to keep in memory; older ones go to a temporary file without a
            name. None keeps everything in memory.
        prefetch: bytes to keep ready past the furthest read, as by `prefetch()`.
        cancel: called, on any thread, when a call inside the stream is to return soon: shut the
            socket down there. Must not block.
        close_stream: whether the stream's `close()` is called once no byte of it is wanted any more.
        spool_dir: the directory of the temporary file.
        memory_on_full: whether to go on in memory past `max_size` when the disk is full.
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
        seek_gap: Optional[int] = None,
        round_up: Optional[int] = None,
    ) -> None:
        """See the class."""
        self._handle: Optional[int] = None
        self._why_closed = "the buffer is closed"
        # Keeps a `cancel` from being cleared by a read that goes on after an interrupt.
        self._lock = threading.RLock()
        # Whether no thread but the main one ever called the stream, so that one never waits.
        self._alone = not prefetch
        options = Options()
        lib.sb_options_init(ctypes.byref(options), ctypes.sizeof(options))
        # So much may come from the stream before some of it is on disk.
        self._in_memory = SIZE_UNKNOWN if max_size is None else _count("max_size", max_size)
        options.max = self._in_memory
        options.prefetch = _count("prefetch", prefetch)
        options.on_full = OnFull.MEMORY if memory_on_full else OnFull.FAIL
        if spool_dir is not None:
            options.spool_dir = os.fsencode(spool_dir)
        if seek_gap is not None:
            options.seek_gap = _count("seek_gap", seek_gap)
        if round_up is not None:
            options.round_up = _count("round_up", round_up, 16384)
        if prefetch:
            _interpreter.check_helper()
        if size is not None:
            _count("size", size)
        if isinstance(stream, StreamBuffer):
            # Its `read` is not a file's.
            stream = iter(stream)
        self._source = Source(stream, size, cancel, close_stream)
        size = self._source.size
        options.size = SIZE_UNKNOWN if size is None else size
        self._open(options)

    def _open(self, options: Options) -> None:
        self._key, callback = self._source.register()
        handle = ctypes.c_void_p()
        code = lib.sb_new_with(
            ctypes.byref(callback), ctypes.byref(options), ctypes.byref(handle)
        )
        if code != Status.OK:
            _source.forget(self._key)
            raise error_for(code, _text(code))
        self._handle = handle.value
        _live[self._key] = weakref.ref(self)

    # Reading.

    def read(self, offset: int = 0, size: Optional[int] = -1) -> bytes:
        """Returns the bytes at `[offset, offset + size)`, or to the end.

        Waits for what is missing. Fewer come back where the resource ends or fails first; at or
        past the end none. A failure raises at the next read that reaches it.

        >>> StreamBuffer(b"some stream").read(5, 6)
        b'stream'
        """
        offset = _count("offset", offset)
        size = -1 if size is None else operator.index(size)
        return self._read_at(offset, size)

    def _read_at(self, offset: int, size: int, file: Optional[RawStreamFile] = None) -> bytes:
        """Reads by the buffer, or by a file that can be canceled."""
        if file is not None:
            file.seek(offset)
        if not 0 <= size <= _PIECE:
            return self._read_long(offset, size, file)
        out: bytes = fresh(None, size)
        count = self._now(offset, size, out)
        if count != size:
            count = self._bring(offset, address_of(out), size, file)
        return out if count == size else out[:count]

    def _read_long(self, offset: int, size: int, file: Optional[RawStreamFile]) -> bytes:
        out = io.BytesIO()
        done = 0
        while size < 0 or done < size:
            # As much again as there is, so that what is copied while it grows adds up to little.
            room = max(_PIECE, done, self.buffered(offset + done))
            room = room if size < 0 else min(room, size - done)
            out.seek(done + room - 1)
            out.write(b"\0")
            with out.getbuffer() as view, view[done:] as rest, pinned(rest) as address:
                try:
                    count = self._fill(offset + done, address, room, file)
                except Exception as error:
                    if not done or not _comes_later(error):
                        raise
                    count = 0
            done += count
            if count < room:
                break
        out.truncate(done)
        return out.getvalue()

    def _now(self, offset: int, size: int, out: Union[bytes, int]) -> int:
        """What C answers for what is buffered: it calls nobody and waits for nobody."""
        # On disk it may still take a while, in which other threads can run.
        quick = size <= _HELD and self._source.taken <= self._in_memory
        count: int = (held if quick else lib).sb_read_some(self._handle, offset, size, out, 0)
        return count

    def _fill(
        self, offset: int, address: int, size: int, file: Optional[RawStreamFile] = None
    ) -> int:
        """Fills memory as far as the resource goes. Who calls this holds the memory."""
        count = self._now(offset, size, address)
        return count if count == size else self._bring(offset, address, size, file)

    def _bring(
        self, offset: int, address: int, size: int, file: Optional[RawStreamFile] = None
    ) -> int:
        """Fills memory with what has to come first."""
        if file is None:
            if not self._may_wait():
                return self._wait(lambda: lib.sb_read(self._handle, offset, size, address))
            with RawStreamFile(self) as file:
                file.seek(offset)
                return self._bring(offset, address, size, file)
        done = 0
        while done < size:
            try:
                count = file._read(address + done, size - done)
            except Exception as error:
                if not done or not _comes_later(error):
                    raise
                break
            if not count:
                break
            done += count
        return done

    def _may_wait(self) -> bool:
        """Whether this is the main thread and may wait for others: a file's read can be woken."""
        return not self._alone and _signals.is_main()

    def _wait(self, call: Callable[[], int], file: Optional[RawStreamFile] = None) -> int:
        """Calls C for bytes that may have to come first, and raises what is to be raised."""
        tries = 0
        while True:
            if not _signals.is_main():
                self._alone = False
            try:
                with _signals.Shield(None if self._alone else file) as shield:
                    count = call()
            except BaseException:
                self._go_on()
                raise
            if count == Status.CANCELED and shield.rung and not (file and file._stopped):
                # A signal, whose handler has run by now.
                continue
            if count != Status.SOURCE or tries == _TRIES or not self._go_on():
                return self._check(count)
            # Somebody else was interrupted.
            tries += 1
            time.sleep(0.001)

    def readinto(self, offset: int, buffer: Buffer) -> int:
        """Reads at `offset` into any writable buffer, without a copy between; returns how many.

        >>> out = bytearray(6)
        >>> StreamBuffer(b"some stream").readinto(5, out), out
        (6, bytearray(b'stream'))
        """
        offset = _count("offset", offset)
        with memoryview(buffer) as view, view.cast("B") as flat, pinned(flat) as address:
            return self._fill(offset, address, len(flat))

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
        if size > _PIECE:
            size = min(size, max(_PIECE, self.buffered(offset)))
        out: bytes = fresh(None, size)
        count = self._now(offset, size, out)
        if count < 0:
            take = functools.partial(lib.sb_read_some, self._handle, offset, size, out)
            if timeout is not None:
                count = self._take_within(take, timeout)
            elif self._may_wait():
                with RawStreamFile(self) as file:
                    file.seek(offset)
                    count = file._read(address_of(out), size)
            else:
                count = self._wait(lambda: take(-1))
        return out if count == size else out[:count]

    def _take_within(self, take: Callable[[int], int], timeout: float) -> int:
        if timeout:
            self._alone = False
        until = time.monotonic() + timeout
        while True:
            left = max(math.ceil((until - time.monotonic()) * 1000), 0) if timeout else 0
            limit = min(left, _SLICE if _signals.is_main() else _LIMIT)
            try:
                return self._wait(lambda: take(limit))
            except TimedOutError:
                if limit == left:
                    raise

    async def aread(self, offset: int = 0, size: Optional[int] = -1) -> bytes:
        """Reads as `read` does, for asyncio: the loop goes on meanwhile.

        Canceling the task, or a timeout of asyncio's, stops this read alone.

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
        byte = self.read(place, 1) if place >= 0 else b""
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
            return self.read(low, high + 1 - low)[::step]
        if stop is not None and stop <= start:
            return b""
        return self.read(start, -1 if stop is None else stop - start)[::step]

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
        return self.read()

    @overload
    def open(self, buffering: Literal[0]) -> RawStreamFile: ...  # type: ignore[overload-overlap]
    @overload
    def open(self, buffering: int = ...) -> StreamFile: ...
    def open(self, buffering: int = _CHUNK) -> Union[StreamFile, RawStreamFile]:
        """Opens the resource as a binary file, with a place and a `cancel` of its own.

        Any number of them work on one buffer, each used by one thread at a time. `buffering` is as
        of the builtin `open`: a size in bytes, 0 for none.

        >>> with StreamBuffer([b"by", b"tes"]).open() as file:
        ...     file.seek(-3, 2), file.read()
        (2, b'tes')
        """
        raw = RawStreamFile(self)
        return raw if buffering == 0 else StreamFile(raw, buffering if buffering > 1 else _CHUNK)

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
        stats = NativeStats()
        size = ctypes.sizeof(stats)
        self._check(lib.sb_stat(self._handle, ctypes.byref(stats), size))
        return _stats.from_native(stats)

    def buffered(self, offset: int = 0) -> int:
        """How many bytes at `offset` can be read without waiting.

        >>> StreamBuffer(b"bytes").buffered(0)
        0
        """
        return self._check(held.sb_buffered(self._handle, _count("offset", offset)))

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
                or file, which is written to at its place.
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
        before = None if buffered_only else self._await
        try:
            code, raised = _save.save(self._handle, target, flags, progress, before)
        except BaseException:
            self._go_on()
            raise
        if raised is not None:
            raise raised
        return self._check(code, path=None if isinstance(target, int) else target)

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
        with self._lock, _signals.Shield():
            self._check(lib.sb_cancel(self._handle))

    def resume(self) -> None:
        """Clears a cancel or a failure: the stream is asked again, where it stands, and to seek.

        >>> buf = StreamBuffer(b"bytes")
        >>> buf.cancel()
        >>> buf.resume()
        >>> buf.read(0, 5)
        b'bytes'
        """
        with self._lock:
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
            _live.pop(self._key, None)
            with _signals.Shield():
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

    # What the other files need.

    def _find_end(self) -> int:
        """The true size; reads the stream to its end."""
        while True:
            stats = self.stat()
            if stats.final_size is not None:
                return stats.final_size
            # A stream that can't seek is read on to anywhere without a byte of it being copied.
            place = stats.frontier if stats.seekable else _LIMIT - 1
            self.read(place, _PIECE if stats.seekable else 1)

    def _go_on(self) -> bool:
        """Whether it was an interrupt alone that the stream failed of, and so may well go on."""
        if self._source.error() is not None:
            return False
        # Never in the place of somebody who canceled.
        with self._lock, contextlib.suppress(InvalidError):
            if self.stat().state == State.FAILED:
                lib.sb_resume(self._handle)
        return True

    def _check(self, code: int, path: object = None) -> int:
        """The count, or the exception that the status stands for."""
        if code >= 0:
            return code
        if code == Status.SOURCE:
            error = self._source.error()
            if error is not None:
                raise error
        if self._handle is None:
            if _ending:
                _park()
            if code == Status.INVALID:
                raise InvalidError(self._why_closed)
            if code == Status.CANCELED:
                raise error_for(code, "the buffer was closed")
        system_error = 0
        if code in (Status.IO, Status.DISK_FULL):
            stats = NativeStats()
            if lib.sb_stat(self._handle, ctypes.byref(stats), ctypes.sizeof(stats)) == Status.OK:
                system_error = stats.system_error
        raise error_for(code, _text(code), system_error, path)


_live: dict[int, weakref.ref[StreamBuffer]] = {}


def _comes_later(error: BaseException) -> bool:
    """Whether bytes that came before an error are returned, and the error at the next read."""
    return isinstance(error, Exception) and not isinstance(error, (CanceledError, InvalidError))


def _text(code: int) -> str:
    text: bytes = lib.sb_strerror(code)
    return text.decode()


def _count(name: str, value: int, limit: int = 2**64 - 1) -> int:
    """Any kind of whole number that C can take."""
    value = operator.index(value)
    if not 0 <= value <= limit:
        raise ValueError(f"{name} must be from 0 to {limit}, not {value}")
    return value


_ending = False


def _park() -> None:
    """Keeps a daemon thread where it is, as Python does with all of them a moment later.

    An exception would have it print while the interpreter ends, and that is how Python 3.13t hangs.
    """
    while threading.current_thread().daemon:
        time.sleep(3600)


def _close_all() -> None:
    """At the interpreter's end: no thread may come back into Python after that."""
    global _ending
    _ending = True
    for reference in list(_live.values()):
        if buffer := reference():
            buffer.close()
    # A stream that does not return for so long hardly will in the moment that is left.
    _source.wait_for_all(2.0)


def _after_fork() -> None:
    """In a forked child: nothing of the parent's can be used, or may be closed here."""
    for reference in list(_live.values()):
        if buffer := reference():
            buffer._handle = None
            buffer._lock = threading.RLock()
            buffer._why_closed = "the buffer belongs to the parent process"
    _live.clear()
    _source.leave_to_parent()
    _signals.forget()
    _aio.forget()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
