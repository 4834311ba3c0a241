"""A snapshot of a cache, as Python values."""

from __future__ import annotations

from typing import NamedTuple

from . import _native


class CacheStats(NamedTuple):
    """A snapshot of a cache. Counters count from its creation, sizes are in bytes.

    >>> with Cache(lambda key: b"bytes") as cache:
    ...     cache["key"][:], cache["key"][:]
    ...     stats = cache.stat()
    (b'bytes', b'bytes')
    >>> stats.misses, stats.hits, stats.entries, stats.pulled
    (1, 1, 1, 5)
    """

    hits: int
    """How many opens found an entry that could be used at once."""
    misses: int
    """How many opens did not: they called `open`, or waited for a call of it."""
    opening: int
    """How many calls of `open` are running."""
    entries: int
    """How many entries there are, with removed ones that are still in use."""
    leases: int
    """How many leases there are: files, and other readers of entries."""
    pulled: int
    """How many bytes the streams of all entries have delivered."""
    expired: int
    """How many entries ended because `idle` had passed."""
    evicted_disk: int
    """How many entries were evicted because `max_disk` was reached."""
    evicted_free: int
    """How many entries were evicted because of `min_free`, or since the disk was full or failed."""
    evicted_memory: int
    """How many entries were evicted because `max_memory` was reached by bookkeeping alone."""
    evicted_large: int
    """How many were evicted before all others since they are larger than `max_entry`."""
    memory: int
    """The memory that all entries use, with the opens that wait for a thread."""
    memory_peak: int
    """The most memory that all of these have used at any time."""
    disk: int
    """The disk space that all entries use."""
    disk_peak: int
    """The most disk space that they have used at any time."""


def from_native(stats: _native.CacheStats) -> CacheStats:
    """Converts the C struct."""
    return CacheStats(*(getattr(stats, name) for name in CacheStats._fields))
