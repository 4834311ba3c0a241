"""What a buffer is as an object: collected, referred to, copied, searched, closed in the middle."""

from __future__ import annotations

import copy
import gc
import gzip
import io
import os
import pickle
import sys
import threading
import time
import traceback
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import spoolbuf
from spoolbuf import StreamBuffer, _source
from places import at_each_place
from scripted import Reads
from support import PATIENCE, chunks, data


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_neither_copied_nor_pickled(copied) -> None:
    buf = StreamBuffer(io.BytesIO(b"abc"))
    for thing in (buf, buf.open(), buf.open(0)):
        with pytest.raises(TypeError, match="cannot pickle"):
            copied(thing)
    assert buf[:] == b"abc"


def test_neither_searched_nor_reversed() -> None:
    buf = StreamBuffer([b"abc", b"def"], 6)
    with pytest.raises(TypeError):
        b"cd" in buf  # type: ignore[operator]
    with pytest.raises(TypeError):
        reversed(buf)  # type: ignore[call-overload]


def test_weak_references_and_identity() -> None:
    buf = StreamBuffer([b"abc"])
    gone = weakref.ref(buf)
    assert buf == buf != StreamBuffer([b"abc"]) and len({buf, buf}) == 1
    del buf
    assert gone() is None


def test_a_cycle_through_the_generator_is_collected() -> None:
    ended = []

    def make() -> weakref.ref[StreamBuffer]:
        def stream(holds):
            try:
                yield b"abc"
                yield bytes(len(holds))
            finally:
                ended.append(True)

        holds: list[StreamBuffer] = []
        buf = StreamBuffer(stream(holds))
        holds.append(buf)
        buf.read(0, 1)
        return weakref.ref(buf)

    gone = make()
    gc.collect()
    assert gone() is None
    assert ended == [True]


def test_a_cycle_through_the_exception_is_collected() -> None:
    def make() -> weakref.ref[StreamBuffer]:
        def stream():
            raise KeyError("mine")
            yield b""

        buf = StreamBuffer(stream())
        with pytest.raises(KeyError):
            buf.read(0, 1)
        return weakref.ref(buf)

    gone = make()
    gc.collect()
    assert gone() is None


def test_a_generator_is_collected_while_the_helper_is_inside_it() -> None:
    inside, go, ended = threading.Event(), threading.Event(), threading.Event()

    def stream():
        try:
            yield b"abc"
            inside.set()
            go.wait(PATIENCE)
            yield b"def"
        finally:
            ended.set()

    buf = StreamBuffer(stream(), prefetch=100)
    assert inside.wait(PATIENCE)
    # Returns at once; the generator is closed when it has come back.
    del buf
    assert not ended.is_set()
    go.set()
    # Not in one wait: in Python 3.13t the thread that made the generator has to run to end it.
    while not ended.is_set():
        time.sleep(0.01)


def test_reads_race_a_close() -> None:
    for round in range(100):
        buf = StreamBuffer(chunks(100_000, 1000), max_size=10_000)
        start = threading.Barrier(5)
        wrong: list[object] = []

        def read(number: int) -> None:
            start.wait()
            place = number * 1000
            try:
                while True:
                    if buf.read(place, 500) != data(place, 500):
                        wrong.append(place)
                    buf.stat(), buf.ranges(), repr(buf), buf.size
                    place = (place + 500) % 90_000
            except (spoolbuf.InvalidError, spoolbuf.CanceledError) as error:
                if "closed" not in str(error):
                    wrong.append(error)
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        start.wait()
        if round % 2:
            buf.read(50_000, 1)
        buf.close()
        for thread in threads:
            thread.join()
        assert not wrong


def test_cancel_is_not_cleared_by_who_goes_on() -> None:
    buf = StreamBuffer([b"abc"])
    buf.cancel()
    buf._go_on()
    with pytest.raises(spoolbuf.CanceledError):
        buf.read(0, 1)
    buf.resume()
    assert buf[:] == b"abc"


def test_an_infinite_timeout_is_none() -> None:
    buf = StreamBuffer([b"abc"])
    assert buf.read_some(0, 5, timeout=float("inf")) == b"abc"
    assert not buf.stat().helper
    with pytest.raises(ValueError):
        buf.read_some(3, 1, timeout=float("nan"))


@pytest.mark.parametrize("timeout", [2**64 / 1000, 1e306, 10**400], ids=["wraps", "inf", "int"])
def test_a_timeout_longer_than_c_can_take(timeout: float) -> None:
    """It does not wrap, and does not become one of a moment."""
    goes_on = threading.Event()

    def stream() -> Iterator[bytes]:
        yield b"abc"
        assert goes_on.wait(PATIENCE)
        yield b"def"

    buf = StreamBuffer(stream())
    assert buf.read_some(0, 5, timeout=timeout) == b"abc"
    threading.Timer(0.1, goes_on.set).start()
    file = buf.open(0, timeout=timeout)
    file.seek(3)
    assert file.read(3) == b"def"
    assert buf.find_size(timeout=timeout) == 6
    target = io.BytesIO()
    assert buf.save(target, timeout=timeout) == 6


def test_a_file_that_unpacks_is_not_unpacked_to_know_its_size(tmp_path: Path) -> None:
    whole = data(0, 1_000_000)
    packed = gzip.compress(whole)

    class Counted(io.BytesIO):
        taken = 0

        def read(self, size=-1):
            part = super().read(size)
            Counted.taken += len(part)
            return part

    buf = StreamBuffer(gzip.GzipFile(fileobj=Counted(packed)))
    assert buf.size is None
    assert Counted.taken < 100_000
    assert buf[500_000:500_010] == whole[500_000:500_010]
    assert buf[:] == whole
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("member", whole)
    with zipfile.ZipFile(archive) as again, again.open("member") as member:
        assert StreamBuffer(member)[999_990:] == whole[999_990:]
    path = tmp_path / "file"
    path.write_bytes(whole)
    for buffering in (0, -1):
        with open(path, "rb", buffering) as file:
            file.seek(10)
            assert StreamBuffer(file).size == len(whole) - 10


def test_a_file_that_can_seek_but_not_tell() -> None:
    class Odd(io.BytesIO):
        def tell(self) -> int:
            raise OSError("not here")

    assert StreamBuffer(Odd(b"abc"))[:] == b"abc"


def test_a_cancel_callback_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python reports what it raises; the waiting call ends all the same."""
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(args.exc_value))
    go = threading.Event()

    def cancel() -> None:
        go.set()
        raise KeyError("mine")

    def stream():
        yield b"abc"
        go.wait(PATIENCE)
        yield b"def"

    buf = StreamBuffer(stream(), cancel=cancel)
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(buf.read(3, 1))
        except BaseException as error:
            outcome.append(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    while buf.stat().pulls < 2:
        pass
    buf.cancel()
    thread.join()
    assert outcome == [spoolbuf.CanceledError]
    assert reported and isinstance(reported[0], KeyError)


def test_the_traceback_is_the_streams_however_often_it_is_raised() -> None:
    def stream():
        yield b"abc"
        raise KeyError("mine")

    with StreamBuffer(stream()) as buf:
        lengths = set()
        for _ in range(5):
            with pytest.raises(KeyError) as caught:
                buf.read(3, 1)
            frames = traceback.extract_tb(caught.value.__traceback__)
            assert frames[-1].name == "stream"
            lengths.add(len(frames))
        assert len(lengths) == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc")
def test_no_descriptor_is_left() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for _ in range(50):
        with StreamBuffer(chunks(100_000), max_size=1000) as buf, buf.open() as file:
            file.read()
    assert count() <= before


def test_an_exception_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each place where Python looks for one: what there is of the source is released quietly."""
    ignored: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: ignored.append(what.exc_value))
    code = _source.Source.__init__.__code__
    places = at_each_place(code, lambda: StreamBuffer(Reads(), close_stream=True), gc.collect)
    assert places > 20 and not ignored
