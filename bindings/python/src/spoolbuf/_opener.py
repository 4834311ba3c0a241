"""The function with which the user's program opens the resource of a key, as C calls it."""

from __future__ import annotations

import ctypes
import functools
import inspect
import threading
import weakref
from collections.abc import Callable
from typing import Any, Optional, Union

from . import _flight, _streams
from ._arguments import natural
from ._codes import SIZE_UNKNOWN, SourceCode, Status
from ._entry import Notices
from ._flight import Flight
from ._native import Opened, OpenerCallback
from ._origins import EntrySource, Origins, Raised, new_code
from ._registry import next_key
from ._resource import Resource
from ._source import Stream

Key = Union[str, bytes]
Open = Union[
    Callable[[Any], Union[Stream, Resource]], Callable[[Any, int], Union[Stream, Resource]]
]

# C gets it if an exception was raised where it entered Python. Nobody finds an exception for it.
GIVEN_UP = -1
_LONGEST = 4095
# As many keys are open to the next open in C.
_MOST_UNCLAIMED = 16


class Opener:
    """The user's function, and the streams that it has opened for one cache."""

    def __init__(self, call: Open) -> None:
        """Calls nothing yet."""
        if not callable(call):
            raise TypeError(f"open must be callable, not {type(call).__name__}")
        self._call: Callable[..., Any] = call
        self._takes_tag = _takes_two(call)
        self.number = next_key()
        # Kept here until C closes them.
        self._sources: dict[int, EntrySource] = {}
        self._lock = threading.RLock()
        self._by_key: weakref.WeakValueDictionary[bytes, Origins] = weakref.WeakValueDictionary()
        self._flights: set[Flight] = set()
        # By key, with their codes: the failures for which nobody waited.
        self._unclaimed: dict[bytes, tuple[int, Raised]] = {}
        _openers[self.number] = weakref.ref(self)

    def origins(self, key: bytes) -> Origins:
        """What was opened for a key. It lives as long as someone uses it."""
        with self._lock:
            found = self._by_key.get(key)
            if found is None:
                found = self._by_key[key] = Origins()
            return found

    def enter(self, key: bytes, origins: Origins) -> None:
        """Called before this thread opens the key. It gets the failure that nobody got."""
        with self._lock:
            origins.opens += 1
            unclaimed = self._unclaimed.pop(key, None)
            if unclaimed is not None:
                code, failure = unclaimed
                origins.failures[code] = failure

    def leave(self, origins: Origins) -> None:
        """Called after `enter`. The last thread forgets the failures: later opens get none."""
        with self._lock:
            origins.opens -= 1
            origins.forget_failures()

    def serve(self, key: bytes, old_tag: int, out: int) -> int:
        """`sb_opener_fn`."""
        origins, flight, thread = self.origins(key), Flight(), threading.get_ident()
        try:
            origins.flight = flight
            if thread in origins.readers:
                origins.runs[thread] = flight
            self._flights.add(flight)
            try:
                inside.append(thread)
                self._open(key, old_tag, origins, flight, Opened.from_address(out))
                return Status.OK
            except BaseException as error:  # noqa: BLE001
                flight.give_up()
                return _failed(error, origins, flight)
            finally:
                if thread in inside:
                    inside.remove(thread)
        finally:
            # First: who waits for it waits in Python.
            flight.land()
            self._flights.discard(flight)
            with self._lock:
                self._keep(key, origins, flight)
                origins.forget_failures()

    def _keep(self, key: bytes, origins: Origins, flight: Flight) -> None:
        """Keeps a failure for the next open of the key, if nobody opens it now."""
        self._unclaimed.pop(key, None)
        failure = origins.failures.get(flight.code)
        if failure is None or origins.opens:
            return
        self._unclaimed[key] = flight.code, failure
        if len(self._unclaimed) > _MOST_UNCLAIMED:
            del self._unclaimed[next(iter(self._unclaimed))]

    def _open(
        self, key: bytes, old_tag: int, origins: Origins, flight: Flight, out: Opened
    ) -> None:
        name, gift = key_of(key), flight.gift
        arguments = (name, old_tag) if self._takes_tag else (name,)
        resource = gift.take(functools.partial(self._call, *arguments))
        out.tag = natural("tag", resource.tag)
        if gift.stream is None:
            if not old_tag or resource.tag != old_tag:
                raise ValueError(
                    f"open returned no stream, and the tag {resource.tag}; the old one is {old_tag}"
                )
            return
        flight.source = source = EntrySource(gift, resource, origins, self._sources)
        out.size = SIZE_UNKNOWN if source.size is None else natural("size", source.size)
        out.source = source.register()

    def wait_for_flights(self, seconds: float) -> bool:
        """Waits until the user's function has returned; returns whether it has."""
        return all(flight.wait(seconds) for flight in list(self._flights))

    def end(self) -> None:
        """C does not call it any more."""
        _openers.pop(self.number, None)

    def leave_to_parent(self) -> None:
        """In a forked child: nobody will land the parent's flights, or release its locks."""
        self.end()
        self._lock = threading.RLock()
        self._by_key.clear()
        self._unclaimed.clear()
        self._flights.clear()


def _failed(error: BaseException, origins: Origins, flight: Flight) -> int:
    """Keeps the exception for those who wait, and returns the code by which they find it."""
    if isinstance(error, KeyboardInterrupt) and threading.get_ident() in origins.readers:
        # Meant for this thread, not for others that wait: they open again.
        origins.kept[threading.get_ident()] = error
        return GIVEN_UP
    # The frames of this package are of no use to the user.
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename in _OUR_FILES:
        traceback = traceback.tb_next
    # Also there: it may be that nobody raises it.
    error.__traceback__ = traceback = traceback or error.__traceback__
    flight.code = new_code()
    origins.failures[flight.code] = error, traceback
    return flight.code


def raise_failure(failure: Optional[Raised]) -> None:
    """Raises the exception of the user's function as itself, if there is one."""
    if failure is None:
        return
    error, traceback = failure
    try:
        raise error.with_traceback(traceback)
    finally:
        # Breaks the cycle between the exception and this frame.
        del error, failure


_OUR_FILES = frozenset({__file__, _flight.__file__, _streams.__file__})

# The threads inside the function of any cache, each as often as it is. See `Source._readers`.
inside: list[int] = []
_openers: dict[int, weakref.ref[Opener]] = {}


def _takes_two(call: Callable[..., Any]) -> bool:
    """Whether the function wants the old tag too: as a second parameter without a default."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [one for one in parameters if one.kind in kinds]
    if len(places) < 2:
        return any(one.kind == inspect.Parameter.VAR_POSITIONAL for one in parameters)
    return places[1].default is inspect.Parameter.empty or places[1].name == "old_tag"


# Keys of both types, told apart.


def packed(key: Key) -> bytes:
    """A key as C gets it."""
    name = _packed(key)
    if not 1 < len(name) <= 1 + _LONGEST:
        raise ValueError(f"a key has from 1 to {_LONGEST} bytes, not {len(name) - 1}")
    return name


def _packed(key: object) -> bytes:
    if isinstance(key, str):
        return b"s" + key.encode("utf-8", "surrogatepass")
    if isinstance(key, bytes):
        return b"b" + key
    raise TypeError(f"a key is str or bytes, not {type(key).__name__}")


def key_of(name: bytes) -> Key:
    """The key that the user knows."""
    return name[1:] if name[:1] == b"b" else name[1:].decode("utf-8", "surrogatepass")


# The way in from C.


def _on_open(number: int, key: int, size: int, old_tag: int, out: int) -> int:
    reference = _openers.get(number)
    opener: Optional[Opener] = reference() if reference else None
    if opener is None:
        return SourceCode.CANCELED
    return opener.serve(ctypes.string_at(key, size), old_tag, out)


class _Opens(Notices):
    """Several threads may open at once, each with a result."""

    def serve(self, request: tuple[int, ...]) -> int:
        """Called by the generator."""
        return _on_open(*request)


# `sb_opener_fn` with its pointers as integers.
_Integers = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_uint64,
    ctypes.c_size_t,
)
opens = _Opens(_on_open, _Integers, 5, GIVEN_UP)
# The one function that C calls. It stays alive as long as the module.
function = ctypes.cast(opens.function, OpenerCallback)
