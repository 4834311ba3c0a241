"""One exception class for each status of the library.

Each derives from the builtin that says the same, so that code which knows nothing of spoolbuf
catches the right thing. What the user's own stream raises is not wrapped in any of these.
"""

from __future__ import annotations

import errno
import io
import os
import sys

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


class FileError(SpoolbufError, OSError):
    """A file operation failed; `errno` says how."""

    status = Status.IO


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
    )
}

_ERRNOS = {
    Status.SOURCE: errno.EIO,
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
    return kind(number, text) if path is None else kind(number, text, path)
