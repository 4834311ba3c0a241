"""One exception class for each status code of the library.

Each derives from the matching builtin exception, so that code which does not know spoolbuf catches
the right thing. Exceptions that the user's own stream raises are not wrapped.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import sys
from typing import Any, Optional, cast

from ._codes import Operation, Status
from ._details import Details

__all__ = [
    "CanceledError",
    "DiskFullError",
    "ExistsError",
    "FileError",
    "InvalidError",
    "LappedError",
    "NoMemoryError",
    "PanicError",
    "ReentrantError",
    "ShortError",
    "SizeError",
    "SourceError",
    "SpoolbufError",
    "TimedOutError",
    "UnknownSizeError",
    "UnsupportedError",
]


class SpoolbufError(Exception):
    """The base class of all exceptions of this package.

    >>> issubclass(TimedOutError, SpoolbufError) and issubclass(TimedOutError, TimeoutError)
    True
    """

    status: Status
    """The C status code. A plain SpoolbufError has a status that only a newer library knows."""
    operation: Operation = Operation.NONE
    """What the call was doing when it failed."""
    offset: Optional[int] = None
    """The offset of the first byte that could not be read or written, if it is known."""


class InvalidError(SpoolbufError, ValueError):
    """The buffer is closed or belongs to the parent process, or an argument is invalid.

    >>> buf = StreamBuffer(b"bytes")
    >>> buf.close()
    >>> buf.read(0, 1)
    Traceback (most recent call last):
    spoolbuf.InvalidError: the buffer is closed
    """

    status = Status.INVALID


class SourceError(SpoolbufError, OSError):
    """The stream failed, without an exception of its own that could be raised instead."""

    status = Status.SOURCE


class ShortError(SourceError):
    """The stream ended before its declared size. The bytes that arrived are buffered.

    >>> buf = StreamBuffer([b"by", b"tes"], size=8)
    >>> buf.read(5, 1)
    Traceback (most recent call last):
    spoolbuf.ShortError: [Errno ...] the stream ended after 5 of 8 bytes
    """

    status = Status.SHORT
    received: Optional[int] = None
    """The offset at which the stream ended, in bytes."""
    declared: Optional[int] = None
    """The declared size."""


class LappedError(SpoolbufError, LookupError):
    """The bytes have left the `window` of the buffer, and do not come back.

    Continue at `stat().tail`, or with the `seek_live` of a file.

    >>> buf = PushBuffer(window=1)
    >>> buf.push(0, bytes(262144)), buf.push(262144, b"by"), buf.push(262146, b"tes")
    (262144, 2, 3)
    >>> buf.read(0, 1)
    Traceback (most recent call last):
    spoolbuf.LappedError: the bytes have left the window
    """

    status = Status.LAPPED


class FileError(SpoolbufError, OSError):
    """A file operation failed; `errno` has the system's code, `filename` the path.

    It is also the exception that `open` would have raised: a `FileNotFoundError`, a
    `PermissionError`, a `BrokenPipeError` and so on.

    >>> try:
    ...     StreamBuffer(b"bytes").save("/absent/file")
    ... except FileNotFoundError as error:
    ...     isinstance(error, FileError), error.errno, error.operation.name
    (True, 2, 'TARGET_OPEN')
    """

    status = Status.IO

    def __reduce__(self) -> Any:
        """Pickles the arguments it was created with."""
        _, *rest = cast("tuple[Any, ...]", super().__reduce__())
        return (file_error, *rest)


def file_error(number: int, *rest: Any) -> FileError:
    """A `FileError` that is also the subclass of `OSError` for the number."""
    return _file_error(number)(number, *rest)


@functools.lru_cache(maxsize=None)
def _file_error(number: int) -> type[FileError]:
    builtin = type(OSError(number, ""))
    if builtin is OSError:
        return FileError
    return type("FileError", (FileError, builtin), {"__module__": "spoolbuf"})


class DiskFullError(SpoolbufError, OSError):
    """The disk, a quota, a file size limit or the `max_disk` of a cache is full.

    Nothing is lost; the next call tries again.
    """

    status = Status.DISK_FULL


class NoMemoryError(SpoolbufError, MemoryError):
    """Memory or a thread could not be allocated. Nothing is lost; the next call tries again."""

    status = Status.NO_MEMORY


class CanceledError(SpoolbufError, OSError):
    """`cancel()` or `close()` ended the call."""

    status = Status.CANCELED


class TimedOutError(SpoolbufError, TimeoutError):
    """No byte arrived in time. This is never the end of the resource.

    >>> StreamBuffer(b"bytes").read_some(0, 5, timeout=0)
    Traceback (most recent call last):
    spoolbuf.TimedOutError: [Errno ...] timed out
    """

    status = Status.TIMEOUT


class ReentrantError(SpoolbufError, RuntimeError):
    """The call would wait for the callback that made it: the stream read its own buffer, say."""

    status = Status.REENTRANT


class UnknownSizeError(SpoolbufError, TypeError):
    """The size is not known yet.

    It is a `TypeError`, as for any object without `len()`: `list(buf)` depends on that.

    >>> len(StreamBuffer([b"by", b"tes"]))
    Traceback (most recent call last):
    spoolbuf.UnknownSizeError: the size is not known yet
    """

    status = Status.UNKNOWN_SIZE


class UnsupportedError(SpoolbufError, io.UnsupportedOperation):
    """The stream, the system or the target can't do this."""

    status = Status.UNSUPPORTED


class ExistsError(SpoolbufError, FileExistsError):
    """The target of a save exists, and the save must not replace it."""

    status = Status.EXISTS


class SizeError(SpoolbufError, ValueError):
    """The resource does not have the required size, or is not completely buffered."""

    status = Status.SIZE


class PanicError(SpoolbufError, RuntimeError):
    """The library panicked, which is a bug in it; the panic was caught."""

    status = Status.PANIC


_CLASSES: dict[int, type[SpoolbufError]] = {
    kind.status: kind
    for kind in (
        InvalidError,
        SourceError,
        FileError,
        DiskFullError,
        NoMemoryError,
        CanceledError,
        TimedOutError,
        ReentrantError,
        UnknownSizeError,
        UnsupportedError,
        ExistsError,
        SizeError,
        PanicError,
        ShortError,
        LappedError,
    )
}

# For those that are an OSError.
_ERRNOS: dict[int, int] = {
    Status.SOURCE: errno.EIO,
    Status.SHORT: errno.EIO,
    Status.IO: errno.EIO,
    Status.DISK_FULL: errno.ENOSPC,
    Status.CANCELED: errno.ECANCELED,
    Status.TIMEOUT: errno.ETIMEDOUT,
    Status.UNSUPPORTED: errno.EOPNOTSUPP,
    Status.EXISTS: errno.EEXIST,
}


def error_for(status: int, details: Details, path: object = None) -> SpoolbufError:
    """The exception for a status. `path` is the target of a save, as its caller named it."""
    if not Operation.TARGET_OPEN <= details.operation <= Operation.TARGET_LINK:
        path = None
    path = details.path if path is None else path
    error = _error_for(status, details.text, details.system, path)
    error.operation, error.offset = details.operation, details.offset
    if status not in _CLASSES:
        error.status = Status(status)
    return error


def _error_for(status: int, text: str, system: int, path: object) -> SpoolbufError:
    kind = _CLASSES.get(status, SpoolbufError)
    number = _ERRNOS.get(status)
    # An io.UnsupportedOperation has no number, unless it has a path.
    if number is None or (status == Status.UNSUPPORTED and path is None):
        return kind(text)
    if system:
        if sys.platform == "win32":
            return kind(number, text, path, system)
        number = system
    if status == Status.IO:
        kind = _file_error(number)
    return kind(number, text) if path is None else kind(number, text, path)


def short_error(received: int, declared: int) -> ShortError:
    """The exception for a stream that ended too early."""
    text = f"the stream ended after {received} of {declared} bytes"
    error = ShortError(errno.EIO, text)
    error.received, error.declared = received, declared
    error.operation, error.offset = Operation.SOURCE_READ, received
    return error


def keep_partial(error: BaseException, part: bytes) -> None:
    """Stores the bytes before the error of a read to the end, which no later read could return."""
    with contextlib.suppress(AttributeError, TypeError):
        error.partial = part  # type: ignore[attr-defined]


def joined(
    earlier: Optional[BaseException], later: Optional[BaseException]
) -> Optional[BaseException]:
    """The exception to raise for both, with the other one as its context.

    That is the later one, as if it was raised while the earlier one was handled. But an exception
    that ends the program, or the task, is not hidden by an ordinary one.
    """
    if earlier is None or later is None:
        return later if earlier is None else earlier
    raised, other = later, earlier
    if isinstance(later, Exception) and not isinstance(earlier, Exception):
        raised, other = earlier, later
    chain, others = _chain(raised), _chain(other)
    if id(raised) in others:
        return other
    if id(other) not in chain:
        list(chain.values())[-1].__context__ = other
    return raised


def _chain(error: BaseException) -> dict[int, BaseException]:
    """The exception, its context, the context of that, and so on, by their identity."""
    chain: dict[int, BaseException] = {}
    link: Optional[BaseException] = error
    while link is not None and id(link) not in chain:
        chain[id(link)] = link
        link = link.__context__
    return chain
