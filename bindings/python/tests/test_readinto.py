"""`readinto` of a buffer and of its files: the memory of any object, at once where that is usual."""

from __future__ import annotations

import array

import pytest

from spoolbuf import StreamBuffer, _file, _sequence
from support import data


def test_readinto_of_bytes_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual memory is passed to C at once, and any other memory in the long way."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the long way")

    buf = StreamBuffer(data(0, 100_000))
    assert len(buf[:]) == 100_000
    ways = [
        lambda at, out: buf.readinto(at, out),
        lambda at, out: (raw.seek(at), raw.readinto(out))[1],
        lambda at, out: (file.seek(at), file.readinto(out))[1],
    ]
    raw, file = buf.open(0), buf.open()
    for read in ways:
        with monkeypatch.context() as patched:
            for module in (_file, _sequence):
                patched.setattr(module, "pinned", forbidden)
            for size in (0, 1, 1000, 65536):
                plain = bytearray(size)
                # Four rows of two numbers of two bytes: what counts is the size in bytes.
                shaped = memoryview(bytearray(16)).cast("H", [4, 2])
                for out in (plain, memoryview(bytearray(size)), shaped):
                    assert read(5, out) == memoryview(out).nbytes
                    assert memoryview(out).tobytes() == data(5, memoryview(out).nbytes)
        for out in (bytearray(1000), memoryview(bytearray(1000))):
            assert read(99_990, out) == 10 and out[:10] == data(99_990, 10) and not any(out[10:])
        numbers = array.array("H", [0] * 5)
        assert read(5, numbers) == 10 and numbers.tobytes() == data(5, 10)
        for wrong in (memoryview(b"read-only"), memoryview(bytearray(10))[::2], b"bytes"):
            with pytest.raises((BufferError, ValueError, TypeError)):
                read(5, wrong)
