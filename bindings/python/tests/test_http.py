"""A real HTTP server on loopback, through urllib and requests."""

from __future__ import annotations

import http.server
import random
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from spoolbuf import StreamBuffer
from support import PATIENCE, data, need

SIZE = 3_000_000


class Handler(http.server.BaseHTTPRequestHandler):
    """/plain with its length, /chunked without one, /cut ends before its length."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        size = SIZE // 2 if self.path == "/cut" else SIZE
        for offset in range(0, size, 50_000):
            part = data(offset, 50_000)
            if self.path == "/chunked":
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            else:
                self.wfile.write(part)
        if self.path == "/chunked":
            self.wfile.write(b"0\r\n\r\n")
        if self.path == "/cut":
            self.close_connection = True

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


def check(buf: StreamBuffer) -> None:
    rng = random.Random(3)
    for _ in range(200):
        offset, size = rng.randrange(SIZE), rng.choice([1, 1000, 100_000])
        assert buf.read(offset, size) == data(offset, min(size, SIZE - offset))
    assert buf[-1000:] == data(SIZE - 1000, 1000)
    assert buf.stat().final_size == SIZE


@pytest.mark.parametrize("path", ["/plain", "/chunked"])
def test_urllib(url: str, path: str) -> None:
    with urllib.request.urlopen(url + path, timeout=PATIENCE) as response:
        check(StreamBuffer(response, response.length, max_size=500_000))


@pytest.mark.parametrize("path", ["/plain", "/chunked"])
@pytest.mark.parametrize("how", ["iter_content", "raw"])
def test_requests(url: str, path: str, how: str) -> None:
    requests = need("requests")
    url += path
    with requests.Session() as session, session.get(url, stream=True, timeout=PATIENCE) as response:
        stream = response.raw if how == "raw" else response.iter_content(10_000)
        check(StreamBuffer(stream, max_size=500_000, prefetch=200_000))
        # The connection goes back to its pool: the end was read.
        session.get(url, timeout=PATIENCE).close()


@pytest.mark.parametrize("how", ["urllib", "iter_content", "raw"])
def test_a_cut_connection_is_an_error(url: str, how: str) -> None:
    if how == "urllib":
        response = urllib.request.urlopen(url + "/cut", timeout=PATIENCE)
        stream: object = response
    else:
        response = need("requests").get(url + "/cut", stream=True, timeout=PATIENCE)
        stream = response.raw if how == "raw" else response.iter_content(10_000)
    with response:
        buf = StreamBuffer(stream)  # type: ignore[arg-type]
        assert buf.read(0, SIZE) == data(0, SIZE // 2)
        with pytest.raises(Exception, match="(?i)incomplete"):
            buf.read(SIZE // 2, 1)
        assert buf.stat().final_size is None
