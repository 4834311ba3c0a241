"""Facts about a stream without reading it: its position, its size, whether it is interruptible."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from typing import Any, Optional, cast


def is_of_python(stream: Any) -> bool:
    """Whether it is one of Python's own files, implemented entirely in C.

    When interrupted, they consume no bytes. They keep no view of the memory that they are given.
    """
    if type(stream) in (io.BufferedReader, io.BufferedRandom):
        stream = stream.raw
    return type(stream) in (io.FileIO, io.BytesIO)


def seek_of(stream: Any) -> Optional[Callable[..., Any]]:
    """The stream's `seek`, if it is seekable."""
    seek: Any = getattr(stream, "seek", None)
    if not callable(seek) or isinstance(stream, memoryview):
        return None
    try:
        seekable: Any = getattr(stream, "seekable", None)
        return None if callable(seekable) and not seekable() else cast(Any, seek)
    except OSError:
        # Raised by a pipe, for example.
        return None


def tell_of(stream: Any) -> Optional[Callable[[], Any]]:
    """The stream's `tell`, if it has one."""
    tell: Any = getattr(stream, "tell", None)
    return cast(Any, tell) if callable(tell) else None


def size_of(stream: Any, base: int) -> Optional[int]:
    """The number of bytes from the file's position to its end, if that is cheap to find out."""
    if isinstance(stream, io.BytesIO):
        return max(stream.getbuffer().nbytes - base, 0)
    if isinstance(stream, (io.BufferedReader, io.BufferedRandom)):
        stream = cast(Any, stream).raw
    # Not for any file: one that decompresses has to decompress all of itself.
    if not isinstance(stream, io.FileIO):
        return None
    status = os.fstat(stream.fileno())
    return max(status.st_size - base, 0) if stat.S_ISREG(status.st_mode) else None


_UNPACKERS = (
    ("gzip", "GzipFile"),
    ("bz2", "BZ2File"),
    ("lzma", "LZMAFile"),
    ("zipfile", "ZipExtFile"),
)


def unpacks(stream: Any) -> bool:
    """Whether it decompresses, and has to read all of itself to find its end."""
    if isinstance(stream, (io.BufferedReader, io.BufferedRandom)):
        stream = cast(Any, stream).raw
    kinds = [getattr(sys.modules.get(module), name, None) for module, name in _UNPACKERS]
    return isinstance(stream, tuple(filter(None, kinds)))


def expected_of(stream: Any) -> Optional[int]:
    """How many bytes an HTTP response still has, according to its headers."""
    client: Any = sys.modules.get("http.client")
    if client and isinstance(stream, client.HTTPResponse):
        return _number(stream.length)
    urllib3: Any = sys.modules.get("urllib3.response")
    if urllib3 and isinstance(stream, urllib3.HTTPResponse):
        response: Any = stream
        # A decoded body has another size.
        if response.headers.get("content-encoding") and response.decode_content:
            return None
        return _number(response.length_remaining)
    return None


def _number(value: Any) -> Optional[int]:
    return value if isinstance(value, int) else None


def check_whole(stream: Any, believed: bool) -> None:
    """Raises if an HTTP response is shorter than its headers say, unless the end is believed.

    A complete response is closed, so that its connection can be reused.
    """
    client: Any = sys.modules.get("http.client")
    if not client:
        return
    left = expected_of(stream)
    if left and not believed:
        raise client.IncompleteRead(b"", left)
    if left == 0 and isinstance(stream, client.HTTPResponse) and not stream.isclosed():
        stream.read()
