"""An exception where C closes a stream does the work for that stream, and for no other."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, Optional

import pytest
from openers import WHOLE, Stream

from spoolbuf import Cache, Resource, StreamBuffer, _registry
from places import at_each_instruction, at_each_place


class Interrupted(Stream):
    """Ctrl-C is pressed in its `close`."""

    closes = 0

    def close(self) -> None:
        self.closes += 1
        super().close()
        raise KeyboardInterrupt


def test_a_reopen_that_is_refused() -> None:
    old, new = Stream(), Interrupted()
    with StreamBuffer(old, close_stream=True) as buf:
        assert buf.read(0, 1000) == WHOLE[:1000]
        with pytest.raises(KeyboardInterrupt):
            buf.reopen(new, size=10, close_stream=True)
        assert new.closes == 1 and not old.closed.is_set()
        # First: without its functions, a read crashes.
        assert list(_registry.sources) == [buf._source.key]
        assert buf[:] == WHOLE
    assert old.closed.is_set()


def test_a_reopen_that_is_not() -> None:
    old, new = Interrupted(), Stream()
    with StreamBuffer(old, close_stream=True) as buf:
        assert buf.read(0, 1000) == WHOLE[:1000]
        with pytest.raises(KeyboardInterrupt):
            buf.reopen(new, close_stream=True)
        assert old.closes == 1 and not new.closed.is_set()
        assert list(_registry.sources) == [buf._source.key]
        assert buf[:] == WHOLE
    assert new.closed.is_set()


@pytest.mark.parametrize("first", [0, 1])
def test_two_streams_of_a_key(first: int) -> None:
    streams: list[Stream] = [Stream(), Stream()]
    streams[first] = Interrupted()
    rest = iter(streams)
    with Cache(lambda key: Resource(next(rest), len(WHOLE))) as cache:
        bufs = []
        for _ in streams:
            bufs.append(cache["key"])
            assert bufs[-1][:1000] == WHOLE[:1000]
            cache.remove("key")
        with pytest.raises(KeyboardInterrupt):
            bufs[first].find_size()
        assert streams[first].closed.is_set()
        assert not streams[1 - first].closed.is_set() and len(_registry.sources) == 1
        assert bufs[1 - first][:] == WHOLE


def test_several_closes_of_one_call() -> None:
    """Each is done, and the exception of one hides no other."""

    class Fails:
        finishes = 0

        def stop(self) -> None: ...

        def finish(self) -> None:
            self.finishes += 1
            raise KeyboardInterrupt

    one, other = Fails(), Fails()
    first = KeyError()
    way = _registry.closes.expect()
    way._holder.came = first
    for source in (one, other):
        way._holder.undone = ((_registry.add(source),), way._holder.undone)
    came = _registry.settle(way)
    assert isinstance(came, KeyboardInterrupt) and came.__context__ is not None
    # Each is tried twice: see `_on_close`.
    assert (one.finishes, other.finishes) == (2, 2) and not _registry.sources
    chain = came
    while chain.__context__ is not None:
        chain = chain.__context__
    assert chain is first


class Given:
    """A source that was to be closed."""

    finished = False

    def stop(self) -> None: ...

    def finish(self) -> None:
        self.finished = True
        raise OSError


class Closing:
    """The way of an interrupted `close`."""

    def __init__(self, sources: list[Given]) -> None:
        self.came: Optional[BaseException] = KeyboardInterrupt()
        self.keys = [(_registry.add(source),) for source in sources]
        self.is_asked = False

    def undone(self) -> list[tuple[int]]:
        self.is_asked = True
        return self.keys

    def take(self) -> Optional[BaseException]:
        came, self.came, self.keys = self.came, None, []
        return came


class Deep(Given):
    """Its `close` recurses without an end."""

    def finish(self) -> None:
        self.finished = True
        self.finish()


@pytest.mark.parametrize("kinds", [(Deep, Given), (Given, Deep), (Deep, Deep, Deep)])
def test_a_stream_that_recurses(kinds: tuple[type[Given], ...]) -> None:
    """Its error is reported, and ends no other stream's `close`."""
    sources = [kind() for kind in kinds]
    before = set(_registry.sources)
    way: Any = Closing(sources)
    first = way.came
    came = _registry.settle(way)
    assert all(source.finished for source in sources)
    assert not set(_registry.sources) - before
    chain = [came]
    while (came := chain[-1].__context__ if chain[-1] else None) is not None:
        chain.append(came)
    assert first in chain
    recursions = [error for error in chain if isinstance(error, RecursionError)]
    assert len(recursions) >= kinds.count(Deep)


SETTLING = _registry._Settling


@pytest.mark.parametrize("at_each", [at_each_place, at_each_instruction])
@pytest.mark.parametrize(
    ("function", "places"),
    [
        (_registry.settle, 2),
        (SETTLING.finish, 10),
        (SETTLING._ask, 3),
        (SETTLING._joined_with, 2),
    ],
)
def test_all_streams_are_closed(at_each: Callable[..., int], function: Any, places: int) -> None:
    """And the exception that came first is not hidden."""
    sources: list[Given] = []
    ways: list[Any] = []
    came: list[Optional[BaseException]] = []

    def close() -> None:
        sources[:] = Given(), Given(), Given()
        first = Closing(sources)
        ways[:] = [first]
        came[:] = [first.came]
        came.append(_registry.settle(ways[0]))

    def check() -> None:
        if not ways[0].is_asked:
            early.append(True)
            _registry.settle(ways[0])
        else:
            assert all(source.finished for source in sources)
            assert not set(_registry.sources) - before
            hidden.append(came[0] is not came[-1])

    early: list[bool] = []
    hidden: list[bool] = []
    before = set(_registry.sources)
    assert at_each(function.__code__, close, check) > places
    # Before the first `try`, nothing is called. Python 3.9 also looks at the other instructions there.
    is_old = at_each is at_each_instruction and sys.version_info < (3, 10)
    assert len(early) <= (8 if is_old else 1)
    # Only another one that comes while the first is handed over takes its place.
    assert sum(hidden) <= 2


def test_it_ends_at_the_recursion_limit() -> None:
    """Where no attempt succeeds. Elsewhere, all streams are closed."""
    before, limit = set(_registry.sources), sys.getrecursionlimit()
    closed: list[bool] = []
    for room in range(1, 40):
        sources = [Given(), Given()]
        way: Any = Closing(sources)
        depth = len(inspect.stack(0))
        came: Optional[BaseException] = None
        try:
            sys.setrecursionlimit(depth + room)
            came = _registry.settle(way)
        except RecursionError as error:
            came = error
        finally:
            sys.setrecursionlimit(limit)
        assert came is not None
        closed.append(all(source.finished for source in sources))
        for key in set(_registry.sources) - before:
            _registry.forget(key)
    assert closed == sorted(closed) and not closed[0] and closed[-1]
