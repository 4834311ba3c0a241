"""The buffer without a stream: its bytes arrive through events, and are pushed."""

from __future__ import annotations

import ctypes
import errno
import time
from typing import TYPE_CHECKING, Optional

from . import _aio
from ._arguments import natural, seconds_of
from ._base import MAX_SIZE, BaseBuffer, Directory, Short, check_short
from ._codes import SIZE_UNKNOWN, OnShort, OptionFlag, Status
from ._handle import LIMIT, left_until, slice_of
from ._library import held, lib
from ._memory import pinned
from ._native import Options, Range
from ._pusher import Pusher

if TYPE_CHECKING:
    from typing_extensions import Buffer

# The code of every failure in C. Readers get the exception instead.
_FAILED = -errno.EIO


class PushBuffer(BaseBuffer):
    """Makes bytes that arrive through events readable anywhere, any number of times, from any thread.

    For a write callback, a websocket, a message: whoever has the bytes pushes them. Everything else
    is as with a `StreamBuffer`. Readers block until the bytes they need were pushed. The prefetch
    is what `wanted()` asks for.

    A pusher that goes away without `end` or `fail` leaves readers blocked: there is no silent end.

    >>> buf = PushBuffer()
    >>> buf.push(5, b"stream"), buf.push(0, b"some ")
    (6, 5)
    >>> buf.end()
    >>> buf[:]
    b'some stream'

    Args:
        size: the declared size of the resource. It is a hint: `end` has the last word.
        max_size: most bytes to keep in memory; older ones are spilled to an unnamed temporary file,
            by a thread of the library. None keeps everything in memory.
        ahead: most bytes to accept past the furthest read, which slows the pusher down to the speed
            of the readers. Bytes that a read waits for are accepted anyway. None: no limit.
        prefetch: bytes to ask for past the furthest read, as by `prefetch()`.
        prefetch_low: a prefetch rests until fewer than this many bytes are ahead. Default: 0, half
            of what it keeps.
        spool_dir: the directory of the temporary file. It is first looked at when bytes are spilled: a
            read that has to spill fails if it is not there, and succeeds once it is.
        memory_on_full: whether to go on in memory past `max_size` when the disk is full.
        window: bytes to keep behind the newest, for streams without an end. Older ones are dropped, and
            reading them raises `LappedError`; files and iterators start at the oldest byte that is kept.
            Bytes are accepted only where the buffered ones end. None: keep all.
        on_short: the meaning of an end before the declared size. "error" raises `ShortError` at
            that offset, until `resume()`; "end" believes the pusher. The default is "error" if
            `size` is given, else "end".
        trust_size: whether the declared size is a fact, see `known_size`. Set it only for a size that
            cannot be wrong.
    """

    def __init__(
        self,
        size: Optional[int] = None,
        max_size: Optional[int] = MAX_SIZE,
        *,
        ahead: Optional[int] = None,
        prefetch: int = 0,
        prefetch_low: int = 0,
        spool_dir: Directory = None,
        memory_on_full: bool = False,
        window: Optional[int] = None,
        on_short: Short = None,
        trust_size: bool = False,
    ) -> None:
        """Takes the arguments described at the class."""
        options = self._options(
            max_size, prefetch, prefetch_low, spool_dir, memory_on_full, window
        )
        # Every read that blocks waits for somebody else, and a signal must wake it.
        self._alone = False
        self._is_exact = False
        self._name = "<PushBuffer>"
        options.size = SIZE_UNKNOWN if size is None else natural("size", size)
        check_short(on_short)
        if on_short == "error" or (on_short is None and size is not None):
            options.on_short = OnShort.ERROR
        options.flags = OptionFlag.SIZE_TRUSTED if trust_size else 0
        if ahead is not None:
            # 0 would be no limit.
            options.ahead = natural("ahead", ahead, least=1)
        self._pusher = Pusher()
        self._source = self._pusher
        self._open(options)

    def _open(self, options: Options) -> None:
        handle = ctypes.c_void_p()
        code = int(Status.OK)
        try:
            code = lib.sb_new_push(ctypes.byref(options), ctypes.byref(handle))
        finally:
            # Also if an exception was raised right after it was made.
            self._handle = handle.value
        self._opened(code)

    def push(self, offset: int, data: Buffer, timeout: Optional[float] = None) -> int:
        """Copies bytes of the resource into the buffer; returns how many of them were accepted.

        Every thread can read accepted bytes before this returns. Pieces may come in any order and
        may overlap: bytes that are buffered already count as accepted, and stay as they are.

        Blocks while there is no room: while memory is full, until a thread of the library has
        spilled, and while the bytes are too far `ahead` of the readers. With a `timeout`, in
        seconds, it then returns fewer bytes than it was given, or raises `TimedOutError` if none
        was accepted; 0 never blocks. Without one, it returns once all of them are accepted.

        Any other error raises at once, also after a part was accepted. Push the same bytes again
        after it. A failure that was reported by `fail` is raised here too, until `retry()`.

        `data` is any bytes-like object, whose elements are pushed in C order.

        >>> buf = PushBuffer(ahead=4)
        >>> buf.push(0, b"bytes", timeout=0)
        4
        >>> buf.push(4, b"s", timeout=0)
        Traceback (most recent call last):
        spoolbuf.TimedOutError: [Errno ...] timed out
        >>> buf.read(0, 1), buf.push(4, b"s", timeout=0)
        (b'b', 1)
        """
        offset = natural("offset", offset)
        timeout = seconds_of(timeout)
        until = None if timeout is None else time.monotonic() + timeout
        with memoryview(data) as view:
            plain = view if view.c_contiguous else view.tobytes()
            with pinned(plain, writable=False) as memory:
                return self._push(offset, memory.address, memory.size, until)

    async def apush(self, offset: int, data: Buffer) -> None:
        """Pushes like `push`, for asyncio: all of it, while the event loop and every thread go on.

        Where `push` blocks, this waits until there is space and a reader has come near enough. Bytes
        that are not `wanted()` yet, since others before them are missing, are offered every 10 ms.
        Canceling the task leaves a part of the bytes pushed; pushing them again is harmless.

        >>> import asyncio
        >>> async def main(buf):
        ...     pushing = asyncio.create_task(buf.apush(0, b"some stream"))
        ...     return await buf.aread(0, 4), await buf.aread(4, 7), await pushing
        >>> asyncio.run(main(PushBuffer(ahead=4)))
        (b'some', b' stream', None)
        """
        offset = natural("offset", offset)
        with memoryview(data) as view:
            plain = memoryview(view.tobytes()) if not view.c_contiguous else view
            await _aio.apush(self, self, offset, plain.cast("B") if plain.nbytes else b"")

    def _push(self, offset: int, address: int, size: int, until: Optional[float]) -> int:
        """Pushes until all bytes are accepted, or the time is up."""
        pusher, done = self._pusher, 0
        # Before the call: bytes may be on disk already while it is still at work.
        pusher.taken += size
        try:
            while True:
                left = LIMIT if until is None else left_until(until)
                limit = slice_of(left)
                place, rest = offset + done, size - done
                count: int = lib.sb_push(self._handle, place, rest, address + done, limit)
                if count == Status.TIMEOUT and limit < left:
                    # Signal handlers run here.
                    continue
                if count == Status.TIMEOUT and done:
                    return done
                done += self._check(count)
                if done == size:
                    return done
        finally:
            pusher.taken -= size - done

    def end(self, size: Optional[int] = None) -> None:
        """Ends the resource at `size`, by default after the highest byte that was pushed.

        Missing bytes below the end can still be pushed. An end below the highest byte, or a second
        one elsewhere, is a `SizeError`. One below the declared size: see `on_short`. After a
        failure it raises that failure, until `retry()`: the bytes may be a part.

        >>> buf = PushBuffer()
        >>> buf.push(2, b"tes"), buf.end(), buf.push(0, b"by")
        (3, None, 2)
        >>> len(buf), buf[:]
        (5, b'bytes')
        """
        size = SIZE_UNKNOWN if size is None else natural("size", size, LIMIT)
        self._check(lib.sb_push_end(self._handle, size, 0))

    def fail(self, exception: BaseException) -> None:
        """Reports that no more bytes come: every read past the buffered bytes raises `exception`.

        Readers and pushers get the exception itself, until `retry()` or `resume()`. From then on
        pushes are accepted again, at any offset. A later failure replaces the one before. Once every
        byte is buffered, it has no effect.

        >>> buf = PushBuffer()
        >>> buf.push(0, b"by"), buf.fail(ConnectionError("cut"))
        (2, None)
        >>> buf.read(0, 5)
        b'by'
        >>> buf.read(2, 3)
        Traceback (most recent call last):
        ConnectionError: cut
        >>> buf.retry(), buf.push(2, b"tes"), buf.read(0, 5)
        (None, 3, b'bytes')
        """
        self._check_open()
        self._pusher.fail(exception, self._tell_failure)

    def _tell_failure(self) -> None:
        code: int = lib.sb_push_end(self._handle, SIZE_UNKNOWN, _FAILED)
        self._check(code)

    def wanted(self) -> range:
        """Returns the offsets to push next, a hint: bytes elsewhere are accepted too.

        It is the gap for which a read has waited longest; else what the prefetch asks for; else
        what follows the bytes buffered from the start, as far as `ahead` allows. If nothing limits
        it, it stops at 2**63 - 1, the largest size. It is empty, and so false, if nothing is
        wanted: since every byte is buffered, enough are ahead, or the buffer is canceled or failed.

        >>> buf = PushBuffer(ahead=100)
        >>> buf.push(0, b"bytes"), buf.wanted()
        (5, range(5, 100))
        >>> buf.end()
        >>> bool(buf.wanted())
        False
        """
        out = Range()
        self._check(held.sb_wanted(self._handle, ctypes.byref(out)))
        return range(out.start, min(out.end, LIMIT))

    def _go_on(self) -> bool:
        """Whether a failure was cleared meanwhile. C is not told: there may be another one now."""
        return self._pusher.error() is None
