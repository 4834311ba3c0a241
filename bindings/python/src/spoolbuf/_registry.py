"""The sources that the library may call, each under a number until `close`.

A thread of the library may call `close` after `sb_free` has returned. Until then C uses the number
and the functions, so they are kept alive here.
"""

from __future__ import annotations

import itertools
import time
import weakref
from typing import Any, Optional, Protocol

from ._entry import Entry, Notices, Way
from ._errors import joined

# Exceptions, the latest first.
Late = Optional[tuple[BaseException, Any]]


class Registered(Protocol):
    """A source, as the library notifies it."""

    def stop(self) -> None:
        """`cancel`."""
        ...

    def finish(self) -> None:
        """`close`."""
        ...


# Weak: a stream, or the frames that its exception keeps alive, may reference the buffer that owns
# the source, and all of them must be collectable together.
sources: dict[int, weakref.ref[Registered]] = {}
# The functions that C may call.
_functions: dict[int, tuple[Entry, ...]] = {}
# Sources of the parent in a forked child: kept, since releasing them could close shared resources.
_parents: list[Optional[Registered]] = []
_keys = itertools.count(1)


def next_key() -> int:
    """A number that nothing else in this process has: neither a source, a buffer nor a cache."""
    return next(_keys)


def add(source: Registered, *entries: Entry) -> int:
    """Registers a source and the functions that deliver its bytes and size. Returns its number."""
    key = next_key()
    sources[key] = weakref.ref(source)
    _functions[key] = entries
    return key


def _on_cancel(key: int) -> None:
    reference = sources.get(key)
    if reference and (source := reference()):
        source.stop()


def _on_close(key: int) -> None:
    try:
        _finish(key)
    except BaseException:
        # This does the rest.
        _finish(key)
        raise
    finally:
        # Last: waiting for the number to disappear is waiting for the stream to be released.
        forget(key)


def _finish(key: int) -> None:
    reference = sources.get(key)
    if reference and (source := reference()):
        source.finish()


cancels = Notices(_on_cancel)
closes = Notices(_on_close)


def settle(closing: Way, presumed: Optional[int] = None) -> Optional[BaseException]:
    """The exception raised where C called `close`, whose work is done here then.

    `presumed` is the source that C must have closed if the call does not tell which. Another
    exception neither hides the first one nor keeps a source open. See `_entry._serve`: each jump is
    inside a `try`, and an exception handler calls nothing.
    """
    settling: Optional[_Settling] = None
    left: Optional[int] = None
    late: Late = None
    while True:
        try:
            while True:
                try:
                    settling = settling or _Settling(closing, presumed)
                    return settling.finish(late)
                except RecursionError as error:
                    if settling is None or settling.left == left:
                        # Nothing was done since the last one: no other attempt would succeed.
                        first = None if settling is None else settling.came
                        return error if first is None else first
                    # It may be that of a stream's own `close`.
                    left = settling.left
                    late = (error, late)
                except BaseException as error:  # noqa: BLE001
                    late = (error, late)
        except BaseException as error:  # noqa: BLE001
            late = (error, late)


class _Settling:
    """The work of `settle`. After an exception, another `finish` does the rest."""

    def __init__(self, closing: Way, presumed: Optional[int]) -> None:
        """Does nothing yet."""
        self.came: Optional[BaseException] = None
        # How many sources are left to close, the current one included. None before the first.
        self.left: Optional[int] = None
        self._closing = closing
        self._presumed = presumed
        self._keys: list[int] = []
        self._is_asked = False

    def finish(self, late: Late) -> Optional[BaseException]:
        """Closes the sources. `late` are the exceptions of earlier attempts."""
        if not self._is_asked:
            self._ask()
        while self._keys:
            self.left = len(self._keys)
            # Once more after an exception: it does nothing if it was done.
            _on_close(self._keys[-1])
            self._keys.pop()
        return self._joined_with(late)

    def _ask(self) -> None:
        # First: `take` forgets them.
        self._keys = self._keys or [key for (key,) in self._closing.undone()]
        if self.came is None:
            self.came = self._closing.take()
        if self.came is not None and not self._keys and self._presumed is not None:
            self._keys = [self._presumed]
        self._is_asked = True

    def _joined_with(self, late: Late) -> Optional[BaseException]:
        errors: list[BaseException] = []
        while late is not None:
            errors.append(late[0])
            late = late[1]
        came = self.came
        while errors:
            came = joined(came, errors.pop())
        return came


def forget(key: int) -> None:
    """Removes a source that is not called any more."""
    _functions.pop(key, None)
    sources.pop(key, None)


def leave_to_parent() -> None:
    """In a forked child: leaves the parent's streams untouched."""
    _parents.extend(source() for source in list(sources.values()))
    sources.clear()
    _functions.clear()


def wait_for_all(seconds: float) -> None:
    """Waits until the library has released every stream, at most `seconds`."""
    deadline = time.monotonic() + seconds
    while sources and time.monotonic() < deadline:
        time.sleep(0.001)
