"""Against the package `buffer`, whose surface this one has, wherever its answer is right."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from spoolbuf import StreamBuffer
from support import PATIENCE, chunks, data, skip

SIZE = 200_000

# Runs under an interpreter that the original works on, given what to do on its standard input.
OTHER = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from buffer import StreamBuffer
from support import chunks
size, chunk, limit, places = json.load(sys.stdin)
buf = StreamBuffer(chunks(size, chunk), size, limit)
for offset, length, how in places:
    if how == "read":
        part = buf.read(offset, length)
    elif how == "slice":
        part = buf[offset:offset + length]
    else:
        part = buf[offset, offset + length]
    print(len(part), hashlib.sha256(part).hexdigest(), buf.is_exhausted())
print(repr(buf).split("<", 1)[0])
"""


@pytest.fixture(scope="module")
def original() -> str:
    """A Python that has the original; the runner makes it where there is one it works on."""
    python = os.environ.get("SPOOLBUF_ORIGINAL", sys.executable)
    done = subprocess.run(
        [python, "-c", "from buffer import StreamBuffer"], capture_output=True, text=True
    )
    if done.returncode:
        skip("the package `buffer`", "needs a Python before 3.11; SPOOLBUF_ORIGINAL may name one")
    return python


@pytest.mark.parametrize("chunk", [100, 4096, 50_000])
@pytest.mark.parametrize("limit", [1, 20_000, 5 << 20])
def test_thousands_of_random_reads(original: str, chunk: int, limit: int) -> None:
    import hashlib
    import json

    rng = random.Random(chunk * limit)
    places = []
    frontier = 0
    while len(places) < 1000:
        # Up to what has been read, across it, but not past it: there the original is wrong.
        offset = rng.randrange(min(frontier, SIZE - 1) + 1)
        length = rng.choice([1, 10, 1000, 5000])
        places.append((offset, length, rng.choice(["read", "slice", "pair"])))
        frontier = max(frontier, offset + length)
    done = subprocess.run(
        [original, "-c", OTHER, str(Path(__file__).parent)],
        input=json.dumps([SIZE, chunk, limit, places]),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    theirs = done.stdout.splitlines()
    ours = []
    buf = StreamBuffer(chunks(SIZE, chunk), SIZE, limit)
    for offset, length, how in places:
        if how == "read":
            part = buf.read(offset, length)
        elif how == "slice":
            part = buf[offset : offset + length]
        else:
            part = buf[offset, offset + length]
        assert part == data(offset, min(length, SIZE - offset))
        ours.append(f"{len(part)} {hashlib.sha256(part).hexdigest()} {buf.is_exhausted()}")
    ours.append(repr(buf).split("<", 1)[0])
    assert len(ours) == len(theirs)
    differ = [at for at, (our, their) in enumerate(zip(ours, theirs)) if our != their]
    assert not differ, (places[differ[0]], ours[differ[0]], theirs[differ[0]])


def test_where_the_original_is_wrong() -> None:
    """A read that starts past what has been read so far."""
    rng = random.Random(4)
    for _ in range(300):
        buf = StreamBuffer(chunks(SIZE, rng.choice([100, 4096])), SIZE, rng.choice([1, 20_000]))
        for _ in range(5):
            offset, length = rng.randrange(SIZE), rng.choice([1, 100, 5000])
            assert buf.read(offset, length) == data(offset, min(length, SIZE - offset))
