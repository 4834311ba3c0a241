"""The cache: many resources under one budget of memory and disk space, each known by a key."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Literal, Optional, Union, overload

from . import _cache_stats, _interpreter
from ._arguments import directory, limit_of, natural, seconds_of, whole
from ._base import Directory
from ._cache_stats import CacheStats
from ._cached import CachedBuffer
from ._closing import Closing
from ._codes import OnShort
from ._content import check_mode
from ._file import RawStreamFile, StreamFile
from ._lender import Lender
from ._library import lib
from ._native import CacheOptions
from ._native import CacheStats as NativeStats
from ._opener import Key, Open, Opener, packed
from ._origins import noticing

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._file_options import FileOptions

_UNLIMITED = 2**64 - 1


class Cache(Closing):
    """Keeps the bytes of many streams under one budget of memory and disk space.

    `open(key, old_tag)` opens the stream of a key that the cache does not have. It returns anything
    that a `StreamBuffer` takes, or a `Resource`, which can also tell the size and a tag of the
    bytes. A function with one parameter gets only the key. Any number of threads that open one key
    call it once, and an exception that it raises is raised by all of them, as itself. It is not
    remembered. It runs on the thread that opens, or on a thread of the library if that has a
    timeout, and for several keys at a time.

    Keys are str or bytes, from 1 to 4,095 bytes in UTF-8. As in a dict, `"a"` is not `b"a"`.

    The files that `open` returns are leases: their bytes stay. An entry without a lease keeps its
    bytes until the room is needed, but not its stream. That is closed, and if bytes are missing,
    the next open calls `open` again. If that returns the same tag, the bytes so far are kept.

    >>> from spoolbuf import Cache
    >>> with Cache(lambda key: [b"the bytes ", b"of " + key.encode()]) as cache:
    ...     with cache.open("film") as file:
    ...         file.read()
    ...     cache["film"][4:9]
    b'the bytes of film'
    b'bytes'

    Args:
        open: opens the stream of a key.
        max_memory: most bytes of memory that all entries use together, with their bookkeeping. The
            oldest bytes of any entry are spilled to an unnamed temporary file.
        max_disk: most bytes of disk space that all entries use together. The entry whose last lease
            ended longest ago is evicted. If all have leases, it is like a full disk.
        min_free: bytes to leave free in the file system of the temporary files.
        max_entry: an entry of more bytes is evicted before all others. 0: an eighth of the budget.
        fresh: for how many seconds an entry is used without asking `open` whether it is still the
            same. That is called with the tag of the bytes then, and returns
            `Resource(None, tag=old_tag)` if they are. 0 asks it each time. None: no limit.
        idle: how many seconds after its last lease an entry may be kept. 0 keeps none. None: no limit.
        threads: most threads of the library that all entries share, for prefetches and timeouts.
        on_short: the meaning of an end before the declared size, as for a `StreamBuffer`.
        prefetch: bytes to keep buffered ahead of the furthest read in each entry that is in use.
        prefetch_low: a prefetch rests until fewer than this many bytes are ahead. 0: half of it.
        spool_dir: the directory of the temporary files. It is first looked at when bytes are spilled: a
            read that has to spill fails if it is not there, and succeeds once it is.
    """

    def __init__(
        self,
        open: Open,
        *,
        max_memory: int = 64 << 20,
        max_disk: int = 512 << 20,
        min_free: int = 0,
        max_entry: int = 0,
        fresh: Optional[float] = None,
        idle: Optional[float] = None,
        threads: int = 4,
        on_short: Literal["error", "end"] = "error",
        prefetch: int = 0,
        prefetch_low: int = 0,
        spool_dir: Directory = None,
    ) -> None:
        """Takes the arguments described at the class."""
        _interpreter.check_patches()
        if on_short not in ("error", "end"):
            raise ValueError('on_short must be "error" or "end"')
        if prefetch:
            _interpreter.check_helper()
        options = CacheOptions()
        lib.sb_cache_options_init(ctypes.byref(options), ctypes.sizeof(options))
        options.max_memory = natural("max_memory", max_memory)
        options.max_disk = natural("max_disk", max_disk)
        options.min_free = natural("min_free", min_free)
        options.max_entry = natural("max_entry", max_entry)
        options.fresh_ms = _milliseconds("fresh", fresh)
        options.idle_ms = _milliseconds("idle", idle)
        options.threads = natural("threads", threads, 2**32 - 1, least=1)
        options.on_short = OnShort.ERROR if on_short == "error" else OnShort.END
        options.prefetch = natural("prefetch", prefetch)
        options.prefetch_low = natural("prefetch_low", prefetch_low)
        if spool_dir is not None:
            options.spool_dir = directory(spool_dir)
        self._lender = Lender(Opener(open), options)

    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        key: Key,
        mode: Literal[0],
        **how: Unpack[FileOptions],
    ) -> RawStreamFile: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        key: Key,
        mode: str = ...,
        *,
        buffering: Literal[0],
        **how: Unpack[FileOptions],
    ) -> RawStreamFile: ...
    @overload
    def open(  # type: ignore[overload-overlap]
        self,
        key: Key,
        mode: str,
        buffering: Literal[0],
        **how: Unpack[FileOptions],
    ) -> RawStreamFile: ...
    @overload
    def open(
        self,
        key: Key,
        mode: Union[int, str] = ...,
        buffering: int = ...,
        **how: Unpack[FileOptions],
    ) -> StreamFile: ...
    def open(
        self,
        key: Key,
        mode: Union[int, str] = "rb",
        buffering: int = -1,
        *,
        timeout: Optional[float] = None,
        buffered_only: bool = False,
        reach: Optional[int] = None,
    ) -> Union[StreamFile, RawStreamFile]:
        """Opens the resource of a key as a binary file object, which is a lease until it is closed.

        The file and the arguments are those of `StreamBuffer.open`. The `timeout` limits the open,
        too: a thread of the library calls the function then, which may go on for others after
        `TimedOutError`. An event loop can poll with 0: what the function returns or raises when
        nobody waits is for the next open of the key, for 5 seconds.

        With `buffered_only` the function is not called: the entry is used as it is. If there is
        none, and no other thread is about to open it, `TimedOutError` is raised.

        >>> with Cache(lambda key: [b"by", b"tes"]) as cache:
        ...     with cache.open("key") as file:
        ...         file.seek(-3, 2), file.read()
        (2, b'tes')
        """
        check_mode(mode)
        buffering = whole("buffering", buffering)
        limit = None if reach is None else natural("reach", reach)
        seconds = limit_of(timeout)
        buffer = CachedBuffer(self._lender, packed(key))._lend(seconds, buffered_only, limit)
        return buffer.open(
            mode, buffering, timeout=seconds, buffered_only=buffered_only, reach=limit
        )

    def __getitem__(self, key: Key) -> CachedBuffer:
        """The resource of a key as a buffer. It is opened when it is first used.

        >>> with Cache(lambda key: b"some stream") as cache:
        ...     cache["key"][5:], cache["key"].read(0, 4)
        (b'stream', b'some')
        """
        self._lender.check_open()
        return CachedBuffer(self._lender, packed(key))

    # `in` and iteration would call `__getitem__` with numbers.
    __contains__ = None
    __iter__ = None

    def remove(self, key: Key) -> None:
        """Removes the entry of a key, if there is one. Leases keep theirs until they end.

        >>> with Cache(lambda key: b"bytes") as cache:
        ...     cache["key"][:], cache.remove("key"), cache.stat().entries
        (b'bytes', None, 0)
        """
        name = packed(key)
        with noticing():
            code: int = lib.sb_cache_remove(self._lender.handle, name, len(name))
        self._lender.check(code)

    def clear(self) -> None:
        """Removes every entry that is not in use.

        >>> with Cache(lambda key: b"bytes") as cache:
        ...     cache["key"][:], cache.clear(), cache.stat().entries
        (b'bytes', None, 0)
        """
        with noticing():
            code: int = lib.sb_cache_remove(self._lender.handle, None, 0)
        self._lender.check(code)

    def trim(self, max_memory: Optional[int] = None, max_disk: Optional[int] = None) -> None:
        """Spills and evicts now, once, until no more than this is used. None leaves it alone.

        Entries in use are not evicted. Drops expired entries, too.

        >>> with Cache(lambda key: b"bytes") as cache:
        ...     cache["key"][:], cache.trim(max_disk=0, max_memory=0), cache.stat().disk
        (b'bytes', None, 0)
        """
        memory = _UNLIMITED if max_memory is None else natural("max_memory", max_memory)
        disk = _UNLIMITED if max_disk is None else natural("max_disk", max_disk)
        with noticing():
            code: int = lib.sb_cache_trim(self._lender.handle, memory, disk)
        self._lender.check(code)

    def stat(self) -> CacheStats:
        """Takes a snapshot. Drops expired entries first.

        >>> with Cache(lambda key: b"bytes") as cache:
        ...     cache.stat().entries
        0
        """
        stats = NativeStats()
        with noticing():
            code: int = lib.sb_cache_stat(
                self._lender.handle, ctypes.byref(stats), ctypes.sizeof(stats)
            )
        self._lender.check(code)
        return _cache_stats.from_native(stats)

    # The end.

    @property
    def closed(self) -> bool:
        """Whether the cache was closed.

        >>> Cache(lambda key: b"bytes").closed
        False
        """
        return self._lender.handle is None

    def close(self) -> None:
        """Releases everything at once, also what is in use; blocked calls raise `CanceledError`.

        Waits until the function that opens has returned on all other threads. Garbage collection of
        the cache and all of its files, and leaving its `with` block do the same.

        >>> cache = Cache(lambda key: b"bytes")
        >>> cache.close()
        >>> cache.closed
        True
        """
        self._lender.close()

    def __repr__(self) -> str:
        """Shows what is used.

        >>> Cache(lambda key: b"bytes")
        Cache<0 entries, memory 0, disk 0>
        """
        if self.closed:
            return "Cache<closed>"
        stats = self.stat()
        return f"Cache<{stats.entries} entries, memory {stats.memory}, disk {stats.disk}>"


def _milliseconds(name: str, seconds: Optional[float]) -> int:
    """A time as C has it; negative for no limit."""
    limit = seconds_of(seconds, name)
    return -1 if limit is None else math.ceil(limit * 1000)
