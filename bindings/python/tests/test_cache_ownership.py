"""What a cache's function returns or raises: closed once if the cache has no use for it, kept by nobody."""

from __future__ import annotations

import gc
import importlib.util
import io
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from spoolbuf import Cache, Resource, _lender, _registry
from support import PATIENCE, eventually, skip
from throwing import none_wrong


class Counted(io.BytesIO):
    """Counts how often it is closed."""

    def __init__(self) -> None:
        super().__init__(b"bytes")
        self.closes = 0

    def close(self) -> None:
        self.closes += 1
        super().close()


class Unsized(Counted):
    """An exception is raised when it is asked for its size."""

    def getbuffer(self) -> memoryview:
        raise MemoryError


class Untold(Counted):
    """Ctrl-C is pressed when it is asked for its position."""

    def tell(self) -> int:
        raise KeyboardInterrupt


def changed(**fields: Any) -> Resource:
    """A resource that was changed after its arguments were checked."""
    resource = Resource(Counted())
    vars(resource).update(fields)
    return resource


WRONG: list[tuple[Any, type[BaseException]]] = [
    (lambda: changed(size=-5), ValueError),
    (lambda: changed(size="5"), TypeError),
    (lambda: changed(tag=-5), ValueError),
    (lambda: changed(tag="5"), TypeError),
    (lambda: Resource(Counted(), interruptible=True), ValueError),
    (lambda: io.TextIOWrapper(Counted()), TypeError),
    (Unsized, MemoryError),
    (Untold, KeyboardInterrupt),
]


@pytest.mark.parametrize("timeout", [None, PATIENCE])
@pytest.mark.parametrize(("make", "kind"), WRONG)
def test_a_stream_that_is_refused(
    make: Any, kind: type[BaseException], timeout: Optional[float]
) -> None:
    """It is closed before `open` raises, and once."""
    before = set(_registry.sources)
    answers: list[Any] = []

    def open_key(key: str) -> Any:
        answers.append(make())
        return answers[-1]

    with Cache(open_key) as cache:
        with pytest.raises(kind):
            cache.open("key", timeout=timeout)
        stream = getattr(answers[0], "stream", answers[0])
        stream = getattr(stream, "buffer", stream) if not stream.closed else stream
        assert stream.closed
        assert not cache._lender.opener._sources and set(_registry.sources) == before
    gc.collect()
    assert getattr(stream, "closes", 1) == 1


def test_an_exception_right_after_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """C does not get the stream then."""
    from spoolbuf import _opener

    serve = _opener.Opener.serve
    raised = LookupError()

    def fail(*arguments: Any) -> int:
        serve(*arguments)
        raise raised

    monkeypatch.setattr(_opener.Opener, "serve", fail)
    stream = Counted()
    with Cache(lambda key: stream) as cache:
        with pytest.raises(LookupError) as caught:
            cache.open("key")
        assert caught.value is raised
        assert stream.closes == 1 and not cache._lender.opener._sources


START = """
import functools, io, operator, sys
from spoolbuf import Cache, _opener
from throwing import report
class Stream(io.BytesIO):
    pass
streams = [Stream(b"bytes") for _ in range(1000)]
left = iter(streams)
# Without a line of Python's: no exception comes before it is counted. The key is the default that
# `next` returns at the end.
cache = Cache(functools.partial(next, left))

def unclosed():
    opened = len(streams) - operator.length_hint(left)
    assert opened > 20
    return sum(not stream.closed for stream in streams[:opened]) + len(cache._lender.opener._sources)
"""


def test_an_exception_at_any_place() -> None:
    """As from a handler of a signal: at each place where Python looks for one."""
    none_wrong(
        START,
        """
        from places import at_each_place

        def open_one():
            # Each time anew.
            cache.remove("key")
            cache.open("key").close()

        places = at_each_place(_opener.Opener.serve.__code__, open_one)
        assert places > 40, places
        cache.remove("key")
        report(unclosed())
        """,
    )


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python crashes without memory for a closure")
def test_memory_that_is_not_there() -> None:
    if not importlib.util.find_spec("_testcapi"):
        skip("_testcapi", "this Python is without its own tests")
    none_wrong(
        START,
        """
        import _testcapi
        seen = 0
        def open_next(key):
            stream = next(left)
            if nth is not None:
                # Not before: Python 3.11 crashes if it has no memory for a WeakValueDictionary.
                _testcapi.set_nomemory(nth, nth + 1)
            return stream
        cache = Cache(open_next)
        # First with all memory: from then on, all that Python caches is there.
        nth = None
        cache.open("key").close()
        for nth in range(200):
            cache.remove("key")
            file = None
            try:
                file = cache.open("key")
            except BaseException:
                seen += 1
            finally:
                _testcapi.remove_mem_hooks()
            if file is not None:
                file.close()
        cache.clear()
        assert seen > 20
        report(unclosed())
        """,
    )


class Failure(Exception):
    """An exception that can be referenced weakly."""


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("way", ["here", "on another thread", "on a thread of the library"])
def test_nobody_keeps_the_exception(way: str) -> None:
    """Nor what its frames hold, although the key is still in use."""
    raised: list[weakref.ref[Failure]] = []
    held: list[weakref.ref[Counted]] = []

    def open_key(key: str) -> bytes:
        if not fails:
            return b"bytes"
        local = Counted()
        held.append(weakref.ref(local))
        error = Failure()
        raised.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    def attempt() -> None:
        try:
            cache.open("key", timeout=PATIENCE if way.endswith("library") else None)
        except Failure:
            return
        raise AssertionError("no exception")

    fails = False
    with Cache(open_key, fresh=0) as cache, cache.open("key") as file:
        cache.remove("key")
        fails = True
        if way == "on another thread":
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()
        else:
            attempt()
        eventually(lambda: raised and not raised[0]() and not held[0]())
        assert file.read() == b"bytes"


@pytest.mark.usefixtures("no_collection")
def test_nobody_keeps_the_exception_of_an_open_that_was_given_up() -> None:
    """The function raises it when nobody waits for it any more. It is kept until the next open."""
    go = threading.Event()
    raised: list[weakref.ref[Failure]] = []

    def open_key(key: str) -> bytes:
        if not raised:
            assert go.wait(PATIENCE)
            error = Failure()
            raised.append(weakref.ref(error))
            try:
                raise error
            finally:
                del error
        return b"bytes"

    from spoolbuf import TimedOutError

    with Cache(open_key) as cache:
        origins = cache._lender.opener.origins(b"skey")
        with pytest.raises(TimedOutError):
            cache.open("key", timeout=0)
        go.set()
        eventually(lambda: cache.stat().opening == 0)
        assert not origins.failures and origins.flight is None
        assert list(cache._lender.opener._unclaimed) == [b"skey"] and raised[0]()
        # Without a timeout, this open calls the function itself.
        assert cache["key"][:] == b"bytes"
        eventually(lambda: not raised[0]())
        assert not origins.failures and not cache._lender.opener._unclaimed


def test_ctrl_c_in_a_finalizer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is printed, and the lease ends all the same."""
    printed: list[Optional[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: printed.append(args.exc_value))
    noticing = _lender.noticing
    raised = KeyboardInterrupt()

    def interrupted() -> Any:
        monkeypatch.setattr(_lender, "noticing", noticing)
        raise raised

    with Cache(lambda key: b"bytes") as cache:
        lease, _ = cache._lender.open(b"skey", None, False, None)
        assert cache.stat().leases == 1
        monkeypatch.setattr(_lender, "noticing", interrupted)
        del lease
        gc.collect()
        assert (printed, cache.stat().leases) == ([raised], 0)
