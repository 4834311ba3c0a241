"""Queries: the size, the buffered ranges, the statistics."""

from __future__ import annotations

from typing import Optional

from . import _stats
from ._arguments import natural
from ._codes import Status
from ._errors import InvalidError
from ._handle import spool_dir_of
from ._library import held, lib
from ._native import Range
from ._sequence import ByteSequence
from ._stats import Stats


class Queries(ByteSequence):
    """What is known of a resource so far."""

    def is_exhausted(self) -> bool:
        """Whether the stream has no more bytes.

        If neither the size nor an end that was seen tells, it asks the stream for one more byte,
        and blocks until that arrives.

        >>> buf = StreamBuffer([b"by", b"tes"])
        >>> buf.is_exhausted()
        False
        >>> buf[:], buf.is_exhausted()
        (b'bytes', True)
        """
        stats = self.stat()
        if stats.final_size is not None:
            return stats.frontier >= stats.final_size
        if stats.declared is not None and stats.frontier < stats.declared:
            return False
        return not self.read_some(stats.frontier, 1)

    @property
    def size(self) -> Optional[int]:
        """The size: the true one once the stream has ended, else the declared one, else None.

        >>> StreamBuffer([b"by", b"tes"]).size is None
        True
        """
        size: int = held.sb_size(self._handle)
        return None if size == Status.UNKNOWN_SIZE else self._check(size)

    @property
    def known_size(self) -> Optional[int]:
        """The size if it is a fact, else None.

        It is one once the stream has ended, or if the buffer was made with `trust_size`.

        >>> StreamBuffer([b"by", b"tes"], size=5).known_size is None
        True
        >>> StreamBuffer([b"by", b"tes"], size=5, trust_size=True).known_size
        5
        """
        size: int = held.sb_known_size(self._handle)
        return None if size == Status.UNKNOWN_SIZE else self._check(size)

    def __len__(self) -> int:
        """The size; raises `UnknownSizeError`, a `TypeError`, while it is unknown.

        >>> len(StreamBuffer([b"by", b"tes"], size=5))
        5
        """
        return self._check(held.sb_size(self._handle))

    def __bool__(self) -> bool:
        """True, even if the resource is empty."""
        return True

    @property
    def stream_index(self) -> int:
        """How far the stream has been read, in bytes.

        >>> buf = StreamBuffer([b"by", b"tes"])
        >>> buf.read(0, 1), buf.stream_index
        (b'b', 2)
        """
        return self.stat().frontier

    def stat(self) -> Stats:
        """Takes one consistent snapshot.

        >>> StreamBuffer(b"bytes").stat().pulls
        0
        """
        return _stats.from_native(self._stats(), spool_dir_of(self._handle))

    def buffered(self, offset: int = 0) -> int:
        """Returns how many bytes at `offset` can be read without blocking.

        >>> StreamBuffer(b"bytes").buffered(0)
        0
        """
        return self._buffered(natural("offset", offset))

    def ranges(self) -> list[range]:
        """Returns the buffered ranges, in order: for drawing a seek bar.

        >>> buf = StreamBuffer([b"by", b"tes"])
        >>> buf.read(0, 1), buf.ranges()
        (b'b', [range(0, 2)])
        """
        room = 16
        while True:
            ranges = (Range * room)()
            count = self._check(lib.sb_ranges(self._handle, ranges, room))
            if count <= room:
                return [range(part.start, part.end) for part in ranges[:count]]
            room = 2 * count

    def __repr__(self) -> str:
        """Shows the size, how far the stream has been read, and where the bytes are.

        >>> StreamBuffer(b"bytes", 5)
        StreamBuffer<5, 0, memory 0, disk 0>
        """
        kind = type(self).__name__
        try:
            stats = self.stat()
        except InvalidError:
            return f"{kind}<closed>"
        place = f"memory {stats.memory}, disk {stats.disk}"
        return f"{kind}<{self.size}, {stats.frontier}, {place}>"
