"""The numbers of `include/spoolbuf.h`: constants, status codes, flags, states.

A test compares them with the header.
"""

from __future__ import annotations

import enum
from typing import Optional

SIZE_UNKNOWN = 2**64 - 1
ALL = 2**64 - 1
WHEN_WANTED = 2**64 - 2
MAX_DEFAULT = 5242880
REACH_WHOLE = 2**64 - 1
REACH_AUTO = 65536


class _Growing(enum.IntEnum):
    """What the library reports. A newer library may have more members."""

    @classmethod
    def _missing_(cls, value: object) -> Optional[_Growing]:
        """A member of a newer library: it has its number, and does not raise a ValueError."""
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_, member._value_ = "UNKNOWN", value
        return member


class Status(_Growing):
    """`sb_status`: the status codes. A C call that returns a count returns one on failure.

    >>> Status.TIMEOUT
    <Status.TIMEOUT: -7>
    """

    OK = 0
    INVALID = -1
    SOURCE = -2
    IO = -3
    DISK_FULL = -4
    NO_MEMORY = -5
    CANCELED = -6
    TIMEOUT = -7
    REENTRANT = -8
    UNKNOWN_SIZE = -9
    UNSUPPORTED = -10
    EXISTS = -11
    SIZE = -12
    PANIC = -13
    SHORT = -14
    LAPPED = -15


class State(_Growing):
    """`sb_state`: what a buffer's stream is doing.

    >>> StreamBuffer(b"bytes").stat().state
    <State.OPEN: 0>
    """

    OPEN = 0
    ENDED = 1
    FAILED = 2
    CANCELED = 3


class Spool(_Growing):
    """`sb_spool`: where a buffer's spool file is.

    >>> StreamBuffer(b"bytes").stat().spool
    <Spool.NONE: 0>
    """

    NONE = 0
    DISK = 1
    MEMORY = 2


class Whence(enum.IntEnum):
    """`sb_whence`."""

    SET = 0
    CUR = 1
    END = 2
    LIVE = 16


class OnFull(enum.IntEnum):
    """`sb_on_full`."""

    FAIL = 0
    MEMORY = 1


class OnShort(enum.IntEnum):
    """`sb_on_short`."""

    END = 0
    ERROR = 1


class SourceCode(enum.IntEnum):
    """`sb_source_code`."""

    CANCELED = -2147483647
    UNSUPPORTED = -2147483646
    MISMATCH = -2147483645


class SourceFlag(enum.IntFlag):
    """`sb_source_flag`."""

    SEEKS = 1
    INTERRUPTIBLE = 2


class OptionFlag(enum.IntFlag):
    """`sb_option_flag`."""

    SIZE_TRUSTED = 1


class LogLevel(enum.IntEnum):
    """`sb_log_level`."""

    OFF = 0
    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4


class ReaderFlag(enum.IntFlag):
    """`sb_reader_flag`."""

    BUFFERED = 1


class SaveFlag(enum.IntFlag):
    """`sb_save_flag`."""

    SYNC = 1
    NO_REPLACE = 2
    REQUIRE_SIZE = 4
    BUFFERED = 8
    LINK = 16


class Operation(_Growing):
    """`sb_operation`: what a call was doing when it failed.

    >>> try:
    ...     StreamBuffer(b"bytes").save("/absent/file")
    ... except FileError as error:
    ...     error.operation
    <Operation.TARGET_OPEN: 6>
    """

    NONE = 0
    SOURCE_READ = 1
    SOURCE_SEEK = 2
    SPOOL_CREATE = 3
    SPOOL_WRITE = 4
    SPOOL_READ = 5
    TARGET_OPEN = 6
    TARGET_WRITE = 7
    TARGET_MODE = 8
    TARGET_CLOSE = 9
    TARGET_SYNC = 10
    TARGET_RENAME = 11
    TARGET_LINK = 12
    SOURCE_OPEN = 13
