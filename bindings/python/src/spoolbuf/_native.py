"""The types and functions of the shared library, as `include/spoolbuf.h` declares them.

A test compares every declaration here with the header.
"""

from __future__ import annotations

import ctypes
import enum
from typing import Optional

SIZE_UNKNOWN = 2**64 - 1
ALL = 2**64 - 1
WHEN_WANTED = 2**64 - 2
MAX_DEFAULT = 5242880
REACH_WHOLE = 2**64 - 1
REACH_AUTO = 65536


class Status(enum.IntEnum):
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


class State(enum.IntEnum):
    """`sb_state`: what a buffer's stream is doing.

    >>> StreamBuffer(b"bytes").stat().state
    <State.OPEN: 0>
    """

    OPEN = 0
    ENDED = 1
    FAILED = 2
    CANCELED = 3


class Spool(enum.IntEnum):
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


class Operation(enum.IntEnum):
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


# The callbacks, in the calling convention of C, not that of the Windows API.
ReadCallback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
SeekCallback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_uint64)
PullCallback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_uint64,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
)
SizeCallback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
NotifyCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
ReadyCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p)
ProgressCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)


class Callback(ctypes.Structure):
    """`sb_callback`."""

    _fields_ = [
        ("read", ReadCallback),
        ("opaque", ctypes.c_void_p),
        ("seek", SeekCallback),
        ("cancel", NotifyCallback),
        ("close", NotifyCallback),
        ("pull", PullCallback),
        ("flags", ctypes.c_uint32),
        ("reserved_flags", ctypes.c_uint32),
        ("size", SizeCallback),
        ("reserved", ctypes.c_void_p * 7),
    ]


class Range(ctypes.Structure):
    """`sb_range`."""

    _fields_ = [("start", ctypes.c_uint64), ("end", ctypes.c_uint64)]
    start: int
    end: int


class Stats(ctypes.Structure):
    """`sb_stats`."""

    _fields_ = [
        ("declared", ctypes.c_uint64),
        ("final_size", ctypes.c_uint64),
        ("bound", ctypes.c_uint64),
        ("frontier", ctypes.c_uint64),
        ("memory", ctypes.c_uint64),
        ("disk", ctypes.c_uint64),
        ("overhead", ctypes.c_uint64),
        ("pulls", ctypes.c_uint64),
        ("seeks", ctypes.c_uint64),
        ("waits", ctypes.c_uint64),
        ("source_error", ctypes.c_int64),
        ("system_error", ctypes.c_int32),
        ("state", ctypes.c_int32),
        ("status", ctypes.c_int32),
        ("seekable", ctypes.c_int32),
        ("spool", ctypes.c_int32),
        ("helper", ctypes.c_int32),
        ("ended_short", ctypes.c_int32),
        ("system_operation", ctypes.c_int32),
        ("pulled", ctypes.c_uint64),
        ("pull_us", ctypes.c_uint64),
        ("wait_us", ctypes.c_uint64),
        ("underruns", ctypes.c_uint64),
        ("tail", ctypes.c_uint64),
    ]
    declared: int
    final_size: int
    bound: int
    frontier: int
    memory: int
    disk: int
    overhead: int
    pulls: int
    seeks: int
    waits: int
    source_error: int
    system_error: int
    state: int
    status: int
    seekable: int
    spool: int
    helper: int
    ended_short: int
    system_operation: int
    pulled: int
    pull_us: int
    wait_us: int
    underruns: int
    tail: int


class Error(ctypes.Structure):
    """`sb_error`."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("path", ctypes.c_void_p),
        ("path_cap", ctypes.c_size_t),
        ("path_len", ctypes.c_size_t),
        ("source", ctypes.c_int64),
        ("offset", ctypes.c_uint64),
        ("status", ctypes.c_int32),
        ("operation", ctypes.c_int32),
        ("system", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]
    struct_size: int
    path: Optional[int]
    path_cap: int
    path_len: int
    source: int
    offset: int
    status: int
    operation: int
    system: int


class Options(ctypes.Structure):
    """`sb_options`."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("size", ctypes.c_uint64),
        ("max_memory", ctypes.c_uint64),
        ("spool_dir", ctypes.c_char_p),
        ("prefetch", ctypes.c_uint64),
        ("seek_gap", ctypes.c_uint64),
        ("read_granularity", ctypes.c_uint32),
        ("on_full", ctypes.c_uint32),
        ("on_short", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("prefetch_low", ctypes.c_uint64),
        ("thread_opaque", ctypes.c_void_p),
        ("thread_begin", NotifyCallback),
        ("thread_end", NotifyCallback),
        ("reserved_pointer", ctypes.c_void_p),
        ("ahead", ctypes.c_uint64),
        ("window", ctypes.c_uint64),
    ]


class SaveOptions(ctypes.Structure):
    """`sb_save_options`."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("path", ctypes.c_char_p),
        ("progress", ProgressCallback),
        ("opaque", ctypes.c_void_p),
        ("error", ctypes.POINTER(Error)),
        ("reserved_pointer", ctypes.c_void_p),
        ("timeout_ms", ctypes.c_int64),
        ("fd", ctypes.c_int),
        ("flags", ctypes.c_uint32),
        ("mode", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    ]


class ReaderOptions(ctypes.Structure):
    """`sb_reader_options`."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("timeout_ms", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("reach", ctypes.c_uint64),
        ("error", ctypes.POINTER(Error)),
        ("reserved_pointer", ctypes.c_void_p),
    ]


class Opened(ctypes.Structure):
    """`sb_opened`."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("size", ctypes.c_uint64),
        ("tag", ctypes.c_uint64),
        ("source", Callback),
    ]


OpenerCallback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_uint64,
    ctypes.POINTER(Opened),
)


class CacheOptions(ctypes.Structure):
    """`sb_cache_options`."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("open", OpenerCallback),
        ("opaque", ctypes.c_void_p),
        ("max_memory", ctypes.c_uint64),
        ("max_disk", ctypes.c_uint64),
        ("min_free", ctypes.c_uint64),
        ("max_entry", ctypes.c_uint64),
        ("fresh_ms", ctypes.c_int64),
        ("idle_ms", ctypes.c_int64),
        ("threads", ctypes.c_uint32),
        ("on_short", ctypes.c_uint32),
        ("prefetch", ctypes.c_uint64),
        ("prefetch_low", ctypes.c_uint64),
        ("spool_dir", ctypes.c_char_p),
        ("thread_opaque", ctypes.c_void_p),
        ("thread_begin", NotifyCallback),
        ("thread_end", NotifyCallback),
    ]


class CacheStats(ctypes.Structure):
    """`sb_cache_stats`."""

    _fields_ = [
        ("hits", ctypes.c_uint64),
        ("misses", ctypes.c_uint64),
        ("opening", ctypes.c_uint64),
        ("entries", ctypes.c_uint64),
        ("leases", ctypes.c_uint64),
        ("pulled", ctypes.c_uint64),
        ("expired", ctypes.c_uint64),
        ("evicted_disk", ctypes.c_uint64),
        ("evicted_free", ctypes.c_uint64),
        ("evicted_memory", ctypes.c_uint64),
        ("evicted_large", ctypes.c_uint64),
        ("memory", ctypes.c_uint64),
        ("memory_peak", ctypes.c_uint64),
        ("disk", ctypes.c_uint64),
        ("disk_peak", ctypes.c_uint64),
    ]


_handle = ctypes.c_void_p

# Every function of the header: its result and its parameters.
PROTOTYPES: dict[str, tuple[object, tuple[object, ...]]] = {
    "sb_new": (_handle, (ctypes.POINTER(Callback), ctypes.c_uint64, ctypes.c_uint64)),
    "sb_read": (
        ctypes.c_int64,
        (_handle, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p),
    ),
    "sb_save": (ctypes.c_int64, (_handle, ctypes.c_char_p)),
    "sb_free": (None, (_handle,)),
    "sb_read_some": (
        ctypes.c_int64,
        (_handle, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int64),
    ),
    "sb_reader_new": (_handle, (_handle,)),
    "sb_reader_options_init": (
        ctypes.c_int,
        (ctypes.POINTER(ReaderOptions), ctypes.c_size_t),
    ),
    "sb_reader_new_with": (
        ctypes.c_int,
        (_handle, ctypes.POINTER(ReaderOptions), ctypes.POINTER(_handle)),
    ),
    "sb_reader_buffer": (_handle, (_handle,)),
    "sb_reader_read": (ctypes.c_int64, (_handle, ctypes.c_size_t, ctypes.c_void_p)),
    "sb_reader_seek": (ctypes.c_int64, (_handle, ctypes.c_int64, ctypes.c_int)),
    "sb_reader_find_size": (ctypes.c_int64, (_handle,)),
    "sb_reader_cancel": (ctypes.c_int, (_handle,)),
    "sb_reader_resume": (ctypes.c_int, (_handle,)),
    "sb_reader_free": (None, (_handle,)),
    "sb_prefetch": (ctypes.c_int, (_handle, ctypes.c_uint64)),
    "sb_cancel": (ctypes.c_int, (_handle,)),
    "sb_retry": (ctypes.c_int, (_handle,)),
    "sb_resume": (ctypes.c_int, (_handle,)),
    "sb_reopen": (ctypes.c_int, (_handle, ctypes.POINTER(Callback), ctypes.c_uint64)),
    "sb_spill": (ctypes.c_int, (_handle,)),
    "sb_set_max_memory": (ctypes.c_int, (_handle, ctypes.c_uint64)),
    "sb_size": (ctypes.c_int64, (_handle,)),
    "sb_known_size": (ctypes.c_int64, (_handle,)),
    "sb_find_size": (ctypes.c_int64, (_handle, ctypes.c_int64)),
    "sb_buffered": (ctypes.c_int64, (_handle, ctypes.c_uint64)),
    "sb_ranges": (ctypes.c_int64, (_handle, ctypes.POINTER(Range), ctypes.c_size_t)),
    "sb_stat": (ctypes.c_int, (_handle, ctypes.POINTER(Stats), ctypes.c_size_t)),
    "sb_spool_dir": (ctypes.c_int64, (_handle, ctypes.c_void_p, ctypes.c_size_t)),
    "sb_options_init": (ctypes.c_int, (ctypes.POINTER(Options), ctypes.c_size_t)),
    "sb_new_with": (
        ctypes.c_int,
        (ctypes.POINTER(Callback), ctypes.POINTER(Options), ctypes.POINTER(_handle)),
    ),
    "sb_new_push": (ctypes.c_int, (ctypes.POINTER(Options), ctypes.POINTER(_handle))),
    "sb_push": (
        ctypes.c_int64,
        (_handle, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int64),
    ),
    "sb_push_end": (ctypes.c_int, (_handle, ctypes.c_uint64, ctypes.c_int64)),
    "sb_wanted": (ctypes.c_int, (_handle, ctypes.POINTER(Range))),
    "sb_when": (
        ctypes.c_int64,
        (_handle, ctypes.c_uint64, ReadyCallback, ctypes.c_void_p, ctypes.POINTER(_handle)),
    ),
    "sb_watch_free": (None, (_handle,)),
    "sb_cache_options_init": (ctypes.c_int, (ctypes.POINTER(CacheOptions), ctypes.c_size_t)),
    "sb_cache_new": (ctypes.c_int, (ctypes.POINTER(CacheOptions), ctypes.POINTER(_handle))),
    "sb_cache_open": (
        ctypes.c_int,
        (
            _handle,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.POINTER(ReaderOptions),
            ctypes.POINTER(_handle),
        ),
    ),
    "sb_cache_remove": (ctypes.c_int, (_handle, ctypes.c_void_p, ctypes.c_size_t)),
    "sb_cache_trim": (ctypes.c_int, (_handle, ctypes.c_uint64, ctypes.c_uint64)),
    "sb_cache_stat": (ctypes.c_int, (_handle, ctypes.POINTER(CacheStats), ctypes.c_size_t)),
    "sb_cache_free": (None, (_handle,)),
    "sb_save_options_init": (ctypes.c_int, (ctypes.POINTER(SaveOptions), ctypes.c_size_t)),
    "sb_save_with": (ctypes.c_int64, (_handle, ctypes.POINTER(SaveOptions))),
    "sb_error_init": (ctypes.c_int, (ctypes.POINTER(Error), ctypes.c_size_t)),
    "sb_reader_error": (ctypes.c_int, (_handle, ctypes.POINTER(Error))),
    "sb_error_text": (
        ctypes.c_int64,
        (ctypes.POINTER(Error), ctypes.c_void_p, ctypes.c_size_t),
    ),
    "sb_set_log": (ctypes.c_int, (LogCallback, ctypes.c_void_p, ctypes.c_uint32)),
    "sb_strerror": (ctypes.c_char_p, (ctypes.c_int64,)),
    "sb_version": (ctypes.c_uint32, ()),
}
