"""A stream that arrives only once becomes a buffer that is readable anywhere, any number of times.

>>> from spoolbuf import StreamBuffer
>>> buf = StreamBuffer(iter([b"some ", b"stream ", b"of bytes"]))
>>> buf[5:11]
b'stream'
>>> buf.save("whole.bin")
20
"""

from ._base import MAX_SIZE, REACH_AUTO
from ._buffer import StreamBuffer
from ._cache import Cache
from ._cache_stats import CacheStats
from ._cached import CachedBuffer
from ._codes import Operation, Spool, State, Status
from ._errors import (
    CanceledError,
    DiskFullError,
    ExistsError,
    FileError,
    InvalidError,
    LappedError,
    NoMemoryError,
    PanicError,
    ReentrantError,
    ShortError,
    SizeError,
    SourceError,
    SpoolbufError,
    TimedOutError,
    UnknownSizeError,
    UnsupportedError,
)
from ._file import RawStreamFile, StreamFile
from ._interpreter import check_patches as _check_patches
from ._log import set_log
from ._push import PushBuffer
from ._resource import Resource
from ._stats import Stats

__version__ = "0.1.0"

__all__ = [
    "MAX_SIZE",
    "REACH_AUTO",
    "Cache",
    "CacheStats",
    "CachedBuffer",
    "CanceledError",
    "DiskFullError",
    "ExistsError",
    "FileError",
    "InvalidError",
    "LappedError",
    "NoMemoryError",
    "Operation",
    "PanicError",
    "PushBuffer",
    "RawStreamFile",
    "ReentrantError",
    "Resource",
    "ShortError",
    "SizeError",
    "SourceError",
    "Spool",
    "SpoolbufError",
    "State",
    "Stats",
    "Status",
    "StreamBuffer",
    "StreamFile",
    "TimedOutError",
    "UnknownSizeError",
    "UnsupportedError",
    "set_log",
]


def _name_as_users_do() -> None:
    """Tracebacks and documentation show `spoolbuf.InvalidError`, without the module it is in."""
    for name in __all__:
        thing = globals()[name]
        if isinstance(thing, type):
            thing.__module__ = __name__


_name_as_users_do()
_check_patches()
