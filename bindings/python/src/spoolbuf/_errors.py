"""One exception class for each status of the library.

Each derives from the builtin that says the same, so that code which knows nothing of spoolbuf
catches the right thing. What the user's own stream raises is not wrapped in any of these.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import sys
from typing import Any, Optional, cast

from ._native import Status

__all__ = [
    "CanceledError",
    "DiskFullError",
    "ExistsError",
    "FileError",
    "InvalidError",
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
    """What all exceptions of this package have in common.

    >>> issubclass(TimedOutError, SpoolbufError) and issubclass(TimedOutError, TimeoutError)
    True
    """

    status: Status
    """The status of the C library that the class stands for."""


class InvalidError(SpoolbufError, ValueError):
    """The buffer is closed, belongs to the parent process, or an argument makes no sense.

    >>> buf = StreamBuffer(b"bytes")
    >>> buf.close()
    >>> buf.read(0, 1)
    Traceback (most recent call last):
    spoolbuf.InvalidError: the buffer is closed
    """

    status = Status.INVALID


class SourceError(SpoolbufError, OSError):
    """The stream failed without an exception of its own that could be raised instead."""

    status = Status.SOURCE


class ShortError(SourceError):
    """The stream ended before the size that was declared. What came is buffered.

    >>> buf = StreamBuffer([b"by", b"tes"], size=8)
    >>> buf.read(5, 1)
    Traceback (most recent call last):
    spoolbuf.ShortError: [Errno ...] the stream ended after 5 of 8 bytes
    """

    status = Status.SHORT
    received: Optional[int] = None
    """Where the stream ended, in bytes from the start."""
    declared: Optional[int] = None
    """The size that was declared."""


class FileError(SpoolbufError, OSError):
    """A file operation failed; `errno` says how.

    It is also what `open` would have raised: a `FileNotFoundError`, a `PermissionError`, a
    `BrokenPipeError` and so on.

    >>> try:
    ...     StreamBuffer(b"bytes").save("/absent/file")
    ... except FileNotFoundError as error:
    ...     isinstance(error, FileError), error.errno
    (True, 2)
    """

    status = Status.IO

    def __reduce__(self) -> Any:
        """Pickled by what it was made from."""
        _, *rest = cast("tuple[Any, ...]", super().__reduce__())
        return (file_error, *rest)


def file_error(number: int, *rest: Any) -> FileError:
    """A `FileError` that is also what `OSError` makes of the number."""
    return _file_error(number)(number, *rest)


@functools.lru_cache(maxsize=None)
def _file_error(number: int) -> type[FileError]:
    builtin = type(OSError(number, ""))
    if builtin is OSError:
        return FileError
    return type("FileError", (FileError, builtin), {"__module__": "spoolbuf"})


class DiskFullError(SpoolbufError, OSError):
    """The disk, a quota or a file size limit is full. Nothing is lost; the next call tries again."""

    status = Status.DISK_FULL


class NoMemoryError(SpoolbufError, MemoryError):
    """No memory, or no thread to be had. Nothing is lost; the next call tries again."""

    status = Status.NO_MEMORY


class CanceledError(SpoolbufError, OSError):
    """`cancel()` or `close()` stopped the call."""

    status = Status.CANCELED


class TimedOutError(SpoolbufError, TimeoutError):
    """Not a byte came in time. Never the end of the resource.

    >>> StreamBuffer(b"bytes").read_some(0, 5, timeout=0)
    Traceback (most recent call last):
    spoolbuf.TimedOutError: [Errno ...] timed out
    """

    status = Status.TIMEOUT


class ReentrantError(SpoolbufError, RuntimeError):
    """The stream asked its own buffer for bytes that only the stream could deliver."""

    status = Status.REENTRANT


class UnknownSizeError(SpoolbufError, TypeError):
    """The size is not known yet.

    A `TypeError`, as for anything else that has no `len()`: `list(buf)` counts on that.

    >>> len(StreamBuffer([b"by", b"tes"]))
    Traceback (most recent call last):
    spoolbuf.UnknownSizeError: not known yet
    """

    status = Status.UNKNOWN


class UnsupportedError(SpoolbufError, io.UnsupportedOperation):
    """The stream, the system or the target can't do this."""

    status = Status.UNSUPPORTED


class ExistsError(SpoolbufError, FileExistsError):
    """The target of a save exists and was not to be replaced."""

    status = Status.EXISTS


class SizeError(SpoolbufError, ValueError):
    """The resource does not have the size that was demanded, or is not wholly buffered."""

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
    )
}

_ERRNOS = {
    Status.SOURCE: errno.EIO,
    Status.SHORT: errno.EIO,
    Status.IO: errno.EIO,
    Status.DISK_FULL: errno.ENOSPC,
    Status.CANCELED: errno.ECANCELED,
    Status.TIMEOUT: errno.ETIMEDOUT,
    Status.EXISTS: errno.EEXIST,
}


def error_for(status: int, text: str, system_error: int = 0, path: object = None) -> SpoolbufError:
    """The exception for a status, `system_error` being the system's own code if there is one."""
    kind = _CLASSES.get(status, SpoolbufError)
    if status == Status.UNSUPPORTED or not issubclass(kind, OSError):
        return kind(text)
    number = _ERRNOS.get(Status(status), errno.EIO)
    if status in (Status.IO, Status.DISK_FULL) and system_error:
        if sys.platform == "win32":
            return kind(number, text, path, system_error)
        number, text = system_error, f"{text}: {os.strerror(system_error)}"
    if status == Status.IO:
        kind = _file_error(number)
    return kind(number, text) if path is None else kind(number, text, path)


def short_error(received: int, declared: int) -> ShortError:
    """The stream ended too early."""
    text = f"the stream ended after {received} of {declared} bytes"
    error = ShortError(errno.EIO, text)
    error.received, error.declared = received, declared
    return error


def keep_partial(error: BaseException, part: bytes) -> None:
    """What a whole read had before the error: there is no next read that could return it."""
    with contextlib.suppress(AttributeError, TypeError):
        error.partial = part  # type: ignore[attr-defined]
