"""The functions of the shared library, as `include/spoolbuf.h` declares them.

A test compares every declaration here with the header.
"""

from __future__ import annotations

import ctypes

from ._native import (
    CacheOptions,
    CacheStats,
    Callback,
    Error,
    LogCallback,
    Options,
    Range,
    ReaderOptions,
    ReadyCallback,
    SaveOptions,
    Stats,
)

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
