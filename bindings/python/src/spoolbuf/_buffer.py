"""The buffer: a stream that becomes sliceable."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Optional, Union

from . import _aio, _interpreter, _registry
from ._arguments import natural
from ._base import MAX_SIZE, BaseBuffer, Directory, Short, check_short
from ._codes import SIZE_UNKNOWN, OnShort, OptionFlag, Status
from ._content import Content
from ._library import lib
from ._native import Options
from ._source import Source, Stream


class StreamBuffer(BaseBuffer):
    """Makes the bytes of a stream readable anywhere, any number of times, from any thread.

    `stream` is any iterable of bytes-like chunks (a generator, a list, `response.iter_content()`),
    one bytes object, or anything with `readinto` or `read` (a file, `urlopen(…)`). It is read only
    as far as bytes are requested. A stream that has `seek` and is `seekable()` is sought where that
    saves reading. Its current position is offset 0 of the resource.

    >>> buf = StreamBuffer(iter([b"some ", b"stream ", b"of bytes"]))
    >>> buf[5:11]
    b'stream'
    >>> buf.read(0, 4)
    b'some'

    Args:
        stream: the source of the bytes.
        size: the declared size of the resource. It is a hint: a longer resource is still read to
            its end, and a shorter one is an error, see `on_short`. A function is called after each
            chunk until it returns the size instead of None, for a stream that learns it late.
        max_size: most bytes to keep in memory; older ones are spilled to an unnamed temporary file.
            None keeps everything in memory.
        prefetch: bytes to keep buffered past the furthest read, as by `prefetch()`.
        prefetch_low: a prefetch rests until fewer than this many bytes are ahead. Default: 0, half
            of what it keeps.
        cancel: called, on any thread, to make a blocked call of the stream return soon: shut the
            socket down there. Must not block.
        interruptible: whether `cancel` ends only the call that is running and does no harm: that call
            raises `CanceledError`, has consumed no byte, and the next call continues as if there had
            been no `cancel`. One that closes a connection is not of this kind. A file that is canceled
            then does not wait for the stream, and a stream that can seek and has stalled is left for a
            read elsewhere: the library calls `cancel` by itself. The stream must have `readinto` or `read`.
        close_stream: whether to call the stream's `close()` once no more of its bytes are needed.
        spool_dir: the directory of the temporary file. It is first looked at when bytes are spilled: a
            read that has to spill fails if it is not there, and succeeds once it is.
        memory_on_full: whether to go on in memory past `max_size` when the disk is full.
        window: bytes to keep behind the newest, for streams without an end. Older ones are dropped, and
            reading them raises `LappedError`; files and iterators start at the oldest byte that is kept.
            The stream is only read forward. None: keep all.
        on_short: the meaning of an end before the declared size. "error" raises `ShortError` at
            that offset, until `resume()` asks the stream again; "end" believes the stream. The
            default is "error" if `size` is given or an HTTP response has a length, else "end".
        trust_size: whether the declared size is a fact, see `known_size`. Set it only for a size that
            cannot be wrong, and not for that of a file that still grows.
        seek_gap: a gap of at most this many bytes is read instead of sought over.
        read_granularity: the stream is asked for the bytes needed, rounded up to a multiple of this, which
            is at most 16384. If several places are read in turn and the stream can seek, it is asked for
            up to 256 KiB, so that it need not seek for every few bytes. If it is `interruptible` and
            delivers less, it is asked again for the rest, for about as long as its seek took, before a
            read without a timeout returns. 0 turns both off.
    """

    def __init__(
        self,
        stream: Stream,
        size: Union[None, int, Callable[[], Optional[int]]] = None,
        max_size: Optional[int] = MAX_SIZE,
        *,
        prefetch: int = 0,
        prefetch_low: int = 0,
        cancel: Optional[Callable[[], object]] = None,
        interruptible: bool = False,
        close_stream: bool = False,
        spool_dir: Directory = None,
        memory_on_full: bool = False,
        window: Optional[int] = None,
        on_short: Short = None,
        trust_size: bool = False,
        seek_gap: Optional[int] = None,
        read_granularity: Optional[int] = None,
    ) -> None:
        """Takes the arguments described at the class."""
        options = self._options(
            max_size, prefetch, prefetch_low, spool_dir, memory_on_full, window
        )
        self._alone = not prefetch
        self._is_exact = read_granularity is not None and not read_granularity
        if seek_gap is not None:
            options.seek_gap = natural("seek_gap", seek_gap)
        if read_granularity is not None:
            options.read_granularity = natural("read_granularity", read_granularity, 16384)
        if prefetch:
            _interpreter.check_helper()
        if size is not None and not callable(size):
            size = natural("size", size)
        check_short(on_short)
        self._name = _name_of(stream)
        if isinstance(stream, Content):
            # A buffer's `read` is not that of a file.
            stream = iter(stream)
        source = Source(stream, size, cancel, close_stream, interruptible)
        self._source = source
        # Reentrant: the user's code that C calls inside may replace the stream, too.
        self._reopening = threading.RLock()
        if on_short == "error" or (
            on_short is None and (size is not None or source.expected is not None)
        ):
            options.on_short = OnShort.ERROR
        options.flags = OptionFlag.SIZE_TRUSTED if trust_size else 0
        known = source.size
        options.size = SIZE_UNKNOWN if known is None else known
        self._open(source, options)

    def reopen(
        self,
        stream: Stream,
        size: Union[None, int, Callable[[], Optional[int]]] = None,
        *,
        cancel: Optional[Callable[[], object]] = None,
        interruptible: bool = False,
        close_stream: bool = False,
    ) -> None:
        """Replaces the stream by another one of the same bytes, since its URL has expired, say.

        Buffered bytes stay. The new stream is sought to what is missing, or else read from its
        current position, which is offset 0 of the resource. Blocked calls continue with it at once.
        The old one is canceled, and released when it has returned; bytes that it still delivers are
        discarded. Clears a failure, but not a `cancel`. If every byte is buffered already, the new
        stream is released.

        Bytes that the new stream delivers again are compared with the buffered ones. If they differ,
        it is another resource: reads that need it raise `SourceError` until another `reopen`. This
        is a check, not a proof: compare validators (ETag, Last-Modified, the size) yourself.

        >>> def expires():
        ...     yield b"some "
        ...     raise ConnectionError("expired")
        >>> buf = StreamBuffer(expires())
        >>> buf.read(0, 5)
        b'some '
        >>> buf.read(5, 1)
        Traceback (most recent call last):
        ConnectionError: expired
        >>> buf.reopen([b"some bytes"])
        >>> buf[:]
        b'some bytes'

        Args:
            stream: as for the buffer itself.
            size: the declared size, if none is known.
            cancel: as for the buffer itself.
            interruptible: as for the buffer itself.
            close_stream: as for the buffer itself.

        Raises:
            SizeError: `size` is not the final size, or is less than what is buffered. Nothing has
                changed then, nor after any other exception of spoolbuf. Ctrl-C in a handler of the
                log, or in the `close` of the old stream, is raised after the stream was replaced.
        """
        self._check_open()
        if size is not None and not callable(size):
            size = natural("size", size)
        if isinstance(stream, Content):
            # A buffer's `read` is not that of a file.
            stream = iter(stream)
        source = Source(stream, size, cancel, close_stream, interruptible)
        with self._reopening:
            self._replace(source)

    def _replace(self, source: Source) -> None:
        old = self._stream()
        callback = source.register()
        source.succeed(old)
        known = SIZE_UNKNOWN if source.size is None else source.size
        code: Optional[int] = None
        has_begun = False
        # C may call it before the call returns.
        self._source = source
        try:
            with old.noticing(alone=False):
                has_begun = True
                code = lib.sb_reopen(self._handle, ctypes.byref(callback), known)
        finally:
            # An exception may hide the status. C has called `close` then if it has refused.
            was_refused = source.key not in _registry.sources if code is None else code < 0
            if not has_begun or was_refused:
                if self._source is source:
                    self._source = old
                _registry.forget(source.key)
            elif code is None:
                # Perhaps C was not called any more, and still calls the old one.
                source.former = old
        assert code is not None, "an exception has been raised otherwise"
        self._check(code)

    @property
    def _stride(self) -> int:
        if self._window is not None:
            # The first byte would be dropped before the last arrives.
            return min(_aio.AT_ONCE, self._window)
        # An exact stream would be asked for one byte at a time.
        return _aio.AT_ONCE if self._is_exact or not self._stream().is_movable() else 1

    def _stream(self) -> Source:
        assert isinstance(self._source, Source)
        return self._source

    def _open(self, source: Source, options: Options) -> None:
        callback = source.register()
        handle = ctypes.c_void_p()
        code = int(Status.OK)
        try:
            with source.noticing():
                code = lib.sb_new_with(
                    ctypes.byref(callback), ctypes.byref(options), ctypes.byref(handle)
                )
        finally:
            # Also if an exception was raised right after it was made.
            self._handle = handle.value
            if self._handle is None:
                # C has called `close`, or never had the source.
                _registry.forget(source.key)
        self._opened(code)


def _name_of(stream: object) -> str:
    name: object = stream._name if isinstance(stream, Content) else getattr(stream, "name", "")
    return name if isinstance(name, str) and name else "<StreamBuffer>"
