"""The bytes of a resource for every use: as files, for asyncio, saved."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Literal, Optional, Union, overload

from . import _aio, _interpreter, _save, _signals
from ._arguments import limit_of, natural, seconds_of, whole
from ._closing import Closing
from ._codes import SaveFlag
from ._file import RawStreamFile, StreamFile
from ._queries import Queries
from ._save import Progress, Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._file_options import FileOptions

# How far a file reads ahead: little, so that a seek wastes little.
_BUFFERING = 1 << 13


class Content(Queries, Closing):
    """A resource, whoever owns its buffer."""

    async def aread(self, offset: int = 0, size: Optional[int] = -1) -> bytes:
        """Reads like `read`, for asyncio: the event loop is not blocked, and no thread waits.

        The stream is called on a thread of the library, one for each buffer. The event loop's
        thread copies the bytes, at most 64 KiB at a time. A thread of the library also calls the
        function with which a cache opens the resource; the event loop looks for its result 100 times
        a second.

        Canceling the task, or a timeout of asyncio, cancels only this read. A read to the end
        raises if the stream fails first; the exception's `partial` has the bytes before that.

        >>> import asyncio
        >>> asyncio.run(StreamBuffer(b"some stream").aread(5, 6))
        b'stream'
        """
        offset = natural("offset", offset)
        size = -1 if size is None else operator.index(size)
        await self._aopen()
        return await _aio.aread(self, offset, size)

    async def _aopen(self) -> None:
        """Opens the resource, if that was not done yet."""

    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        mode: Literal[0],
        **how: Unpack[FileOptions],
    ) -> RawStreamFile: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        mode: str = ...,
        *,
        buffering: Literal[0],
        **how: Unpack[FileOptions],
    ) -> RawStreamFile: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        mode: str,
        buffering: Literal[0],
        **how: Unpack[FileOptions],
    ) -> RawStreamFile: ...
    @overload
    def open(
        self,
        mode: Union[int, str] = ...,
        buffering: int = ...,
        **how: Unpack[FileOptions],
    ) -> StreamFile: ...
    def open(
        self,
        mode: Union[int, str] = "rb",
        buffering: int = -1,
        *,
        timeout: Optional[float] = None,
        buffered_only: bool = False,
        reach: Optional[int] = None,
    ) -> Union[StreamFile, RawStreamFile]:
        """Opens the resource as a binary file object, with its own position and `cancel`.

        Any number of them can share one buffer; only one thread at a time may use each. `buffering`
        is as in the builtin `open`: a size in bytes, 0 for none. It may also be the only argument.

        With a `timeout`, in seconds, a call raises `TimedOutError` if no byte arrives in time, as
        `read_some` does. With `buffered_only` the stream is never called for this file, and the
        prefetch does not follow it: it reads what is buffered, or arrives for others before the
        timeout. Without a timeout it never blocks.

        A `reach` is for players and parsers, which look at the end first: over a stream that can't
        seek, a seek more than this many bytes past the buffered ones, or from an unknown end,
        raises `UnsupportedError` at once and does not move. `REACH_AUTO` is a good one. None is no
        limit: everything up to there is fetched.

        >>> with StreamBuffer([b"by", b"tes"]).open() as file:
        ...     file.seek(-3, 2), file.read()
        (2, b'tes')
        """
        if isinstance(mode, int):
            buffering = mode
        check_mode(mode)
        buffering = whole("buffering", buffering)
        limit = None if reach is None else natural("reach", reach)
        raw = RawStreamFile(self, limit_of(timeout), buffered_only, limit)
        return (
            raw if buffering == 0 else StreamFile(raw, buffering if buffering > 1 else _BUFFERING)
        )

    def save(
        self,
        target: Target,
        *,
        progress: Optional[Progress] = None,
        sync: bool = False,
        replace: bool = True,
        require_size: bool = False,
        buffered_only: bool = False,
        link: bool = False,
        timeout: Optional[float] = None,
        mode: int = 0,
    ) -> int:
        """Reads the stream to its end and saves the resource, atomically.

        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as there:
        ...     StreamBuffer([b"by", b"tes"]).save(os.path.join(there, "file"))
        5

        Args:
            target: a path, whose file is replaced atomically or left unchanged; or an open
                descriptor or binary file object, which is written to at its position. The library
                writes to a plain file or pipe itself. It calls the `write` of any other object
                (a GzipFile, a BytesIO, a socket's file).
            progress: called with the number of bytes saved and the total, None while that is
                unknown; or a progress bar with `update`, such as tqdm's. An exception that it
                raises stops the save.
            sync: whether the file is on the disk (fsync) before the call returns.
            replace: False leaves an existing file alone, and raises `ExistsError`.
            require_size: raises `SizeError` unless the size is the declared one.
            buffered_only: saves the bytes buffered now, without asking the stream.
            link: the file may share its blocks with the temporary file, or be that file. This takes
                almost no time. Only for a file that nobody edits in place while the buffer lives.
            timeout: the limit for the whole save, in seconds; after it, `TimedOutError` is raised,
                and the file is unchanged. The stream is then asked on a thread of the library.
            mode: the permission bits of the file at a path, 0o600, say; 0 is the default mode.
        """
        flags = SaveFlag(0)
        flags |= SaveFlag.SYNC if sync else flags
        flags |= SaveFlag.REQUIRE_SIZE if require_size else flags
        flags |= SaveFlag.BUFFERED if buffered_only else flags
        flags |= SaveFlag.LINK if link else flags
        flags |= flags if replace else SaveFlag.NO_REPLACE
        if link:
            self._in_memory = -1
        if not _signals.is_main():
            self._alone = False
        timeout = seconds_of(timeout)
        if timeout is not None:
            _interpreter.check_helper()
            self._alone = False
        how = _save.How(flags, progress, _save.deadline(timeout), natural("mode", mode, 0o777))
        return _save.save(self, target, how)


def check_mode(mode: object) -> None:
    """Raises an exception unless `mode` opens a binary file for reading."""
    if isinstance(mode, int):
        return
    if not isinstance(mode, str):
        raise TypeError(f"mode must be a str, not {type(mode).__name__}")
    if sorted(mode) != ["b", "r"]:
        hint = "io.TextIOWrapper(buf.open()) is a text file" if mode in ("r", "rt") else "read only"
        raise ValueError(f"the mode is 'rb', not {mode!r}: {hint}")
