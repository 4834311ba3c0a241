"""A stream that ends before its declared size: told apart from the end."""

from __future__ import annotations

import http.client
import http.server
import io
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from spoolbuf import ShortError, SourceError, State, StreamBuffer
from support import PATIENCE, chunks, data, need

SIZE = 200_000
HALF = SIZE // 2


def test_an_error_that_says_how_much(tmp_path: Path) -> None:
    buf = StreamBuffer(chunks(HALF), size=SIZE)
    assert buf.read(0, SIZE) == data(0, HALF)
    for _ in range(2):
        with pytest.raises(ShortError, match=f"{HALF} of {SIZE}") as caught:
            buf.read(HALF, 1)
    error = caught.value
    assert (error.received, error.declared) == (HALF, SIZE)
    assert isinstance(error, SourceError) and isinstance(error, OSError)
    stats = buf.stat()
    assert stats.ended_short and stats.state == State.FAILED and stats.final_size is None
    assert buf.size == SIZE
    with pytest.raises(ShortError):
        buf.save(tmp_path / "file")
    with pytest.raises(ShortError) as whole:
        buf.open().read()
    assert whole.value.partial == data(0, HALF)  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


def test_more_may_come_when_it_is_asked_again() -> None:
    class Growing:
        at, end = 0, HALF

        def read(self, size: int) -> bytes:
            size = min(size, self.end - self.at)
            self.at += size
            return data(self.at - size, size)

    stream = Growing()
    buf = StreamBuffer(stream, size=SIZE)
    with pytest.raises(ShortError):
        bytes(buf)
    stream.end = SIZE
    with pytest.raises(ShortError):
        buf.read(HALF, 1)
    buf.resume()
    assert bytes(buf) == data(0, SIZE)


def test_who_believes_the_stream_says_so() -> None:
    buf = StreamBuffer(chunks(HALF), size=SIZE, on_short="end")
    assert buf[:] == data(0, HALF)
    assert buf.size == HALF and buf.stat().ended_short
    # A longer one is no error.
    assert StreamBuffer(chunks(SIZE), size=HALF)[:] == data(0, SIZE)


def test_a_file_knows_its_own_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data(0, SIZE))
    with open(path, "rb") as file, StreamBuffer(file) as buf:
        assert buf.size == SIZE
        path.write_bytes(data(0, HALF))
        assert buf[:] == data(0, HALF)


def test_a_size_that_is_known_late() -> None:
    sizes = iter([None, None, SIZE])
    asked = []

    def size() -> Optional[int]:
        asked.append(buf.buffered())
        return next(sizes)

    buf = StreamBuffer(chunks(SIZE, 1000), size=size, read_granularity=0)
    assert buf.size is None and not asked
    for end in (1000, 2000):
        buf.read(end - 1, 1)
        assert buf.size is None
    buf.read(2999, 1)
    assert buf.size == len(buf) == SIZE and buf.stat().final_size is None
    assert buf.open().seek(-1, 2) == SIZE - 1
    assert buf[:] == data(0, SIZE)
    # After each chunk, whose bytes count only once it has returned.
    assert asked == [0, 1000, 2000]


def test_a_late_size_is_a_declared_one() -> None:
    buf = StreamBuffer(chunks(HALF), size=lambda: SIZE)
    with pytest.raises(ShortError, match=f"{HALF} of {SIZE}"):
        buf.open().read()
    assert StreamBuffer(chunks(HALF), size=lambda: SIZE, on_short="end")[:] == data(0, HALF)


@pytest.mark.parametrize("wrong", [-1, 2**63, "5", 1.5])
def test_a_late_size_that_is_none_is_raised(wrong: Any) -> None:
    answers = [wrong, SIZE]
    buf = StreamBuffer(chunks(SIZE), size=lambda: answers.pop(0))
    with pytest.raises((ValueError, TypeError)):
        buf.read(0, 1)
    # No byte is lost, and it is asked again.
    assert buf[:] == data(0, SIZE)
    assert buf.stat().declared == SIZE


@pytest.mark.parametrize("calls", [1, 3])
def test_a_late_size_that_fails_under_a_prefetch(calls: int) -> None:
    """The library's own thread asks for it: the next reader is told, once."""
    answers: list[Any] = [None] * (calls - 1) + [KeyError("size"), SIZE]
    asked = threading.Event()

    def size() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, KeyError):
            asked.set()
            raise answer
        return answer

    buf = StreamBuffer(chunks(SIZE, 1000), size=size, read_granularity=0, prefetch=SIZE)
    assert asked.wait(PATIENCE)
    with pytest.raises(KeyError, match="size"):
        for offset in range(SIZE):
            buf.read(offset, 1)
    # No byte is lost, and it is asked again.
    assert buf[:] == data(0, SIZE)
    assert buf.stat().declared == SIZE and not answers


def test_a_late_size_that_fails_and_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reader comes before the buffer is closed: it is printed."""
    printed: list[object] = []
    told = threading.Event()

    def hook(unraisable: Any) -> None:
        printed.append(unraisable.exc_value)
        told.set()

    monkeypatch.setattr(sys, "unraisablehook", hook)
    wrong = KeyError("size")

    def size() -> Any:
        raise wrong

    buf = StreamBuffer([b"abc"], size=size, prefetch=100)
    while not buf.stat().pulls:
        time.sleep(0.001)
    buf.close()
    assert told.wait(PATIENCE)
    assert printed == [wrong]


@pytest.mark.parametrize("size", [6, 3_000_000])
def test_the_bytes_before_an_exception_do_not_hide_it(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C does not know of that of a size function, and would not fail again."""
    buf = StreamBuffer(chunks(size), size=size)
    read_on = buf._read_on

    def failing(offset: int, address: int, room: int, reader: Any) -> int:
        if offset >= size // 2:
            raise KeyError
        return read_on(offset, address, min(room, size // 2), reader)

    # As on the main thread after a prefetch.
    monkeypatch.setattr(buf, "_may_wait", lambda: True)
    monkeypatch.setattr(buf, "_read_on", failing)
    part = buf.read(0, size)
    assert len(part) >= size // 2 and part == data(0, len(part))
    monkeypatch.undo()
    with pytest.raises(KeyError):
        buf.read(len(part), size)
    assert buf[:] == data(0, size)


def test_a_file_does_not_hide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    buf = StreamBuffer(chunks(SIZE), size=SIZE)
    buf.read(0, HALF)
    file = buf.open()
    read_at = buf._read_at

    def failing(offset: int, size: int, reader: Any = None) -> bytes:
        if offset + size > buf.buffered():
            raise KeyError
        return read_at(offset, size, reader)

    monkeypatch.setattr(buf, "_read_at", failing)
    part = file.read(SIZE)
    assert part == data(0, len(part)) and HALF <= len(part) < SIZE
    monkeypatch.undo()
    with pytest.raises(KeyError):
        file.read(SIZE)
    assert part + file.read() == data(0, SIZE)


def test_a_save_raises_what_was_raised_while_it_waited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    buf = StreamBuffer(chunks(SIZE), size=SIZE)

    def failing(*_: object) -> int:
        raise KeyError

    monkeypatch.setattr(buf, "_may_wait", lambda: True)
    monkeypatch.setattr(buf, "_bring", failing)
    with pytest.raises(KeyError):
        buf.save(tmp_path / "file")
    monkeypatch.undo()
    assert buf.save(tmp_path / "file") == SIZE


def test_both_exceptions_are_raised() -> None:
    """That of the stream, and that of the size after it."""

    class Interrupted:
        def read(self, size: int) -> bytes:
            raise KeyboardInterrupt

    def size() -> int:
        raise KeyError

    buf = StreamBuffer(Interrupted(), size=size)
    with pytest.raises(KeyboardInterrupt) as caught:
        buf.read(0, 3)
    assert isinstance(caught.value.__context__, KeyError)


def test_both_exceptions_on_the_way_into_python(monkeypatch: pytest.MonkeyPatch) -> None:
    buf = StreamBuffer([b"abc"], size=lambda: None)
    source: Any = buf._source
    monkeypatch.setattr(source._entry, "take", KeyError)
    monkeypatch.setattr(source._size_entry, "take", IndexError)
    with pytest.raises(IndexError) as caught:
        buf.read(0, 3)
    assert isinstance(caught.value.__context__, KeyError)
    monkeypatch.setattr(source._entry, "take", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        buf.find_size()
    assert isinstance(interrupted.value.__context__, IndexError)


class Handler(http.server.BaseHTTPRequestHandler):
    """/cut ends half-way, /whole does not; HTTP/1.1, so that connections are kept."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        size = HALF if "cut" in self.path else SIZE
        for at in range(0, size, 10_000):
            part = data(at, 10_000)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if "chunked" in self.path else part)
        if "cut" in self.path:
            self.close_connection = True
        elif "chunked" in self.path:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class Wrapped:
    """Hides what it is."""

    def __init__(self, file: Any) -> None:
        self.read = file.read


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "response": lambda response: response,
    "wrapped": Wrapped,
    "buffered": io.BufferedReader,
    "iterated": lambda response: iter(lambda: response.read(8192), b""),
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_urllib_cut(url: str, kind: str, tmp_path: Path) -> None:
    with urllib.request.urlopen(url + "/cut", timeout=PATIENCE) as response:
        with StreamBuffer(WRAPPERS[kind](response), size=response.length) as buf:
            assert buf.read(0, HALF) == data(0, HALF)
            with pytest.raises((ShortError, http.client.IncompleteRead)):
                buf.save(tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_urllib_knows_its_size(url: str) -> None:
    with urllib.request.urlopen(url + "/whole", timeout=PATIENCE) as response:
        buf = StreamBuffer(response)
        assert buf.size == SIZE
        assert buf[:] == data(0, SIZE)
    with urllib.request.urlopen(url + "/cut", timeout=PATIENCE) as response:
        with pytest.raises(http.client.IncompleteRead):
            bytes(StreamBuffer(response))


@pytest.mark.parametrize("path", ["/whole", "/chunked"])
def test_a_connection_is_kept(url: str, path: str) -> None:
    """The end is read, no byte of the next response is, and the response is closed."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    for _ in range(2):
        connection.request("GET", path)
        response = connection.getresponse()
        assert StreamBuffer(response)[:] == data(0, SIZE)
        assert response.isclosed()
    connection.close()


@pytest.mark.parametrize("how", ["raw", "iter_content"])
def test_requests_cut(url: str, how: str) -> None:
    requests = need("requests")
    with requests.get(url + "/cut", stream=True, timeout=PATIENCE) as response:
        stream = response.raw if how == "raw" else response.iter_content(10_000)
        declared = None if how == "raw" else int(response.headers["Content-Length"])
        with StreamBuffer(stream, size=declared) as buf:
            assert buf.size == SIZE
            with pytest.raises(Exception) as caught:
                bytes(buf)
            assert caught.value.partial == data(0, HALF)  # type: ignore[attr-defined]
            assert buf.stat().final_size is None


def test_requests_left_too_early(url: str) -> None:
    requests = need("requests")
    with requests.get(url + "/whole", stream=True, timeout=PATIENCE) as response:
        buf = StreamBuffer(response.iter_content(10_000), size=SIZE)
        buf.read(0, 10)
    with pytest.raises(ShortError):
        bytes(buf)
    buf.close()


def test_httpx_cut(url: str) -> None:
    httpx = need("httpx")
    with httpx.stream("GET", url + "/cut", timeout=PATIENCE) as response:
        size = int(response.headers["Content-Length"])
        with StreamBuffer(response.iter_bytes(), size=size) as buf:
            with pytest.raises((ShortError, httpx.RemoteProtocolError)):
                bytes(buf)


def test_an_asynchronous_stream_is_refused_by_name(url: str) -> None:
    import asyncio

    async def main() -> None:
        with pytest.raises(TypeError, match="asynchronous"):
            StreamBuffer(asyncio.StreamReader())  # type: ignore[arg-type]

    asyncio.run(main())
