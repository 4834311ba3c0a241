"""The example that pushes what an asyncio stream receives, run as a user runs it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

from spoolbuf import MAX_SIZE
from support import data

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "push_asyncio.py"
# More than memory takes.
SIZE = 2 * MAX_SIZE
MESSAGE = 100_000


def messages(size: int) -> bytes:
    """What the server of the example sends, without the end."""
    parts = []
    for place in range(0, size, MESSAGE):
        part = data(place, min(MESSAGE, size - place))
        parts += [len(part).to_bytes(4, "big"), part]
    return b"".join(parts)


def fetch(sent: bytes, *, pauses: bool) -> tuple[bytes, list[str], int]:
    """What the example prints and says. It is not read before it has paused, if it should."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.sendall(sent)

    serving = threading.Thread(target=serve)
    serving.start()
    command = [sys.executable, str(EXAMPLE), "127.0.0.1", str(server.getsockname()[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout and program.stderr
        said = [program.stderr.readline().decode()] if pauses else []
        printed, errors = program.communicate()
    serving.join()
    return printed, said + errors.decode().splitlines(), program.returncode


def test_a_whole_stream() -> None:
    printed, said, status = fetch(messages(SIZE) + bytes(4), pauses=True)
    assert said[0] == "paused\n" and set(said[1:]) <= {"paused"}
    assert printed == data(0, SIZE) and status == 0


def test_a_stream_that_breaks_off() -> None:
    """In a message, and between two of them."""
    for cut, whole in ((250_000, 200_000), (200_008, 200_000), (0, 0)):
        printed, said, status = fetch(messages(SIZE)[:cut], pauses=False)
        assert printed == data(0, whole) and status == 1
        assert "IncompleteReadError" in said[-1]


def test_a_server_that_is_absent() -> None:
    command = [sys.executable, str(EXAMPLE), "127.0.0.1", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "" and done.returncode == 1
    assert "ConnectionRefusedError" in done.stderr
