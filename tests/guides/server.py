"""Serves the files of a folder with ranges, for the guides: prints its address, and ends with its input.

/cut/NAME is the file with half of its bytes, under the length of all of them.
"""

import http.server
import re
import sys
import threading
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        body = (Path(sys.argv[1]) / name).read_bytes()
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted:
            start = int(wanted[1])
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", f'"{name}"')
        self.end_headers()
        sent = body[start : len(body) // 2] if self.path.startswith("/cut/") else body[start:]
        try:
            self.wfile.write(sent)
        except OSError:
            pass
        self.close_connection = len(sent) < len(body) - start or self.close_connection

    def log_message(self, *args: object) -> None:
        """Says nothing."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
sys.stdin.read()
