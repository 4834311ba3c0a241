"""Runs the README's snippets: a server, and files, where they expect them."""

from __future__ import annotations

import http.server
import socketserver
import subprocess
import threading
from pathlib import Path

from support import PATIENCE, data, need

SIZE = 300_000


class Handler(http.server.BaseHTTPRequestHandler):
    """A film that was made here, else something of which only its bytes matter."""

    def do_GET(self) -> None:
        film = Path(self.path[1:])
        body = film.read_bytes() if film.exists() else data(0, SIZE)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def run(code: str) -> None:
    """Runs one snippet, its addresses on loopback."""
    if "av." in code:
        need("av")
        command = "ffmpeg -v error -nostdin -f lavfi -i testsrc=d=1:s=64x64:r=5 -c:v mpeg4 film.mp4"
        subprocess.run(command.split(), check=True, timeout=PATIENCE)
    for package in ("requests", "tqdm"):
        if package in code:
            need(package)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            here = f"http://127.0.0.1:{server.server_address[1]}"
            scope: dict[str, object] = {"__name__": "__main__"}
            exec(code.replace("https://example.com", here), scope)
        finally:
            # Python 3.13t never collects a function, nor what it refers to.
            scope.clear()
            server.shutdown()
            thread.join()
