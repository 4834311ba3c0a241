"""Streams of every kind, each adapted to an interface that returns its next chunk.

A chunk is bytes that the stream has delivered. No other code writes to its memory any more, or it
belongs to the stream until that is asked again. Only Python's own files are shown the library's
memory, since they keep no view of it.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import io
import operator
import socket
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Optional, Protocol, TypeVar, Union, cast

from . import _known
from ._answer import answer_of
from ._errors import CanceledError

if TYPE_CHECKING:
    from typing_extensions import Buffer

BytesLike = Union[bytes, bytearray, memoryview]


class Readable(Protocol):
    """Anything with `read`: a file, a socket's file, a response."""

    def read(self, size: int, /) -> Optional[Buffer]:
        """Returns at most `size` of the next bytes; none at the end."""


class ReadableInto(Protocol):
    """Anything with `readinto`."""

    def readinto(self, out: memoryview, /) -> Optional[int]:
        """Writes the next bytes to `out` and returns how many; 0 at the end."""


Stream = Union["Buffer", Iterable["Buffer"], Readable, ReadableInto]

T = TypeVar("T")


class Question:
    """A call of the stream, and its result until that is consumed.

    An exception may be raised after the stream has returned, between two instructions of ours. The
    result then still counts, since the stream won't return it again. So C code makes the call, and
    stores the result where it is found.
    """

    def __init__(self) -> None:
        """Nothing is asked yet."""
        # An exception that was raised after the result.
        self.late: Optional[BaseException] = None
        self._answers: dict[Any, Any] = {}
        # Stays set after the stream raised an exception.
        self.asking = False

    def ask(self, call: Callable[[], T]) -> T:
        """Returns the stream's result, or an earlier one that was not consumed."""
        if not self.answered:
            self._answers = answer_of(call)
        answers: dict[Any, T] = self._answers
        self.asking = True
        try:
            answer = answers[None]
        except BaseException as error:
            if None not in answers:
                raise
            self.late = error
            answer = answers[None]
        self.asking = False
        return answer

    @property
    def answered(self) -> bool:
        """Whether there is a result that was not consumed yet."""
        return None in self._answers

    def settle(self) -> None:
        """Marks the result as consumed."""
        self._answers = {}

    @contextlib.contextmanager
    def judged(self) -> Generator[None, None, None]:
        """Drops a result that turns out to be invalid in this block."""
        try:
            yield
        except (TypeError, ValueError, BlockingIOError):
            self.settle()
            self.asking = True
            raise


class Chunks(Protocol):
    """A stream of any kind."""

    gives_up: bool
    """Whether a call may end without bytes and leave the stream unchanged."""
    bears: bool
    """Whether an interrupt inside the stream is known to leave it unchanged."""
    fault: Optional[Exception]
    """An error that accompanies the last chunk, whose bytes are valid."""

    def fetch(self, size: int, question: Question) -> Optional[memoryview]:
        """Returns the next chunk, if possible of at most `size` bytes; None at the end."""


class _Iterated:
    """Reads an iterator's chunks."""

    gives_up = bears = False
    fault: Optional[Exception] = None

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._next: Callable[[], Any] = iterator.__next__

    def fetch(self, size: int, question: Question) -> Optional[memoryview]:
        try:
            chunk = question.ask(self._next)
        except StopIteration:
            return None
        with question.judged():
            return _bytes_of(chunk)


class _Read:
    """Reads with `read`, which may return more than it was asked for."""

    gives_up = True
    bears = False
    fault: Optional[Exception] = None

    def __init__(self, read: Callable[[int], Any]) -> None:
        self._read = read

    def fetch(self, size: int, question: Question) -> Optional[memoryview]:
        chunk = question.ask(functools.partial(self._read, size))
        with question.judged():
            if chunk is None:
                raise no_data()
            return _bytes_of(chunk) or None


class _ReadInto:
    """Reads with `readinto` into memory that the chunk owns."""

    gives_up = True

    def __init__(self, readinto: Callable[[memoryview], Any], bears: bool) -> None:
        self._readinto = readinto
        self._room = bytearray()
        self._size = 0
        # The part of the room that the stream is shown. Stored here and not only in a frame: an
        # exception that is raised before it is released keeps the frame alive.
        self._view = memoryview(b"")
        self.bears = bears
        self.fault: Optional[Exception] = None

    def fetch(self, size: int, question: Question) -> Optional[memoryview]:
        self.fault = None
        if not question.answered:
            # One byte more, so that there is always one to remove: see `_shrink`.
            self._room, self._size = bytearray(size + 1), size
        room = self._room
        _let_go(self._view)
        with memoryview(room) as whole:
            self._view = whole[: self._size]
        try:
            answer = question.ask(functools.partial(self._readinto, self._view))
        finally:
            kept = not _let_go(self._view)
        with question.judged():
            count = _count_of(answer, self._size)
        if kept or not _shrink(room, count):
            room = room[:count]
            self.fault = BufferError("readinto() kept a view of the memory that it was given")
        if not count:
            return None
        return memoryview(room)


def _let_go(view: memoryview) -> bool:
    try:
        view.release()
    except BufferError:
        return False
    return True


def _shrink(room: bytearray, size: int) -> bool:
    """Truncates the memory; returns False if a view of it exists."""
    try:
        del room[size:]
    except BufferError:
        return False
    return True


def _count_of(count: Any, room: int) -> int:
    if count is None:
        raise no_data()
    try:
        if isinstance(count, bool):
            raise TypeError
        number = operator.index(count)
    except TypeError:
        raise TypeError(f"readinto() must return an int, not {type(count).__name__}") from None
    if not 0 <= number <= room:
        raise ValueError(f"readinto() returned {number}, with room for {room} bytes")
    return number


def _bytes_of(chunk: object) -> memoryview:
    if isinstance(chunk, str):
        raise TypeError("the stream yields str, not bytes: open it in binary mode")
    try:
        view = memoryview(chunk)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"the stream's chunks must be bytes-like, not {type(chunk).__name__}"
        ) from None
    if not view.nbytes:
        return memoryview(b"")
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def no_data() -> BlockingIOError:
    """The exception for a non-blocking stream that has no bytes now."""
    return BlockingIOError(errno.EAGAIN, "the stream is non-blocking and has no data now")


def gave_up(error: BaseException) -> bool:
    """Whether a call ended without bytes, by itself or because it was canceled."""
    # Before Python 3.10 a socket's timeout is not a TimeoutError.
    if isinstance(error, (BlockingIOError, TimeoutError, socket.timeout, CanceledError)):
        return True
    ssl: Any = sys.modules.get("ssl")
    return ssl is not None and isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError))


def chunks_of(stream: Any) -> Chunks:
    """Returns the stream as chunks; raises a TypeError if it is not a stream."""
    if isinstance(stream, str):
        raise TypeError("a stream yields bytes, not str")
    if isinstance(stream, type):
        raise TypeError(f"a stream is an object, not the class {stream.__name__}")
    if isinstance(stream, io.TextIOBase):
        raise TypeError("the stream yields str, not bytes: open it in binary mode")
    if isinstance(stream, (bytes, bytearray, memoryview)):
        return _Iterated(iter([cast(Any, stream)]))
    read: Any = getattr(stream, "read", None)
    is_asynchronous = hasattr(stream, "__aiter__") or hasattr(stream, "__await__")
    if is_asynchronous or inspect.iscoroutinefunction(read):
        raise TypeError(
            f"{type(stream).__name__} is an asynchronous stream: read it on a thread of its own, "
            "or hand over its bytes by a generator"
        )
    readinto = _readinto_of(stream)
    if readinto is not None:
        return _ReadInto(readinto, _known.is_of_python(stream))
    if callable(read):
        return _Read(cast(Any, read))
    try:
        return _Iterated(iter([memoryview(stream)]))
    except TypeError:
        pass
    try:
        return _Iterated(iter(stream))
    except TypeError:
        raise TypeError(
            "a stream is an iterable of bytes-like chunks or has `readinto` or `read`, which "
            f"{type(stream).__name__} isn't and hasn't"
        ) from None


_WAYS = {"readinto1", "read1", "readinto"}


def _readinto_of(stream: Any) -> Optional[Callable[[memoryview], Any]]:
    readinto: Any = getattr(stream, "readinto", None)
    # The most derived class counts: it may count or slow down what it inherits.
    kinds: tuple[type, ...] = type(stream).__mro__
    own = next((ways for kind in kinds if (ways := _WAYS & vars(kind).keys())), _WAYS)
    if own != {"readinto"} and not _lacks_read1(stream):
        # Makes one system call at a time. `readinto` would go on until its room is full, and lose
        # the bytes before an error.
        readinto = getattr(stream, "readinto1", readinto)
    return cast(Any, readinto) if callable(readinto) else None


def _lacks_read1(stream: Any) -> bool:
    """Whether `readinto1` is that of the base class, which calls a `read1` that does not exist."""
    base: Any = io.BufferedIOBase
    kind: Any = cast(Any, type(stream))
    return (
        isinstance(stream, base) and kind.readinto1 is base.readinto1 and kind.read1 is base.read1
    )
