"""The user's stream as the four callbacks of a source.

The functions that C calls are made once and never go, so no call can come to one that was
collected. What C hands them as `opaque` is a number, under which the stream is found until `close`.

Whatever the stream raises or returns, the callbacks answer with a count that was checked or with an
error, and keep the exception for the reader: ctypes would print it and answer with whatever is on
the stack.
"""

from __future__ import annotations

import collections
import ctypes
import errno
import functools
import io
import itertools
import os
import stat
import sys
import time
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Optional, Protocol, TypeVar, Union, cast

from . import _signals
from ._errors import CanceledError, SourceError
from ._native import Callback, NotifyCallback, ReadCallback, SeekCallback

if TYPE_CHECKING:
    from typing_extensions import Buffer

BytesLike = Union[bytes, bytearray, memoryview]


class Readable(Protocol):
    """Anything with `read`: a file, a socket's file, a response."""

    def read(self, size: int, /) -> Optional[Buffer]:
        """Returns up to `size` of the next bytes; none at the end."""


class ReadableInto(Protocol):
    """Anything with `readinto`."""

    def readinto(self, out: memoryview, /) -> Optional[int]:
        """Puts the next bytes into `out` and returns how many; 0 at the end."""


Stream = Union["Buffer", Iterable["Buffer"], Readable, ReadableInto]

# What `out` is looked at through: more than the library ever asks for at a time. The memory behind
# `capacity` is not touched.
_WINDOW = ctypes.c_char * (1 << 18)

# What a callback answers when it failed; sb_stats has it as `source_error`.
_FAILED = -errno.EIO


T = TypeVar("T")


def _ask(call: Callable[[], T]) -> T:
    """What the stream answers.

    A signal's handler may raise when the stream has answered and Python is between two instructions
    of ours: then the answer counts, since the stream won't give it again. So it is C that calls and
    puts the answer where it is found.
    """
    answers: collections.defaultdict[None, T] = collections.defaultdict(call)
    try:
        _signals.openly(functools.partial(answers.__getitem__, None))
    except BaseException as error:
        if None not in answers or not _signals.keep(error):
            raise
    return answers[None]


class Chunks:
    """Hands on chunks of any size in parts, however small the room: each byte is copied once."""

    def __init__(self, more: Callable[[int], Optional[BytesLike]]) -> None:
        """`more(size)` returns the next chunk, None at the end."""
        self._more = more
        self._rest: Optional[memoryview] = None

    def __call__(self, out: memoryview) -> int:
        rest = self._rest
        while rest is None:
            chunk = self._more(len(out))
            if chunk is None:
                return 0
            rest = _bytes_of(chunk)
            if not len(rest):
                rest = None
                if _signals.has_kept():
                    raise _signals.Interrupted
        count = min(len(rest), len(out))
        out[:count] = rest[:count]
        self._rest = rest[count:] if count < len(rest) else None
        return count

    def clear(self) -> None:
        """Forgets what is left of a chunk: the stream stands elsewhere now."""
        self._rest = None


def _bytes_of(chunk: object) -> memoryview:
    if isinstance(chunk, str):
        raise TypeError("the stream yields str, not bytes: open it in binary mode")
    try:
        view = memoryview(chunk)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"the stream's chunks must be bytes-like, not {type(chunk).__name__}"
        ) from None
    return view.cast("B") if view.contiguous else memoryview(view.tobytes())


class _Iterated:
    """Takes an iterator's next chunk."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._next: Callable[[], Any] = iterator.__next__

    def __call__(self, _size: int) -> Optional[BytesLike]:
        try:
            chunk: Optional[BytesLike] = _ask(self._next)
        except StopIteration:
            return None
        if chunk is None:
            raise TypeError("the stream's chunks must be bytes-like, not NoneType")
        return chunk


class _Read:
    """Reads by `read`, which may return more than it was asked for."""

    def __init__(self, read: Callable[[int], Optional[BytesLike]]) -> None:
        self._read = read

    def __call__(self, size: int) -> Optional[BytesLike]:
        chunk = _ask(functools.partial(self._read, size))
        if chunk is None:
            raise _no_data()
        return chunk if len(_bytes_of(chunk)) else None


class _ReadInto:
    """Reads by `readinto`, straight into the library's memory."""

    def __init__(self, readinto: Callable[[memoryview], Any]) -> None:
        self._readinto = readinto

    def __call__(self, out: memoryview) -> int:
        count: Any = _ask(functools.partial(self._readinto, out))
        if count is None:
            raise _no_data()
        if not isinstance(count, int) or isinstance(count, bool):
            raise TypeError(f"readinto() must return an int, not {type(count).__name__}")
        if not 0 <= count <= len(out):
            raise ValueError(f"readinto() returned {count}, with room for {len(out)} bytes")
        return int(count)

    def clear(self) -> None:
        """Nothing is kept here."""


def _no_data() -> BlockingIOError:
    return BlockingIOError(errno.EAGAIN, "the stream is non-blocking and has no data now")


def _reader_for(stream: Any) -> Union[Chunks, _ReadInto]:
    if isinstance(stream, str):
        raise TypeError("a stream yields bytes, not str")
    if isinstance(stream, (bytes, bytearray, memoryview)):
        return Chunks(_Iterated(iter([cast(Any, stream)])))
    # One system call at a time, where a `readinto` would go on until all of `out` is full.
    if isinstance(stream, (io.BufferedReader, io.BufferedRandom, io.BufferedRWPair)):
        return _ReadInto(stream.readinto1)
    readinto: Any = getattr(stream, "readinto", None)
    if callable(readinto):
        return _ReadInto(cast(Any, readinto))
    read: Any = getattr(stream, "read", None)
    if callable(read):
        return Chunks(_Read(cast(Any, read)))
    try:
        return Chunks(_Iterated(iter(stream)))
    except TypeError:
        raise TypeError(
            "a stream is an iterable of bytes-like chunks or has `readinto` or `read`, which "
            f"{type(stream).__name__} isn't and hasn't"
        ) from None


class Source:
    """A stream and what became of it. The library calls it on one thread at a time."""

    def __init__(
        self,
        stream: Stream,
        size: Optional[int],
        cancel: Optional[Callable[[], object]],
        close_stream: bool,
    ) -> None:
        """Nothing of the stream is read here."""
        self._read: Optional[Union[Chunks, _ReadInto]] = _reader_for(stream)
        self._stream: Any = stream
        self._cancel = cancel
        self._close_stream = close_stream
        self._position = 0
        # How many bytes it delivered, at whatever places.
        self.taken = 0
        # Why the stream failed last, until it delivers again: with that an end is not believed.
        self._doubt: Optional[BaseException] = None
        # What the reader is to be told, with the traceback it had when it came.
        self._error: Optional[tuple[BaseException, Optional[types.TracebackType]]] = None
        self._seek, self._base = _seek_of(stream)
        self.size = _size_of(stream, self._base) if size is None and self._seek else size

    def register(self) -> tuple[int, Callback]:
        """Makes the callbacks. Who calls this holds the source for as long as it is wanted."""
        key = next(_keys)
        _sources[key] = weakref.ref(self)
        callback = Callback(read=_read, opaque=key, close=_close)
        if self._seek:
            callback.seek = _seek
        if self._cancel:
            callback.cancel = _cancel
        return key, callback

    # What the readers ask.

    def error(self) -> Optional[BaseException]:
        """The exception that the stream failed with, fit to be raised again.

        None if it did not fail by itself, but was interrupted on another thread.
        """
        if self._error is None:
            return None
        exception, traceback = self._error
        return exception.with_traceback(traceback)

    # What C asks.

    def pull(self, out: int, capacity: int) -> int:
        """The stream's next bytes."""
        # Who is to raise a KeyboardInterrupt is on the way out, even if others resumed meanwhile.
        if self._read is None or _signals.has_kept():
            return _FAILED
        try:
            window = memoryview(_WINDOW.from_address(out)).cast("B")[:capacity]
            count = self._read(window)
            if count == 0:
                self._check_end()
        except _signals.Interrupted:
            return _FAILED
        except BaseException as error:  # noqa: BLE001
            self._doubt = error
            return self._failed(error)
        self._position += count
        self.taken += count
        if count:
            self._doubt = None
        self._error = None
        return count

    def seek(self, offset: int) -> int:
        """Moves the stream."""
        if self._seek is None or self._read is None or _signals.has_kept():
            return _FAILED
        try:
            self._move(self._seek, offset)
        except _signals.Interrupted:
            return _FAILED
        except BaseException as error:  # noqa: BLE001
            return self._failed(error)
        self._read.clear()
        self._position = offset
        self._doubt = None
        return 0

    def _move(self, seek: Callable[[int], object], offset: int) -> None:
        try:
            _ask(functools.partial(seek, self._base + offset))
        except OSError:
            # File systems refuse places past what they can hold: the file's end is as good.
            end = _size_of(self._stream, self._base)
            if end is None or end > offset:
                raise
            _ask(functools.partial(seek, self._base + end))

    def stop(self) -> None:
        """Has the stream's own `cancel` make it return."""
        # What ends after this ended because of it, unless it shows otherwise.
        self._doubt = self._doubt or CanceledError(errno.ECANCELED, "the stream was canceled")
        if self._cancel:
            self._cancel()

    def finish(self) -> None:
        """Lets go of the stream."""
        stream, self._stream, self._read, self._seek = self._stream, None, None, None
        self._cancel = None
        if self._close_stream and callable(close := getattr(stream, "close", None)):
            close()

    def __del__(self) -> None:
        # Where the collector came first, C finds nothing to close.
        if getattr(self, "_stream", None) is not None:
            self.finish()

    def _check_end(self) -> None:
        """Raises unless the end that the stream reports can be one.

        A generator that raised is over and an HTTP connection that broke says "no more bytes": both
        look like the end when they are asked again, but the bytes after the failure never came.
        """
        if self._position == self.size:
            return
        if self._doubt is not None:
            if isinstance(self._doubt, Exception):
                raise self._doubt
            raise SourceError(errno.EIO, "the stream was interrupted") from self._doubt
        http: Any = sys.modules.get("http.client")
        if http and isinstance(self._stream, http.HTTPResponse):
            left = self._stream.length
            if left:
                raise http.IncompleteRead(b"", left)

    def _failed(self, error: BaseException) -> int:
        if isinstance(error, KeyboardInterrupt) and _signals.keep(error):
            # Meant for this thread, not for whoever else waits for the stream.
            self._error = None
            return _FAILED
        # The frames of this file are of no use to anybody.
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
            traceback = traceback.tb_next
        self._error = (error, traceback or error.__traceback__)
        return _FAILED


def _seek_of(stream: Any) -> tuple[Optional[Callable[[int], object]], int]:
    """How to move the stream, and the place where it stands now: the resource's first byte."""
    seek: Any = getattr(stream, "seek", None)
    tell: Any = getattr(stream, "tell", None)
    if not callable(seek) or isinstance(stream, memoryview):
        return None, 0
    try:
        seekable: Any = getattr(stream, "seekable", None)
        if callable(seekable) and not seekable():
            return None, 0
        return cast(Any, seek), cast(Any, tell)() if callable(tell) else 0
    except OSError:
        # A pipe's, for one.
        return None, 0


def _size_of(stream: object, base: int) -> Optional[int]:
    """How long a file is, from where it stands, where it costs nothing to know."""
    if isinstance(stream, io.BytesIO):
        return max(stream.getbuffer().nbytes - base, 0)
    if isinstance(stream, (io.BufferedReader, io.BufferedRandom)):
        stream = cast(Any, stream).raw
    # Not any file: one that unpacks has to unpack all of itself to tell.
    if not isinstance(stream, io.FileIO):
        return None
    status = os.fstat(stream.fileno())
    return max(status.st_size - base, 0) if stat.S_ISREG(status.st_mode) else None


# Weak: a stream, or the frames that an exception of it keeps, may well hold the buffer that holds
# this source, and all of them are to be collected together.
_sources: dict[int, weakref.ref[Source]] = {}
# What a forked child has of its parent's: kept, since letting go could close what they share.
_parents: list[Optional[Source]] = []
_keys = itertools.count(1)


def _on_read(key: int, out: int, capacity: int) -> int:
    source = _find(key)
    return source.pull(out, capacity) if source else _FAILED


def _on_seek(key: int, offset: int) -> int:
    source = _find(key)
    return source.seek(offset) if source else _FAILED


def _find(key: int) -> Optional[Source]:
    reference = _sources.get(key)
    return reference() if reference else None


def _on_cancel(key: int) -> None:
    if source := _find(key):
        source.stop()


def _on_close(key: int) -> None:
    try:
        if source := _find(key):
            source.finish()
    finally:
        # Last of all: who waits for the number to go waits for the stream to be let go of.
        _sources.pop(key, None)


_read = ReadCallback(_on_read)
_seek = SeekCallback(_on_seek)
_cancel = NotifyCallback(_on_cancel)
_close = NotifyCallback(_on_close)


def forget(key: int) -> None:
    """For a source that the library refused."""
    _sources.pop(key, None)


def leave_to_parent() -> None:
    """In a forked child: nothing of what the parent reads is touched."""
    _parents.extend(source() for source in list(_sources.values()))
    _sources.clear()


def wait_for_all(seconds: float) -> None:
    """Waits until the library has let go of every stream, for so long at most."""
    deadline = time.monotonic() + seconds
    while _sources and time.monotonic() < deadline:
        time.sleep(0.001)
