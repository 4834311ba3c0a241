"""An exception where C closes a stream does the work for that stream, and for no other."""

from __future__ import annotations

import pytest
from openers import WHOLE, Stream

from spoolbuf import Cache, Resource, StreamBuffer, _registry


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
