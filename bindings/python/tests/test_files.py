"""`open()`: what expects a file gets one."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import struct
import threading
import time
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import spoolbuf
from spoolbuf import StreamBuffer, TimedOutError
from support import PATIENCE, chunks, data, need

SIZE = 300_000


def in_chunks(whole: bytes, chunk: int = 1000):
    return (whole[at : at + chunk] for at in range(0, len(whole), chunk))


@pytest.mark.parametrize("buffering", [0, 1, 17, 65536])
def test_against_a_real_file(buffering: int) -> None:
    rng = random.Random(buffering)
    ours = StreamBuffer(chunks(SIZE, 777), max_size=10_000).open(buffering)
    real = io.BytesIO(data(0, SIZE))
    for _ in range(1000):
        if rng.random() < 0.5:
            whence = rng.choice([0, 1, 2])
            offset = rng.randrange(0, SIZE + 100) if whence == 0 else rng.randrange(-SIZE, SIZE)
            try:
                expected = real.seek(offset, whence)
            except ValueError:
                continue
            if expected == 0 and offset:
                # BytesIO stops at the start; files raise.
                real.seek(ours.tell())
                continue
            assert ours.seek(offset, whence) == expected
        else:
            size = rng.choice([0, 1, 10, 5000])
            got = ours.read(size)
            assert got == real.read(len(got))
            assert buffering == 0 or len(got) == size or not real.read(1)
            real.seek(ours.tell())
    ours.seek(0)
    assert ours.readline() == data(0, SIZE).split(b"\n")[0] + b"\n"
    assert ours.readable() and ours.seekable() and not ours.writable()


def test_seek_refuses() -> None:
    for file in (StreamBuffer([b"abc"]).open(), StreamBuffer([b"abc"]).open(0)):
        with pytest.raises(ValueError):
            file.seek(-1)
        with pytest.raises(ValueError):
            file.seek(0, 7)
        assert file.seek(-1, 2) == 2
        assert file.read() == b"c"
        file.close()
        for use in (file.read, file.tell, lambda: file.seek(0)):
            with pytest.raises(ValueError):
                use()


def test_independent_files_on_one_buffer() -> None:
    buf = StreamBuffer(chunks(SIZE, 777), max_size=10_000)
    files = [buf.open() for _ in range(4)]
    digests = [b""] * 4

    def work(number: int) -> None:
        digest = hashlib.sha256()
        while part := files[number].read(1000 * number + 100):
            digest.update(part)
        digests[number] = digest.digest()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(digests) == {hashlib.sha256(data(0, SIZE)).digest()}


def test_cancel_stops_one_file_alone() -> None:
    go = threading.Event()

    def stream():
        yield b"abc"
        go.wait(PATIENCE)
        yield b"def"

    buf = StreamBuffer(stream())
    buf.prefetch()
    one, other = buf.open(), buf.open()
    outcome: dict[str, object] = {}

    def wait(name: str, file: spoolbuf.StreamFile) -> None:
        try:
            outcome[name] = file.read(6)
        except Exception as error:
            outcome[name] = error

    threads = [
        threading.Thread(target=wait, args=("one", one)),
        threading.Thread(target=wait, args=("other", other)),
    ]
    for thread in threads:
        thread.start()
    while buf.stat().waits < 2 or buf.stat().frontier < 3:
        pass
    one.cancel()
    threads[0].join()
    # What it had in hand first; then the stop.
    assert outcome["one"] == b"abc"
    with pytest.raises(spoolbuf.CanceledError):
        one.read(1)
    go.set()
    threads[1].join()
    assert outcome["other"] == b"abcdef"
    one.resume()
    assert one.read() == b"def"


def test_bytes_before_an_error_come_first() -> None:
    def stream():
        yield b"line\nabc"
        raise ConnectionError("cut")

    file = StreamBuffer(stream()).open()
    assert file.read(100) == b"line\nabc"
    for _ in range(2):
        with pytest.raises(ConnectionError):
            file.read(1)
    file.seek(0)
    assert file.read(100) == b"line\nabc"
    file.seek(0)
    assert file.readline() == b"line\n"


LINES = b"first\nsecond-half-rest\nthird\n"


class Interrupted:
    """Fails once in the middle of a line."""

    def __init__(self, error: Exception) -> None:
        self.parts: list[object] = [b"first\nsecond-half", error, b"-rest\nthird\n"]

    def read(self, size: int) -> object:
        part = self.parts.pop(0) if self.parts else b""
        if isinstance(part, Exception):
            raise part
        return part


def into(file: Any, how: str) -> bytes:
    room = bytearray(25)
    return bytes(room[: getattr(file, how)(room)])


@pytest.mark.parametrize("buffering", [2, 8192])
@pytest.mark.parametrize(
    "call",
    [
        lambda file: file.readline(),
        lambda file: next(file, b""),
        lambda file: b"".join(file.readlines()),
        lambda file: into(file, "readinto"),
        lambda file: file.read(25),
        lambda file: file.read(1),
        lambda file: file.read(),
        lambda file: file.readline(3),
    ],
)
def test_no_call_passes_bytes_over(call: Callable[[Any], bytes], buffering: int) -> None:
    buf = StreamBuffer(Interrupted(TimeoutError("slow")), size=len(LINES))
    file = buf.open(buffering)
    got, errors = b"", 0
    while True:
        place = file.tell()
        try:
            part = call(file)
        except TimeoutError:
            # Nothing was returned, so nothing is passed.
            errors += 1
            assert file.tell() == place
            buf.resume()
            continue
        if not part:
            break
        assert file.tell() == place + len(part)
        got += part
    assert got == LINES and errors == 1


@pytest.mark.parametrize("name", ["read1", "peek", "readinto1"])
def test_what_takes_what_is_there(name: str) -> None:
    buf = StreamBuffer(Interrupted(TimeoutError("slow")), size=len(LINES))
    file = buf.open()
    call = (lambda: into(file, name)) if name == "readinto1" else getattr(file, name)
    assert call() == LINES[:17] and file.tell() == (0 if name == "peek" else 17)
    file.seek(17)
    with pytest.raises(TimeoutError):
        call()
    assert file.tell() == 17
    buf.resume()
    assert call() == LINES[17:]


def test_a_cancel_in_the_middle_of_a_line() -> None:
    go = threading.Event()

    def stream() -> Iterator[bytes]:
        yield LINES[:17]
        go.wait(PATIENCE)
        yield LINES[17:]

    buf = StreamBuffer(stream())
    buf.prefetch()
    for call in (
        lambda file: file.readline(),
        lambda file: file.readinto(bytearray(40)),
        lambda file: file.readlines(),
    ):
        file = buf.open()
        file.seek(6)
        outcome: list[object] = []

        def wait() -> None:
            try:
                outcome.append(call(file))
            except Exception as error:
                outcome.append(type(error))

        before = buf.stat().waits
        thread = threading.Thread(target=wait)
        thread.start()
        while buf.stat().waits == before:
            time.sleep(0.001)
        file.cancel()
        thread.join()
        assert outcome == [spoolbuf.CanceledError] and file.tell() == 6
    go.set()
    file.resume()
    assert file.readline() == b"second-half-rest\n"


def test_against_a_text_file() -> None:
    text = "".join(f"{number} and so on\n" for number in range(5000))
    with io.TextIOWrapper(StreamBuffer(in_chunks(text.encode())).open(), "utf-8") as file:
        assert list(file) == text.splitlines(keepends=True)
    whole = data(0, SIZE)
    for buffering in (2, 100, 8192):
        file = StreamBuffer(chunks(SIZE, 777), max_size=10_000).open(buffering)
        assert list(file) == io.BytesIO(whole).readlines()
        file.seek(5)
        assert whole[5:].startswith(file.peek(1)) and file.peek(1) and file.tell() == 5
        part = file.read1(7)
        assert part == whole[5 : 5 + len(part)] and part and file.read1(0) == b""
        assert file.readlines(1000) and file.readline(0) == b""


def test_the_modes_of_open() -> None:
    buf = StreamBuffer(b"abc")
    for file in (buf.open("rb"), buf.open("rb", 5), buf.open("rb", buffering=-1), buf.open(-1)):
        assert isinstance(file, spoolbuf.StreamFile)
        assert (file.mode, file.name, file.read()) == ("rb", "<StreamBuffer>", b"abc")
    assert isinstance(buf.open("rb", 0), spoolbuf.RawStreamFile)
    for mode in ("r", "wb", "rb+", "rt", ""):
        with pytest.raises(ValueError, match="TextIOWrapper|read only"):
            buf.open(mode)


def test_a_file_has_the_streams_name(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"abc")
    with open(path, "rb") as file:
        assert StreamBuffer(file).open().name == str(path)
    assert StreamBuffer(StreamBuffer(b"abc")).open(0).name == "<StreamBuffer>"


def test_who_takes_the_buffer_for_a_file_is_told() -> None:
    buf = StreamBuffer(b"abc")
    with pytest.raises(TypeError, match="open"):
        shutil.copyfileobj(buf, io.BytesIO())  # type: ignore[arg-type]
    for call in (lambda: buf.read(5), lambda: buf.read(size=5), lambda: buf.read(-1)):
        with pytest.raises(TypeError, match="open"):
            call()
    out = io.BytesIO()
    shutil.copyfileobj(buf.open(), out)
    assert out.getvalue() == b"abc"


def test_pandas() -> None:
    pandas = need("pandas")
    buf = StreamBuffer([b"a,b\n1,2\n"])
    with pytest.raises(TypeError, match="open"):
        pandas.read_csv(buf)
    assert pandas.read_csv(buf.open()).values.tolist() == [[1, 2]]


def test_a_file_keeps_its_buffer() -> None:
    file = StreamBuffer(chunks(SIZE)).open()
    assert file.read() == data(0, SIZE)


def test_wave() -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setparams((2, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"".join(struct.pack("<hh", n % 3000, -n % 3000) for n in range(20_000)))
    with wave.open(StreamBuffer(in_chunks(out.getvalue())).open()) as sound:
        assert sound.getnframes() == 20_000
        sound.setpos(10_000)
        assert sound.readframes(1) == struct.pack("<hh", 10_000 % 3000, -10_000 % 3000)


@pytest.mark.parametrize("size", [None, True])
def test_zipfile(size: object) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}", data(number * 1000, 20_000))
    whole = out.getvalue()
    buf = StreamBuffer(in_chunks(whole), size=len(whole) if size else None, max_size=10_000)
    with zipfile.ZipFile(buf.open()) as archive:
        assert archive.testzip() is None
        assert archive.read("7") == data(7000, 20_000)


def test_pillow() -> None:
    image = need("PIL.Image")
    picture = image.frombytes("RGB", (200, 100), data(0, 60_000))
    for kind in ("PNG", "BMP", "TIFF"):
        out = io.BytesIO()
        picture.save(out, kind)
        with StreamBuffer(in_chunks(out.getvalue())).open() as file, image.open(file) as again:
            assert again.tobytes() == picture.tobytes()


def test_a_file_with_a_timeout() -> None:
    goes_on = threading.Event()

    def stream() -> Iterator[bytes]:
        yield data(0, 100_000)
        assert goes_on.wait(PATIENCE)
        yield data(100_000, 1000)

    buf = StreamBuffer(stream())
    now, soon = buf.open(timeout=0), buf.open(0, timeout=0.05)
    with pytest.raises(TimedOutError):
        now.read(1)
    assert buf.stat().pulls == 0
    assert buf.open(timeout=PATIENCE).read(100_000) == data(0, 100_000)
    # Buffered bytes need no time.
    assert soon.read(10) == data(0, 10) == now.read(10)
    soon.seek(100_000)
    for _ in range(2):
        with pytest.raises(TimedOutError):
            soon.read(1)
    with pytest.raises(TimedOutError):
        soon.seek(0, 2)
    # The bytes before it.
    now.seek(99_990)
    assert now.read(20) == data(99_990, 10)
    goes_on.set()
    assert buf.open(timeout=PATIENCE).seek(0, 2) == 101_000
    assert soon.read(10) == data(100_000, 10)
    with pytest.raises(ValueError, match="negative"):
        buf.open(timeout=-1)


def test_a_file_of_buffered_bytes_only() -> None:
    whole = io.BytesIO(data(0, 1_000_000))
    with StreamBuffer(whole, size=1_000_000, prefetch=100_000) as buf:
        play = buf.open()
        assert play.read(10) == data(0, 10)
        while buf.buffered() < 100_000:
            time.sleep(0.001)
        peek = buf.open(buffered_only=True)
        for place in range(200_000, 1_000_000, 8000):
            peek.seek(place)
            for read in (peek.read, peek.read1, peek.peek, peek.readline):
                with pytest.raises(TimedOutError):
                    read(100)
            peek.seek(99_000)
            assert peek.read(1000) == data(99_000, 1000)
        # The prefetch goes its own way, and may not have come to its end yet.
        (buffered,) = buf.ranges()
        assert buf.stat().seeks == 0 and buffered.start == 0 and buffered.stop < 200_000
        # It waits for what comes for others.
        waits = buf.open(buffered_only=True, timeout=PATIENCE)
        waits.seek(500_000)
        other = threading.Timer(0.05, buf.read, (500_000, 10))
        other.start()
        assert waits.read(10) == data(500_000, 10)
        other.join()
