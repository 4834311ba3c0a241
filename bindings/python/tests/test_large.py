"""300 MB, random seeks from four threads, compared by hash."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from spoolbuf import StreamBuffer
from support import chunks, data

SIZE = 300_000_000
PIECE = 1_000_000


@pytest.mark.parametrize("prefetch", [0, 20_000_000])
def test_four_threads(prefetch: int) -> None:
    buf = StreamBuffer(chunks(SIZE, 1 << 20), SIZE, prefetch=prefetch)
    failures: list[int] = []

    def work(number: int) -> None:
        rng = random.Random(number)
        file = buf.open()
        # Every piece of a quarter once, in any order, and others' places in between.
        pieces = list(range(number, SIZE // PIECE, 4))
        rng.shuffle(pieces)
        out = bytearray(PIECE)
        for piece in pieces:
            offset = piece * PIECE
            assert buf.readinto(offset, out) == PIECE
            if hashlib.blake2b(out).digest() != hashlib.blake2b(data(offset, PIECE)).digest():
                failures.append(offset)
            place = file.seek(rng.randrange(SIZE - 5000))
            if file.read(5000) != data(place, 5000):
                failures.append(place)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert buf.read(SIZE - 1, 10) == data(SIZE - 1, 1)
    stats = buf.stat()
    assert stats.final_size in (SIZE, None)
    assert stats.memory + stats.disk == SIZE
    assert stats.memory <= (5 << 20) + (256 << 10)
