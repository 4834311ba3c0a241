"""What reads from memory cost in Python, beside what Python itself has. Needs nothing but spoolbuf.

    python3 measure.py [ROUNDS]

Prints nanoseconds a call, the best of a hundred short rounds in which the rows take turns, so that
what else the machine does hits all of them. The last column compares with the row that is named there.
Nothing here fails by time.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
import timeit
import zipfile
from collections.abc import Callable, Iterable

from spoolbuf import StreamBuffer

SIZE = 4 << 20
PIECE = 4096
PLACES = [at * 7919 * PIECE % (SIZE - PIECE) for at in range(256)]


def timers(rows: Iterable[Callable[[int], object]]) -> list[Callable[[], float]]:
    """For each row one that takes nanoseconds a call, at places all over the resource."""

    def timer(call: Callable[[int], object]) -> Callable[[], float]:
        def once() -> None:
            for place in PLACES:
                call(place)

        return lambda: timeit.timeit(once, number=8) / 8 / len(PLACES) * 1e9

    return [timer(call) for call in rows]


def calls() -> dict[str, tuple[str, Callable[[int], object]]]:
    """Each row: the row that it is compared with, and what is done at a place."""
    whole = os.urandom(SIZE)
    buf = StreamBuffer(whole)
    assert buf[:] == whole
    room = bytearray(PIECE)
    file = buf.open()
    small = buf.open()
    spooled = tempfile.SpooledTemporaryFile(max_size=2 * SIZE)
    spooled.write(whole)
    lock = threading.Lock()
    plain = tempfile.TemporaryFile()
    plain.write(whole)
    plain.flush()

    def spooled_at(place: int) -> bytes:
        with lock:
            spooled.seek(place)
            return spooled.read(PIECE)

    def spooled_small(place: int) -> bytes:
        with lock:
            return spooled.read(4) or spooled.seek(0)

    def file_at(place: int) -> bytes:
        file.seek(place)
        return file.read(PIECE)

    return {
        "os.pread": ("", lambda place: os.pread(plain.fileno(), PIECE, place)),
        "SpooledTemporaryFile, locked: seek, read": ("", spooled_at),
        "SpooledTemporaryFile, locked: read(4)": ("", spooled_small),
        "read": ("os.pread", lambda place: buf.read(place, PIECE)),
        "readinto a bytearray": ("read", lambda place: buf.readinto(place, room)),
        "buf[a:b]": ("read", lambda place: buf[place : place + PIECE]),
        "open(): seek, read": ("read", file_at),
        "open(): read(4)": (
            "SpooledTemporaryFile, locked: read(4)",
            lambda place: small.read(4) or small.seek(0),
        ),
    }


class Counted(io.BytesIO):
    """A file that counts what is taken of it."""

    taken = 0

    def readinto(self, out: memoryview) -> int:
        count = super().readinto(out)
        self.taken += count
        return count


def fetched() -> dict[str, str]:
    """How much of a file that seeks is fetched for what is at its end."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(100):
            archive.writestr(str(number), os.urandom(100_000))
    size = out.tell()
    member, tail = Counted(out.getvalue()), Counted(out.getvalue())
    zipfile.ZipFile(StreamBuffer(member).open()).read("7")
    StreamBuffer(tail)[-10:]
    exact = StreamBuffer((bytes(65536) for _ in range(10)), read_granularity=0)
    exact.open().read(100_000)
    return {
        "a zip's member of 100,000 bytes": f"{member.taken:,} of {size:,} bytes",
        "buf[-10:]": f"{tail.taken:,} of {size:,} bytes",
        "read_granularity=0: open().read(100_000)": f"{exact.stat().pulls} calls of the stream",
    }


def main() -> None:
    """Prints the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"Python {sys.version.split()[0]}, {PIECE} bytes from memory, ns a call")
    rows = calls()
    times = timers(call for _, call in rows.values())
    found: dict[str, float] = {}
    for _ in range(rounds):
        for name, time in zip(rows, times):
            found[name] = min(time(), found.get(name, 1e12))
    for name, (other, _) in rows.items():
        ratio = f"{found[name] / found[other]:.2f} x {other}" if other else ""
        print(f"{name:42} {found[name]:8,.0f}  {ratio}", flush=True)
    for name, what in fetched().items():
        print(f"{name:42} {what}", flush=True)


if __name__ == "__main__":
    main()
