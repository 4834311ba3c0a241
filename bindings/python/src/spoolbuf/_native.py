"""The structs and callback types of the shared library, as `include/spoolbuf.h` declares them.

A test compares every declaration here with the header.
"""

from __future__ import annotations

import ctypes
from typing import Optional

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
