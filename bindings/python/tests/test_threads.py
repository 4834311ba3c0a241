"""Threads and the GIL: nothing hangs, and nobody waits without need."""

from __future__ import annotations

import random
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import spoolbuf
from spoolbuf import StreamBuffer
from support import PATIENCE, chunks, data


def together(count: int, work) -> None:
    """Runs `work(number)` on `count` threads; what one raises is raised here."""
    raised: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


@pytest.mark.parametrize("prefetch", [0, 100_000, 2**64 - 1])
def test_eight_threads(prefetch: int) -> None:
    size = 2_000_000
    inside = threading.Lock()

    def stream():
        for chunk in chunks(size, 10_000):
            # One thread at a time, and each gives the GIL away in here.
            assert inside.acquire(blocking=False)
            time.sleep(0)
            inside.release()
            yield chunk

    buf = StreamBuffer(stream(), max_size=300_000, prefetch=prefetch)

    def work(number: int) -> None:
        rng = random.Random(number)
        for _ in range(100):
            offset, length = rng.randrange(size), rng.choice([1, 100, 20_000])
            assert buf.read(offset, length) == data(offset, min(length, size - offset))
            buf.stat(), buf.ranges(), buf.buffered(offset)

    together(8, work)


def test_waiting_releases_the_gil() -> None:
    go = threading.Event()

    def stream():
        # Only a thread that runs while another one waits can let it go on.
        assert go.wait(PATIENCE)
        yield b"abc"

    buf = StreamBuffer(stream())
    outcome: list[bytes] = []
    threads = [threading.Thread(target=lambda: outcome.append(buf[:])) for _ in range(8)]
    for thread in threads:
        thread.start()
    while buf.stat().waits < 7:
        time.sleep(0.001)
    go.set()
    for thread in threads:
        thread.join()
    assert outcome == [b"abc"] * 8


def test_close_while_eight_threads_wait() -> None:
    go = threading.Event()

    def stream():
        yield b"abc"
        go.wait(PATIENCE)
        yield b"def"

    buf = StreamBuffer(stream())
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(buf.read(3, 1))
        except Exception as error:
            outcome.append(type(error))

    # First: who waits for these bytes would be counted again when it waits for the next ones.
    assert buf.read(0, 3) == b"abc"
    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    while buf.stat().waits < 7:
        time.sleep(0.001)
    buf.close()
    # Those that wait are told at once, the one that is inside the stream when that comes back.
    while len(outcome) < 7:
        time.sleep(0.001)
    assert outcome == [spoolbuf.CanceledError] * 7
    go.set()
    for thread in threads:
        thread.join()
    assert outcome == [spoolbuf.CanceledError] * 8


def test_a_timeout_holds_whatever_the_stream_does() -> None:
    go = threading.Event()

    def stream():
        go.wait(PATIENCE)
        yield b"abc"

    with StreamBuffer(stream()) as buf:
        with pytest.raises(TimeoutError):
            buf.read_some(0, 1, timeout=0.01)
        go.set()
        assert buf.read_some(0, 1, timeout=PATIENCE) == b"a"


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="not a free-threaded Python"
)
def test_the_gil_is_off() -> None:
    """Or the tests with threads would show nothing that they don't show elsewhere."""
    assert not sys._is_gil_enabled()


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="a free-threaded Python"
)
def test_only_bytes_in_memory_are_read_without_letting_go_of_the_gil(tmp_path: Path) -> None:
    buf = StreamBuffer(chunks(200_000))
    assert buf[:] == data(0, 200_000)
    file = buf.open(0)
    begin, ran = threading.Lock(), threading.Event()

    def runs_on(read: Callable[[], object], limit: int) -> bool:
        """Whether another thread comes to run while this one reads, and does nothing else."""

        def other() -> None:
            with begin:
                ran.set()

        ran.clear()
        begin.acquire()
        thread = threading.Thread(target=other)
        thread.start()
        begin.release()
        for _ in range(limit):
            read()
            if ran.is_set():
                break
        came = ran.is_set()
        thread.join()
        return came

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        assert not runs_on(lambda: buf.read(3, 65536), 1000)
        assert not runs_on(lambda: buf.readinto(3, bytearray(1000)), 1000)
        assert not runs_on(lambda: buf.read_some(3, 1000, timeout=0), 1000)
        assert not runs_on(lambda: file.seek(3) and file.read(1000), 1000)
        assert runs_on(lambda: buf.read(3, 65537), 1_000_000)
        buf.spill()
        assert runs_on(lambda: buf.read(3, 1000), 1_000_000)
        assert buf.read(3, 1000) == data(3, 1000)
        linked = StreamBuffer(chunks(200_000))
        linked.save(tmp_path / "file", link=True)
        assert runs_on(lambda: linked.read(3, 1000), 1_000_000)
        larger = StreamBuffer(chunks(200_000), max_size=100_000)
        assert len(larger[:]) == 200_000
        assert runs_on(lambda: larger.read(3, 1000), 1_000_000)
    finally:
        sys.setswitchinterval(interval)


def test_a_prefetch_refills_from_its_low_mark() -> None:
    buf = StreamBuffer(chunks(1_000_000, 1000), prefetch=100_000, prefetch_low=100_000)
    while buf.buffered(0) < 100_000:
        time.sleep(0.001)
    assert buf.read(20_000, 1) == data(20_000, 1)
    # By default it rests as long as half is ahead.
    while buf.buffered(0) < 120_000:
        time.sleep(0.001)
