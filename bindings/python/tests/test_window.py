"""`window`: streams without an end, of which the newest bytes are kept."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from spoolbuf import (
    InvalidError,
    LappedError,
    PushBuffer,
    SizeError,
    StreamBuffer,
    UnsupportedError,
)
from support import data

BLOCK = 262_144
WINDOW = 4 * BLOCK
FAR = 40 * BLOCK
WHOLE = data(0, FAR + WINDOW)


def radio() -> Iterator[bytes]:
    for at in range(0, len(WHOLE), 10_000):
        yield WHOLE[at : at + 10_000]


@pytest.mark.parametrize("max_size", [None, BLOCK, 0])
def test_the_newest_bytes_are_kept(max_size: Optional[int]) -> None:
    buf = StreamBuffer(radio(), max_size=max_size, window=WINDOW)
    early = buf.open()
    raw = buf.open(buffering=0)
    for at in range(0, FAR, BLOCK):
        assert buf.read(at, BLOCK) == WHOLE[at : at + BLOCK]
        stats = buf.stat()
        assert WINDOW >= stats.memory + stats.disk - 2 * BLOCK
    tail = buf.stat().tail
    assert FAR - WINDOW - 2 * BLOCK < tail <= FAR - WINDOW
    for read in (lambda: buf.read(0, 1), lambda: buf.read_some(tail - 1, 5), lambda: buf[:3]):
        with pytest.raises(LappedError):
            read()
    for file in (early, raw):
        with pytest.raises(LappedError) as caught:
            file.read(10)
        assert isinstance(caught.value, LookupError) and file.tell() == 0
        live = buf.stat().frontier
        assert file.seek_live(-10) == file.tell() == live - 10
        assert file.read(5) == WHOLE[live - 10 : live - 5]
        with pytest.raises(InvalidError):
            file.seek_live(-live - 1)
        for offset in (2**63, -(2**63) - 1, 2**64 - 10):
            with pytest.raises(OverflowError):
                file.seek_live(offset)
    late = buf.open()
    assert late.tell() == tail and late.read(10) == WHOLE[tail : tail + 10]
    assert next(iter(buf))[:10] == WHOLE[tail : tail + 10]


def test_asyncio() -> None:
    buf = StreamBuffer(radio(), window=1000)

    async def main() -> None:
        at = 0
        while at < FAR:
            part = await buf.aread(at, 50_000)
            assert part == WHOLE[at : at + len(part)]
            at += len(part)
        with pytest.raises(LappedError):
            await buf.aread(0, 10)

    asyncio.run(main())


def test_pushes_at_the_frontier_only(tmp_path: Path) -> None:
    buf = PushBuffer(window=WINDOW)
    for at in range(0, FAR, 100_000):
        part = WHOLE[at : min(at + 100_000, FAR)]
        assert buf.push(at, part) == len(part)
    with pytest.raises(UnsupportedError):
        buf.push(FAR + 1, b"x")
    assert buf.push(0, b"again") == 5
    assert buf.wanted().start == FAR
    with pytest.raises(UnsupportedError):
        buf.save(f"{tmp_path}/whole")
    tail = buf.stat().tail
    assert buf.save(f"{tmp_path}/kept", buffered_only=True) == FAR - tail
    with io.open(f"{tmp_path}/kept", "rb") as kept:
        assert kept.read() == WHOLE[tail:FAR]
    buf.end()
    assert buf.find_size() == FAR
    with pytest.raises(SizeError):
        buf.push(FAR, b"x")


def test_what_is_unsupported() -> None:
    buf = StreamBuffer(radio(), window=WINDOW)
    with pytest.raises(UnsupportedError):
        buf.reopen(radio())
    assert not buf.stat().seekable
    with pytest.raises(ValueError):
        StreamBuffer(radio(), window=0)
