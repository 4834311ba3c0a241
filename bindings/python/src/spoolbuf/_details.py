"""What C knows about a failed call: `sb_error`."""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple, Optional

from ._codes import SIZE_UNKNOWN, Operation, Status
from ._library import lib
from ._native import Error
from ._native import Stats as NativeStats

# The failures of which C knows more than the status.
DETAILED = (Status.SOURCE, Status.IO, Status.DISK_FULL, Status.UNSUPPORTED)

# Room for any path.
_LONGEST = 4096


class Details(NamedTuple):
    """The operation that failed, where, and what the system said."""

    text: str
    operation: Operation = Operation.NONE
    offset: Optional[int] = None
    system: int = 0
    path: Optional[str] = None
    """The target of a save, or the directory of the spool file."""


class Room:
    """An `sb_error` for C to fill, with memory for its path."""

    def __init__(self) -> None:
        """No error yet."""
        self._path = ctypes.create_string_buffer(_LONGEST)
        self.error = Error()
        lib.sb_error_init(ctypes.byref(self.error), ctypes.sizeof(self.error))
        self.error.path = ctypes.addressof(self._path)
        self.error.path_cap = _LONGEST

    def details(self) -> Details:
        """What C wrote."""
        error = self.error
        path = os.fsdecode(self._path.value) or None
        return Details(
            _text(error),
            Operation(error.operation),
            None if error.offset == SIZE_UNKNOWN else error.offset,
            error.system,
            path,
        )


def from_stats(code: int, stats: NativeStats, spool_dir: Optional[str]) -> Details:
    """For a call of a buffer itself, for which C keeps no `sb_error`."""
    room = Room()
    error = room.error
    error.status = code
    if code == Status.SOURCE:
        error.source = stats.source_error
        # A failed seek is the error of one read alone.
        failed = stats.status == Status.SOURCE
        error.operation = Operation.SOURCE_READ if failed else Operation.SOURCE_SEEK
    elif code in (Status.IO, Status.DISK_FULL):
        error.operation, error.system = stats.system_operation, stats.system_error
        return room.details()._replace(path=spool_dir)
    return room.details()


def _text(error: Error) -> str:
    """The operation and the reason. An `OSError` adds the path itself."""
    path, error.path, error.path_cap = error.path, None, 0
    length = lib.sb_error_text(ctypes.byref(error), None, 0)
    line = ctypes.create_string_buffer(length + 1)
    lib.sb_error_text(ctypes.byref(error), line, length + 1)
    error.path, error.path_cap = path, _LONGEST
    return line.value.decode(errors="replace")
