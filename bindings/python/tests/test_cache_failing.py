"""Failures of a cache's function and streams: each is raised as itself, and no later open gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from spoolbuf import Cache, Resource, ShortError, StreamBuffer, _registry
from openers import SIZE, WHOLE
from support import PATIENCE, chunks


def test_the_exception_of_open_is_not_remembered() -> None:
    errors: list[BaseException] = [LookupError("first"), SystemExit(3), ConnectionError("third")]
    left = list(errors)

    def open_key(key: str) -> bytes:
        if left:
            raise left.pop(0)
        return b"bytes"

    with Cache(open_key) as cache:
        for error in errors[:2]:
            with pytest.raises(type(error)) as caught:
                cache.open("key")
            assert caught.value is error
            # The traceback begins here, and ends in the function.
            assert caught.traceback[-1].name == "open_key"
        with pytest.raises(ConnectionError):
            cache.open("key", timeout=PATIENCE)
        assert cache["key"][:] == b"bytes"


def test_an_exception_in_a_stream() -> None:
    raised = [ConnectionError("cut"), ConnectionError("again")]

    def cut(nth: int) -> Iterator[bytes]:
        yield WHOLE[:1000]
        raise raised[nth]

    opened: list[object] = []

    def open_key(key: str) -> Iterator[bytes]:
        opened.append(key)
        return cut(len(opened) - 1) if len(opened) < 3 else chunks(SIZE)

    with Cache(open_key) as cache:
        with cache.open("key") as file, cache.open("key", 0) as raw:
            assert file.read(2000) == WHOLE[:1000]
            for read in (lambda: file.read(1), lambda: file.read(), lambda: raw.readall()):
                with pytest.raises(ConnectionError) as caught:
                    read()
                assert caught.value is raised[0]
            assert raised[0].partial == WHOLE[:1000]  # type: ignore[attr-defined]
            # What failed is opened anew, and this one keeps its bytes and its exception.
            with cache.open("key") as other:
                assert other.read(1000) == WHOLE[:1000]
                with pytest.raises(ConnectionError) as caught:
                    other.read(1)
                assert caught.value is raised[1]
                with pytest.raises(ConnectionError) as caught:
                    file.read(1)
                assert caught.value is raised[0]
            file.seek(0)
            assert file.read(1000) == WHOLE[:1000]
        assert cache["key"][:] == WHOLE
        assert len(opened) == 3


def test_a_slice_across_a_failure_raises() -> None:
    """The next one opens the key again."""
    opened: list[object] = []

    def cut(at: int) -> Iterator[bytes]:
        yield WHOLE[:at]
        raise ConnectionError(str(at))

    def open_key(key: str) -> Iterator[bytes]:
        opened.append(key)
        return cut(1000) if len(opened) == 1 else chunks(SIZE)

    with Cache(open_key) as cache:
        with pytest.raises(ConnectionError) as caught:
            cache["key"][500:2500]
        assert caught.value.partial == WHOLE[500:1000]  # type: ignore[attr-defined]
        assert cache["key"][500:2500] == WHOLE[500:2500] and len(opened) == 2


def test_an_exception_on_a_thread_of_the_library() -> None:
    raised = ConnectionError("cut")

    def cut() -> Iterator[bytes]:
        yield WHOLE[:1000]
        raise raised

    with Cache(lambda key: cut(), prefetch=SIZE) as cache:
        with cache.open("key", timeout=PATIENCE) as file:
            assert file.read(1000) == WHOLE[:1000]
            with pytest.raises(ConnectionError) as caught:
                file.read(1)
            assert caught.value is raised


def test_an_end_that_comes_too_early() -> None:
    with Cache(lambda key: Resource(chunks(1000), size=2000)) as cache:
        with pytest.raises(ShortError) as caught:
            cache["key"][:]
        assert (caught.value.received, caught.value.declared) == (1000, 2000)
    with Cache(lambda key: Resource(chunks(1000), size=2000), on_short="end") as cache:
        assert cache["key"][:] == WHOLE[:1000]
    with pytest.raises(ValueError):
        Cache(lambda key: b"", on_short="maybe")  # type: ignore[arg-type]


def test_asyncio_with_an_exception() -> None:
    raised = ConnectionError("cut")

    def cut() -> Iterator[bytes]:
        yield b"some"
        raise raised

    with Cache(lambda key: cut()) as cache:
        with pytest.raises(ConnectionError) as caught:
            asyncio.run(cache["key"].aread())
        assert caught.value is raised and raised.partial == b"some"  # type: ignore[attr-defined]


@pytest.mark.parametrize("another", [False, True])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("name", ["read", "readinto"])
def test_an_exception_with_the_last_bytes(
    name: str, cached: bool, another: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No later read asks the stream: this one raises it, and moves no position."""

    class Stop(Exception):
        """Raised by a signal's handler, say, where C calls `close`."""

    def stream() -> Iterator[bytes]:
        yield b"some"
        yield b"bytes"

    serve = _registry.closes._serve

    def interrupted(key: int) -> None:
        monkeypatch.setattr(_registry.closes, "_serve", serve)
        raise Stop

    with Cache(lambda key: stream()) as cache:
        former = cache.open("key")
        assert former.read(1) == b"s"
        if another:
            # A stream of the same key, which is not asked for these bytes.
            cache.remove("key")
        else:
            former.close()
            cache.clear()
        file = cache.open("key") if cached else StreamBuffer(stream()).open()
        monkeypatch.setattr(_registry.closes, "_serve", interrupted)
        with pytest.raises(Stop):
            getattr(file, name)(100 if name == "read" else bytearray(100))
        assert file.tell() == 0 and file.read(100) == b"somebytes"
        assert former.closed or former.read(100) == b"omebytes"
