"""Streams of every kind, each seen as something that gives its next chunk.

A chunk is bytes that the stream has given, in memory that nobody else writes to any more or that is
the stream's own until it is asked again. The library's memory is shown only to the files of Python
itself, which don't keep it.
"""

from __future__ import annotations

import collections
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
from ._errors import CanceledError

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

T = TypeVar("T")


class Question:
    """What the stream is asked, and its answer until that is accounted for.

    An exception may come when the stream has answered and Python is between two instructions of
    ours: then the answer counts, since the stream won't give it again. So it is C that calls and
    puts the answer where it is found.
    """

    def __init__(self) -> None:
        """Nothing is asked."""
        # An exception that came after the answer.
        self.late: Optional[BaseException] = None
        self._answers: dict[Any, Any] = {}
        # Also after an exception came out of the stream.
        self.asking = False

    def ask(self, call: Callable[[], T]) -> T:
        """What the stream answers, or has answered already and nobody took."""
        if not self.answered:
            asked: collections.defaultdict[Any, T] = collections.defaultdict(call)
            # Makes room, so that no memory is needed any more when the answer has come.
            asked[0] = cast(T, None)
            del asked[0]
            self._answers = asked
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
        """Whether a result has not been handed over yet."""
        return None in self._answers

    def settle(self) -> None:
        """The answer is accounted for."""
        self._answers = {}

    @contextlib.contextmanager
    def judged(self) -> Generator[None, None, None]:
        """Drop a result that turns out wrong in this block: it was none."""
        try:
            yield
        except (TypeError, ValueError, BlockingIOError):
            self.settle()
            self.asking = True
            raise


class Chunks(Protocol):
    """A stream, whatever its kind."""

    gives_up: bool
    """Whether a call of it may end without bytes and leave it as it was."""
    bears: bool
    """Whether it is known to be as it was after an interrupt inside it."""
    fault: Optional[Exception]
    """What was wrong with the last chunk, which is right by itself."""

    def fetch(self, size: int, question: Question) -> Optional[memoryview]:
        """The next chunk, of any size, if possible at most `size`; None at the end."""


class _Iterated:
    """Takes an iterator's next chunk."""

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
    """Reads by `read`, which may return more than it was asked for."""

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
    """Reads by `readinto` into memory that is the chunk's own."""

    gives_up = True

    def __init__(self, readinto: Callable[[memoryview], Any], bears: bool) -> None:
        self._readinto = readinto
        self._room = bytearray()
        self._size = 0
        # What the stream is shown of the room. Kept here and not in a frame alone: an exception that
        # comes before it is released keeps the frame alive.
        self._view = memoryview(b"")
        self.bears = bears
        self.fault: Optional[Exception] = None

    def fetch(self, size: int, question: Question) -> Optional[memoryview]:
        self.fault = None
        if not question.answered:
            # One byte more, so that there is always one to take away: see `_shrink`.
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
    """False if somebody looks at the memory."""
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
    """For what a non-blocking stream returns."""
    return BlockingIOError(errno.EAGAIN, "the stream is non-blocking and has no data now")


def gave_up(error: BaseException) -> bool:
    """Whether a call ended without bytes, by itself or because it was told to."""
    # Before Python 3.10 a socket's is not a TimeoutError.
    if isinstance(error, (BlockingIOError, TimeoutError, socket.timeout, CanceledError)):
        return True
    ssl: Any = sys.modules.get("ssl")
    return ssl is not None and isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError))


def chunks_of(stream: Any) -> Chunks:
    """The stream as chunks; a TypeError if it is none."""
    if isinstance(stream, str):
        raise TypeError("a stream yields bytes, not str")
    if isinstance(stream, io.TextIOBase):
        raise TypeError("the stream yields str, not bytes: open it in binary mode")
    if isinstance(stream, (bytes, bytearray, memoryview)):
        return _Iterated(iter([cast(Any, stream)]))
    read: Any = getattr(stream, "read", None)
    if hasattr(stream, "__aiter__") or inspect.iscoroutinefunction(read):
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
    # What a class says last counts: one may count or slow down what it inherits.
    kinds: tuple[type, ...] = type(stream).__mro__
    own = next((ways for kind in kinds if (ways := _WAYS & vars(kind).keys())), _WAYS)
    if own != {"readinto"} and not _lacks_read1(stream):
        # One system call at a time, where a `readinto` would go on until all of its room is full,
        # and lose what came before an error.
        readinto = getattr(stream, "readinto1", readinto)
    return cast(Any, readinto) if callable(readinto) else None


def _lacks_read1(stream: Any) -> bool:
    """Whether its `readinto1` is the one of the base class, for which there is no `read1`."""
    base: Any = io.BufferedIOBase
    kind: Any = cast(Any, type(stream))
    return (
        isinstance(stream, base) and kind.readinto1 is base.readinto1 and kind.read1 is base.read1
    )
