"""Public reads: at any offset, in slices, in chunks."""

from __future__ import annotations

import ctypes
import functools
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional, Union, overload

from ._arguments import limit_of, natural
from ._core import HELD, PIECE, Core
from ._errors import keep_partial
from ._handle import LIMIT
from ._library import lib, read_anchored, read_bytes
from ._memory import address_of, anchored, fresh, pinned

if TYPE_CHECKING:
    from typing_extensions import Buffer

# The largest chunk that an iteration yields.
_CHUNK = 1 << 16

_NONE: Any = object()


class ByteSequence(Core):
    """A resource as a sequence of bytes, some of which have not arrived yet."""

    @overload
    def read(self) -> bytes: ...
    @overload
    def read(self, offset: int, size: Optional[int]) -> bytes: ...
    def read(self, offset: int = _NONE, size: Optional[int] = _NONE) -> bytes:
        """Returns the bytes at `[offset, offset + size)`, or all of them.

        Blocks until the missing bytes have arrived. Returns fewer bytes if the resource ends or
        fails first, and none at or past the end. The next read that reaches a failure raises it.

        Without a size, or with None or a negative one, it reads to the end. A failure then raises
        at once, and the exception's `partial` has the bytes before it.

        With one argument it raises a `TypeError`: for a file's `read(size)` use `open()`.

        >>> StreamBuffer(b"some stream").read(5, 6)
        b'stream'
        >>> StreamBuffer(b"some stream").read(6)
        Traceback (most recent call last):
        TypeError: read() takes an offset and a size; for a file's read(size) use open()
        """
        if type(offset) is int and type(size) is int and 0 <= offset < LIMIT and 0 <= size <= HELD:
            # A fast path of `_read_at` for the most frequent arguments.
            if self._source.taken <= self._in_memory:
                out = bytes(size)
                count: int = read_bytes(self._handle, offset, size, out, 0)
                if count == size:
                    return out
            return self._read_at(offset, size)
        if offset is _NONE and size is _NONE:
            return self._read_at(0, -1)
        if offset is _NONE or size is _NONE:
            raise TypeError("read() takes an offset and a size; for a file's read(size) use open()")
        offset = natural("offset", offset)
        return self._read_at(offset, -1 if size is None else operator.index(size))

    def readinto(self, offset: int, buffer: Buffer) -> int:
        """Reads at `offset` into any writable memory, without a copy; returns the number of bytes.

        Memory of any shape is filled in its order in memory. Memory that is not contiguous raises a
        `ValueError` or a `BufferError`.

        >>> out = bytearray(6)
        >>> StreamBuffer(b"some stream").readinto(5, out), out
        (6, bytearray(b'stream'))
        """
        if type(buffer) is bytearray and 0 <= offset < LIMIT:
            # `_into` without its call, for the most frequent arguments.
            size = len(buffer)
            if size <= HELD and self._source.taken <= self._in_memory:
                try:
                    count: int = read_anchored(self._handle, offset, size, anchored(buffer), 0)
                    if count == size:
                        return count
                except ctypes.ArgumentError:
                    # The number has another type.
                    pass
        offset = natural("offset", offset)
        if type(buffer) is memoryview and offset < LIMIT:
            count = self._into(offset, buffer)
            if count >= 0:
                return count
        with pinned(buffer) as memory:
            return self._fill(offset, memory.address, memory.size)

    def read_some(self, offset: int, size: int, timeout: Optional[float] = None) -> bytes:
        """Blocks only until the first byte at `offset` arrives; returns the available bytes.

        With a `timeout`, in seconds, a thread of the library calls the stream, so that the timeout
        holds. 0 returns buffered bytes only. If no byte arrives in time it raises `TimedOutError`.
        At or past the end it returns none.

        >>> StreamBuffer([b"by", b"tes"]).read_some(0, 100)
        b'by'
        """
        offset, size = natural("offset", offset), natural("size", size)
        timeout = limit_of(timeout)
        if size > PIECE:
            size = min(size, max(PIECE, self._buffered(offset)))
        out: bytes = fresh(None, size)
        count = self._now(offset, size, out)
        if count < 0:
            take = functools.partial(lib.sb_read_some, self._handle, offset, size, out)
            if timeout is not None:
                count = self._wait_within(take, timeout)
            elif self._may_wait():
                reader = self._new_reader()
                try:
                    count = reader.read(offset, address_of(out), size)
                finally:
                    reader.free()
            else:
                count = self._wait(functools.partial(take, -1))
        return out if count == size else out[:count]

    @overload
    def __getitem__(self, key: Union[slice, tuple[int, int]]) -> bytes: ...
    @overload
    def __getitem__(self, key: int) -> int: ...
    def __getitem__(self, key: Union[slice, tuple[int, int], int]) -> Union[bytes, int]:
        """`buf[a:b]` is a slice as of bytes, `buf[a, b]` the same, `buf[i]` one byte as a number.

        Offsets counted from the end need the end, and block until it is known. A slice is shorter
        only where the resource ends: a failure before that raises, and the exception's `partial` has
        the bytes before it.

        >>> buf = StreamBuffer(b"some stream")
        >>> buf[5:], buf[:4], buf[-3:], buf[5, 11], buf[0]
        (b'stream', b'some', b'eam', b'stream', 115)
        """
        if isinstance(key, tuple):
            if len(key) != 2:
                raise TypeError("buf[a, b] takes two places")
            key = slice(*key)
        if isinstance(key, slice):
            return self._slice(key)
        place = operator.index(key)
        if place < 0:
            place += self._find_end()
        byte = self._read_at(place, 1) if 0 <= place < LIMIT else b""
        if not byte:
            raise IndexError("place out of range")
        return byte[0]

    def find_size(self, timeout: Optional[float] = None) -> int:
        """Returns the true size: reads the stream to its end, or seeks it there, if necessary.

        A `timeout` is that of `read_some`: with 0 the stream is not called.

        >>> StreamBuffer([b"by", b"tes"], size=100, on_short="end").find_size()
        5
        """
        timeout = limit_of(timeout)
        if timeout is None:
            return self._find_end()
        return self._wait_within(functools.partial(lib.sb_find_size, self._handle), timeout)

    def _slice(self, key: slice) -> bytes:
        start = 0 if key.start is None else operator.index(key.start)
        stop = None if key.stop is None else operator.index(key.stop)
        step = 1 if key.step is None else operator.index(key.step)
        if start < 0 or (stop is not None and stop < 0) or step < 1:
            places = range(*key.indices(self._find_end()))
            if not places:
                return b""
            low, high = min(places[0], places[-1]), max(places[0], places[-1])
            return self._read_whole(low, high + 1 - low)[::step]
        if stop is not None and stop <= start:
            return b""
        # Past every end.
        start = min(start, LIMIT)
        return self._read_whole(start, -1 if stop is None else stop - start)[::step]

    def _read_whole(self, offset: int, size: int) -> bytes:
        """Like `_read_at`, except that a failure raises although bytes come before it.

        Nobody who takes a slice reads on, and would see it.
        """
        out = self._read_at(offset, size)
        while len(out) < size:
            try:
                rest = self._read_at(offset + len(out), size - len(out))
            except BaseException as error:
                keep_partial(error, out)
                raise
            if not rest:
                break
            out += rest
        return out

    def __iter__(self) -> Iterator[bytes]:
        """Yields the resource from its start, in chunks as they arrive: a stream again.

        With a `window` it starts at the oldest byte that is kept.

        >>> b"".join(StreamBuffer([b"by", b"tes"]))
        b'bytes'
        """
        offset = self._first()
        while chunk := self.read_some(offset, _CHUNK):
            yield chunk
            offset += len(chunk)

    # Python's defaults would compare whole chunks, or read one byte at a time.
    __contains__ = None
    __reversed__ = None

    def __bytes__(self) -> bytes:
        """The whole resource.

        >>> bytes(StreamBuffer([b"by", b"tes"]))
        b'bytes'
        """
        return self._read_at(0, -1)
