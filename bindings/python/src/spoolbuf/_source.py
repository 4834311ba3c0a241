"""The user's stream as the callbacks of a source.

The `opaque` that C passes is not a pointer: it is a number, see `_registry`.

At each call C passes the offset from which it wants bytes. It is compared with the position of the
stream and with the last chunk. If an exception is raised after bytes were taken from the stream
and before C got them, they are delivered again.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import errno
import threading
import types
from collections.abc import Callable, Generator
from typing import Any, Optional, Union

from . import _known, _messages, _position, _registry, _streams
from ._arguments import function
from ._codes import SourceCode, SourceFlag, Status
from ._entry import Entry, Request, report
from ._errors import CanceledError, SourceError, SpoolbufError, joined
from ._native import Callback, PullCallback, SizeCallback
from ._once import Once, tell
from ._position import Elsewhere, Position
from ._size import Sizer
from ._streams import BytesLike, Question, Readable, ReadableInto, Stream

__all__ = ["BytesLike", "Readable", "ReadableInto", "Source", "Stream"]


class Source:
    """A stream and its state. The library calls it on one thread at a time."""

    # The result of a failed callback; sb_stats has it as `source_error`.
    _code = -errno.EIO
    # Its number, once it is registered.
    key = 0
    # The one before, if C may still call it after an interrupted `reopen`.
    former: Optional[Source] = None

    def __init__(
        self,
        stream: Stream,
        size: Union[None, int, Callable[[], Optional[int]]],
        cancel: Optional[Callable[[], object]],
        close_stream: bool,
        interruptible: bool = False,
    ) -> None:
        """Reads nothing from the stream."""
        function("cancel", cancel)
        self._chunks: Optional[_streams.Chunks] = _streams.chunks_of(stream)
        if interruptible:
            _check_interruptible(self._chunks, cancel)
        self._is_interruptible = interruptible
        self._cancel = cancel
        self._close_stream = close_stream
        self._closing = Once()
        self._question = Question()
        # From here on, `__del__` releases it.
        self._stream: Any = stream
        # The last chunk, and the offset of its first byte.
        self._chunk: Optional[memoryview] = None
        self._start = 0
        # The offset that the stream is asked for, and the end of C's last call.
        self._asked: int = 0
        self._due = 0
        self._seeking = False
        # The exception that interrupted the stream in an unknown state.
        self._interrupted: Optional[BaseException] = None
        # How many bytes it delivered in total, at any offset.
        self.taken = 0
        # How many times `cancel` was called.
        self._stops = 0
        # The last failure, until the stream delivers again. Until then an end is not believed.
        self._doubt: Optional[BaseException] = None
        # The exception for the reader, with its original traceback.
        self._error: Optional[tuple[BaseException, Optional[types.TracebackType]]] = None
        # The threads that read, each as often as it does, and the exception that it has to raise.
        # A list, whose methods are C code: no exception comes in the middle of one.
        self._readers: list[int] = []
        self._kept: dict[int, BaseException] = {}
        # The exceptions of a thread that does not read.
        self._unclaimed: collections.deque[BaseException] = collections.deque()
        self._position = Position(stream)
        self.expected = _known.expected_of(stream)
        self.size = self._known_size() if size is None else None if callable(size) else size
        self._entry = Entry(PullCallback, 5, self, SourceCode.CANCELED)
        # The user's function that states the size once it is known, and the way to it.
        self._sizer = Sizer(self, size) if callable(size) else None
        self._size_entry = Entry(SizeCallback, 1, self._sizer, -1) if self._sizer else None

    def succeed(self, other: Source) -> None:
        """Takes the place of another source, whose readers become its own."""
        self._readers, self._kept = other._readers, other._kept
        self._unclaimed = other._unclaimed
        self.taken = other.taken

    def register(self) -> Callback:
        """Creates the callbacks. The caller keeps the source alive as long as it is needed."""
        entries = (self._entry, self._size_entry) if self._size_entry else (self._entry,)
        self.key = _registry.add(self, *entries)
        callback = Callback(
            opaque=self.key, close=_registry.closes.function, pull=self._entry.function
        )
        if self._size_entry:
            callback.size = self._size_entry.function
        if self.is_movable():
            callback.flags |= SourceFlag.SEEKS
        if self._is_interruptible:
            callback.flags |= SourceFlag.INTERRUPTIBLE
        if self._cancel:
            callback.cancel = _registry.cancels.function
        return callback

    # For readers.

    def error(self) -> Optional[BaseException]:
        """The exception that the stream failed with, ready to be raised again.

        None if the stream did not fail by itself, but was interrupted on another thread.
        """
        if self._error is None:
            return None
        exception, traceback = self._error
        return exception.with_traceback(traceback)

    @contextlib.contextmanager
    def reading(self) -> Generator[None, None, None]:
        """Entered while this thread is in a C call that may call the stream."""
        thread = threading.get_ident()
        closing = _registry.closes.expect()
        # C leaves a stalled stream by it.
        canceling = _registry.cancels.expect() if self._is_interruptible else None
        try:
            self._readers.append(thread)
            yield
        finally:
            if thread in self._readers:
                self._readers.remove(thread)
            came = self._entry.take()
            if self._size_entry:
                came = joined(came, self._size_entry.take())
            if canceling is not None and not canceling.is_free():
                came = joined(came, canceling.take())
            if not closing.is_free():
                came = joined(came, _registry.settle(closing, self._presumed()))
            # Last: see `finish`.
            self._keep(thread, joined(came, self._take_unclaimed()))

    @contextlib.contextmanager
    def noticing(self, alone: bool = True) -> Generator[None, None, None]:
        """Entered while this thread is in any other C call that may call `cancel` or `close`.

        Raises the exception that was raised where they entered Python, after doing their work.
        Unless it is `alone`, C may close another source as well.
        """
        stops = self._stops
        canceling, closing = _registry.cancels.expect(), _registry.closes.expect()
        try:
            yield
        finally:
            came = canceling.take()
            if came is not None and self._stops == stops:
                self.stop()
            came = joined(came, _registry.settle(closing, self._presumed() if alone else None))
            if came is not None:
                try:
                    raise came
                finally:
                    # Breaks the cycle between the exception and this frame.
                    del came

    def _presumed(self) -> Optional[int]:
        """The number of the source that C closes, if it can't be another one."""
        return self.key

    def keep(self, error: BaseException) -> None:
        """Makes this thread raise `error` once its current C call has returned."""
        thread = threading.get_ident()
        if thread in self._readers:
            self._keep(thread, error)
        else:
            # The library's own thread: the next reader raises it.
            self._unclaimed.append(error)

    def _keep(self, thread: int, error: Optional[BaseException]) -> None:
        if error is not None:
            self._kept[thread] = joined(self._kept.get(thread), error) or error

    def _take_unclaimed(self) -> Optional[BaseException]:
        """What was raised on the library's own thread, if no reader has taken it yet."""
        came = None
        # Several readers may take from it at once.
        with contextlib.suppress(IndexError):
            while self._unclaimed:
                came = joined(came, self._unclaimed.popleft())
        return came

    def defer(self, error: BaseException) -> bool:
        """To be called if a read can return the bytes before an error.

        Returns whether a later read raises it, as it does with a failure that C knows of.
        """
        if error is self.error() or isinstance(error, SpoolbufError):
            return True
        self._unclaimed.append(error)
        if self._chunks is not None:
            return True
        # Nobody asks a stream that was released. Perhaps `finish` has reported the error.
        with contextlib.suppress(ValueError):
            self._unclaimed.remove(error)
            return False
        return True

    def take_kept(self) -> Optional[BaseException]:
        """The exception that this thread has to raise, if any."""
        return self._kept.pop(threading.get_ident(), None) if self._kept else None

    def resuming(self) -> contextlib.AbstractContextManager[None]:
        """Entered by the user's `resume` or `retry`: an interrupted stream can be asked again."""
        self._interrupted = None
        return contextlib.nullcontext()

    def is_movable(self) -> bool:
        """Whether the stream may be sought."""
        return self._position.is_movable()

    def find_end(self, seconds: float) -> Optional[int]:
        """The offset of the stream's end, if it can tell without reading.

        Raises Busy if another call stays inside the stream for that long.
        """
        return self._position.find_end(seconds)

    # Called by C.

    def serve(self, request: Request) -> int:
        """`pull`."""
        try:
            return self._pull(*request[1:])
        finally:
            late, self._question.late = self._question.late, None
            if late is not None:
                self.keep(late)

    def _pull(self, offset: int, out: int, capacity: int, count: int) -> int:
        # This thread has an exception to raise, and is on its way out. Or the next reader has one,
        # and would never call C for bytes if the prefetch went on.
        if threading.get_ident() in self._kept or self._unclaimed or _messages.has_raised():
            return SourceCode.CANCELED
        chunks = self._chunks
        if chunks is None:
            return self._code
        try:
            with self._position.guard():
                part = self._part(offset, capacity, chunks)
        except Elsewhere:
            if offset != self._due:
                return SourceCode.UNSUPPORTED
            return self._failed(SourceError(errno.EIO, "the stream does not go back to its place"))
        except _OnTheWay:
            return SourceCode.CANCELED
        except BaseException as error:  # noqa: BLE001
            return self._raised(error, chunks)
        size = len(part)
        if size:
            memoryview(_WINDOW.from_address(out)).cast("B")[:size] = part
            self._doubt = None
        self._error = None
        self._due = offset + size
        self.taken += size
        # Set last: if C does not get the count, it asks for these bytes again.
        ctypes.c_size_t.from_address(count).value = size
        return Status.OK

    def _part(self, offset: int, capacity: int, chunks: _streams.Chunks) -> memoryview:
        """Returns bytes from `offset` on; none at the end."""
        if self._chunk is None or not self._start <= offset < self._start + len(self._chunk):
            self._fetch(offset, capacity, chunks)
        if self._chunk is None:
            return memoryview(b"")
        begin = offset - self._start
        return self._chunk[begin : begin + capacity]

    def _fetch(self, offset: int, capacity: int, chunks: _streams.Chunks) -> None:
        """Asks the stream for the chunk that begins at `offset`."""
        if self._interrupted is not None and not self._position.is_movable():
            raise _interruption(self._interrupted)
        # A pending result is for the offset that was asked for, and may exist already.
        if not (self._question.answered and offset == self._asked):
            self._question.settle()
            self._seeking = True
            if self._position.go(offset, self._interrupted is not None):
                self._doubt = self._interrupted = None
            self._seeking = False
            self._asked = offset
        # The stream may reuse the memory of its last chunk.
        self._chunk = None
        while self._chunk is None:
            chunk = chunks.fetch(capacity, self._question)
            if chunk is None:
                self._question.settle()
                self._check_end()
                break
            if len(chunk):
                self._position.offset = offset + len(chunk)
                self._start, self._chunk = offset, chunk
            self._question.settle()
            if not len(chunk) and threading.get_ident() in self._kept:
                raise _OnTheWay
        if chunks.fault is not None:
            raise chunks.fault

    def stop(self) -> None:
        """Calls the stream's own `cancel`, which makes it return."""
        # An end after this is taken as its result, until the stream delivers again.
        if not self._is_interruptible:
            self._doubt = self._doubt or CanceledError(errno.ECANCELED, "the stream was canceled")
        if self._cancel:
            tell(self._cancel)
        # Last: after an exception it is called again.
        self._stops += 1

    def finish(self) -> None:
        """Releases the stream. After an exception, another call does the rest."""
        stream = self._stream
        if self._close_stream:
            close = getattr(stream, "close", None)
            if callable(close):
                self._closing.make(close)
        # Before a look at what is unclaimed: see `defer`.
        self._chunks = None
        # Missing if the stream raised an exception in `__init__`.
        if hasattr(self, "_position"):
            self._position.release()
            # The stream is at its end, or the buffer is closed: perhaps no other reader comes.
            if not self._readers and (unclaimed := self._take_unclaimed()) is not None:
                report(unclaimed)
        self._stream = self._cancel = self._chunk = None
        self._question.settle()

    def __del__(self) -> None:
        # If the garbage collector came first, C finds nothing to close.
        if getattr(self, "_stream", None) is not None:
            self.finish()

    def _check_end(self) -> None:
        """Raises unless the end that the stream reports is plausible.

        A generator that raised is exhausted, and a broken HTTP connection reports "no more bytes".
        Both look like the end when asked again, but the bytes after the failure never arrived.
        """
        believed = self._position.offset == self.size
        if self._doubt is not None and not believed:
            if isinstance(self._doubt, Exception):
                raise self._doubt
            raise _interruption(self._doubt)
        _known.check_whole(self._stream, believed)

    def _raised(self, error: BaseException, chunks: _streams.Chunks) -> int:
        """Handles an exception that the stream raised, or that was raised while it was asked."""
        inside, self._question.asking = self._question.asking, False
        seeking, self._seeking = self._seeking, False
        if isinstance(error, KeyboardInterrupt) and self._is_read_here():
            # Meant for this thread, not for others that wait for the stream.
            self._error = None
            self.keep(error)
            if inside and not chunks.bears:
                self._doubt = self._interrupted = error
                return self._code
            return SourceCode.CANCELED
        self._failed(error)
        if inside and chunks.gives_up and _streams.gave_up(error):
            return SourceCode.CANCELED
        if not seeking:
            self._doubt = error
        return self._code

    def _is_read_here(self) -> bool:
        return threading.get_ident() in self._readers

    def _failed(self, error: BaseException) -> int:
        # The frames of this package are of no use to the user.
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename in _OUR_FILES:
            traceback = traceback.tb_next
        self._error = (error, traceback or error.__traceback__)
        return self._code

    def _known_size(self) -> Optional[int]:
        """A size that was not declared, but can be found out."""
        if self.expected is not None:
            return self.expected
        return self._position.size()


# A window onto C's memory, larger than any request of the library. The bytes past `capacity` are
# not touched.
_WINDOW = ctypes.c_char * (1 << 18)


def _check_interruptible(chunks: _streams.Chunks, cancel: Optional[Callable[[], object]]) -> None:
    if cancel is None:
        raise ValueError("an interruptible stream needs a `cancel`")
    if not chunks.gives_up:
        # A generator that raises is exhausted.
        raise ValueError("an interruptible stream has `readinto` or `read`, unlike an iterator")


class _OnTheWay(Exception):
    """An interrupt arrived, and the stream is not asked again."""


_OUR_FILES = frozenset({__file__, _position.__file__, _streams.__file__})


def _interruption(error: BaseException) -> SourceError:
    raised = SourceError(errno.EIO, "the stream was interrupted; resume() asks it again")
    raised.__cause__ = error
    return raised
