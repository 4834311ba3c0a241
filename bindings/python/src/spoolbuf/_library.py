"""The shared library: where it is, and its functions.

Calls through `lib` release the GIL. Calls through `held` do not.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from ._memory import Anchor
from ._prototypes import PROTOTYPES

# The version of the C interface that is declared. A library of another version is refused.
_VERSION = (0, 1)


def _names() -> tuple[str, str]:
    """The name of the bundled library file, and the name in the system's library path."""
    major = _VERSION[0]
    if sys.platform == "win32":
        return "spoolbuf.dll", "spoolbuf.dll"
    if sys.platform == "darwin":
        return "libspoolbuf.dylib", f"libspoolbuf.{major}.dylib"
    return "libspoolbuf.so", f"libspoolbuf.so.{major}"


def _path() -> str:
    """SPOOLBUF_LIBRARY, else the library in the wheel, else the system's."""
    told = os.environ.get("SPOOLBUF_LIBRARY")
    if told:
        return told
    bundled, installed = _names()
    beside = Path(__file__).with_name(bundled)
    return str(beside) if beside.exists() else installed


def load(path: str, kind: type[ctypes.CDLL] = ctypes.CDLL) -> ctypes.CDLL:
    """Loads a library and declares its functions.

    >>> load("libm.so.6")
    Traceback (most recent call last):
    ImportError: libm.so.6 is not a spoolbuf library
    """
    try:
        library = kind(path)
    except OSError as error:
        raise ImportError(
            f"spoolbuf's shared library can't be loaded: {error}; SPOOLBUF_LIBRARY may name one"
        ) from error
    try:
        for name, (result, parameters) in PROTOTYPES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = parameters
    except AttributeError:
        raise ImportError(f"{path} is not a spoolbuf library") from None
    version: int = library.sb_version()
    if (version >> 16, version >> 8 & 255) != _VERSION:
        raise ImportError(
            f"{path} is version {version >> 16}.{version >> 8 & 255} of spoolbuf, "
            f"this package needs {_VERSION[0]}.{_VERSION[1]}"
        )
    return library


lib = load(_path())
# For calls that take less time than handing the GIL to another thread: two threads that read from
# memory get twice as much done (the bench's python-memory-4k-threads).
held = load(_path(), ctypes.PyDLL)


def _read_quickly(memory: Any) -> Any:
    """`held.sb_read_some`, for one type of memory, with integers in the form fastest for ctypes.

    Half the cost of a read from memory is the conversion of arguments by ctypes.
    """
    number = ctypes.c_void_p if ctypes.sizeof(ctypes.c_void_p) == 8 else ctypes.c_uint64
    size = ctypes.c_void_p if number is ctypes.c_void_p else ctypes.c_size_t
    prototype = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, number, size, memory, number)
    return prototype(("sb_read_some", held))


# Both hold the GIL; the second takes the result of `anchored`.
read_bytes = _read_quickly(ctypes.c_void_p)
read_anchored = _read_quickly(Anchor)
