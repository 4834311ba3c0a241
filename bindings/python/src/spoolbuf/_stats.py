"""A snapshot of a buffer, as Python values."""

from __future__ import annotations

from typing import NamedTuple, Optional

from . import _native
from ._codes import SIZE_UNKNOWN, Operation, Spool, State, Status


class Stats(NamedTuple):
    """One consistent snapshot of a buffer. Sizes are in bytes.

    >>> buf = StreamBuffer([b"by", b"tes"], size=5)
    >>> buf.read(0, 2)
    b'by'
    >>> stats = buf.stat()
    >>> stats.declared, stats.final_size, stats.frontier, stats.memory, stats.disk
    (5, None, 2, 2, 0)
    """

    declared: Optional[int]
    """The declared size, a hint; None if there is none."""
    final_size: Optional[int]
    """The true size; None until the stream has ended."""
    bound: Optional[int]
    """The lowest offset at which the stream had no bytes, an upper limit of the size; else None."""
    frontier: int
    """How far the resource is buffered without a gap, in bytes from its start."""
    memory: int
    """Buffered bytes in memory."""
    disk: int
    """Buffered bytes in the spool file."""
    overhead: int
    """Memory that the buffer takes besides its bytes."""
    pulls: int
    """How many times the stream was asked for bytes."""
    seeks: int
    """How many times the stream was asked to seek."""
    waits: int
    """How many times a call blocked until another one delivered bytes."""
    system_error: int
    """The system's code of the last failed operation on the spool file, else 0."""
    system_operation: Operation
    """The operation that failed with `system_error`."""
    state: State
    """The state of the stream."""
    status: Status
    """Why the stream is not asked any more; OK if it is asked, or has ended."""
    seekable: bool
    """Whether the stream can be asked to seek."""
    spool: Spool
    """Where the spool file is."""
    helper: bool
    """Whether a thread of the library exists."""
    ended_short: bool
    """Whether the stream ended before the declared size."""
    spool_dir: Optional[str]
    """The spool file's directory, or where creating it failed; None before the first attempt."""
    pulled: int
    """How many bytes the stream has delivered; those that it delivered twice count twice."""
    pull_seconds: float
    """The time spent inside the stream, without a call that has not returned."""
    wait_seconds: float
    """The time for which calls blocked, summed over all threads, without calls that still do."""
    underruns: int
    """How often a read found that a prefetch in front of it had run out of bytes."""
    tail: int
    """The offset of the oldest byte that is kept: not 0 once bytes have left a `window`."""


def from_native(stats: _native.Stats, spool_dir: Optional[str]) -> Stats:
    """Converts the C struct, which does not have the directory."""
    return Stats(
        declared=_known(stats.declared),
        final_size=_known(stats.final_size),
        bound=_known(stats.bound),
        frontier=stats.frontier,
        memory=stats.memory,
        disk=stats.disk,
        overhead=stats.overhead,
        pulls=stats.pulls,
        seeks=stats.seeks,
        waits=stats.waits,
        system_error=stats.system_error,
        system_operation=Operation(stats.system_operation),
        state=State(stats.state),
        status=Status(stats.status),
        seekable=bool(stats.seekable),
        spool=Spool(stats.spool),
        helper=bool(stats.helper),
        ended_short=bool(stats.ended_short),
        spool_dir=spool_dir,
        pulled=stats.pulled,
        pull_seconds=stats.pull_us / 1e6,
        wait_seconds=stats.wait_us / 1e6,
        underruns=stats.underruns,
        tail=stats.tail,
    )


def _known(size: int) -> Optional[int]:
    return None if size == SIZE_UNKNOWN else size
