"""The memory of Python's objects, as C gets it."""

from __future__ import annotations

import ctypes
from typing import Any

Anchor = ctypes.c_char * 0
# `anchored(object)` passes the memory of a writable object to C, and pins it while it exists.
anchored: Any = Anchor.from_buffer

# `fresh(None, size)` is an uninitialized bytes object. C may write to it as long as no other code
# has seen it. It has its own prototype: a declaration on `pythonapi` itself would affect all users.
fresh = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)
address_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(
    ("PyBytes_AsString", ctypes.pythonapi)
)


class _PyBuffer(ctypes.Structure):
    """The part of `Py_buffer` that is used."""

    _fields_ = [
        ("address", ctypes.c_void_p),
        ("object", ctypes.c_void_p),
        ("size", ctypes.c_ssize_t),
        ("rest", ctypes.c_void_p * 8),
    ]


_get_buffer = ctypes.PYFUNCTYPE(
    ctypes.c_int, ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int
)(("PyObject_GetBuffer", ctypes.pythonapi))
_release_buffer = ctypes.PYFUNCTYPE(None, ctypes.POINTER(_PyBuffer))(
    ("PyBuffer_Release", ctypes.pythonapi)
)
# PyBUF_ANY_CONTIGUOUS, and PyBUF_WRITABLE.
_IN_ONE_PIECE = 0x98
_WRITABLE = 1


class pinned:
    """The memory of an object of any shape, pinned while this is entered.

    The end of the `with` block releases it, not the collection of the frame: an exception of the
    stream keeps alive the frames that it passed through.
    """

    __slots__ = ("_view", "address", "size")

    def __init__(self, thing: Any, *, writable: bool = True) -> None:
        """Takes contiguous memory, in C or Fortran order. The address of empty memory is 0."""
        self._view = _PyBuffer()
        flags = _IN_ONE_PIECE | _WRITABLE if writable else _IN_ONE_PIECE
        _get_buffer(thing, ctypes.byref(self._view), flags)
        self.size: int = self._view.size
        self.address: int = self._view.address or 0

    def __enter__(self) -> pinned:
        return self

    def __exit__(self, *_error: object) -> None:
        _release_buffer(ctypes.byref(self._view))
