"""Media libraries play what streams."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable, Literal, Optional

import pytest

from spoolbuf import REACH_AUTO, ShortError, StreamBuffer
from support import PATIENCE, need, skip


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a tone and a test picture, in several containers."""
    there = tmp_path_factory.mktemp("media")
    inputs = ["-f", "lavfi", "-i", "testsrc=d=2:s=160x120:r=10", "-f", "lavfi", "-i", "sine=d=2"]
    files = {
        "last.mp4": inputs + ["-c:v", "mpeg4", "-c:a", "aac"],
        "first.mp4": inputs + ["-c:v", "mpeg4", "-g", "5", "-c:a", "aac", "-movflags", "+faststart"],
        "fragmented.mp4": inputs
        + ["-c:v", "mpeg4", "-g", "5", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"],
        "a.mkv": inputs + ["-c:v", "mpeg4", "-c:a", "flac"],
        "a.flac": inputs[4:] + ["-c:a", "flac"],
        "a.wav": inputs[4:],
    }
    for name, arguments in files.items():
        try:
            command = ["ffmpeg", "-v", "error", "-nostdin", *arguments, str(there / name)]
            subprocess.run(command, check=True, timeout=PATIENCE)
        except FileNotFoundError as error:
            skip("ffmpeg", str(error))
    return there


def streamed(path: Path, declare: bool = True) -> StreamBuffer:
    whole = path.read_bytes()
    parts = (whole[at : at + 3000] for at in range(0, len(whole), 3000))
    return StreamBuffer(parts, len(whole) if declare else None, max_size=20_000)


@pytest.mark.parametrize("name", ["last.mp4", "first.mp4", "a.mkv"])
@pytest.mark.parametrize("declare", [True, False])
def test_pyav(media: Path, name: str, declare: bool) -> None:
    av = need("av")

    def play(file) -> list[int]:
        with av.open(file) as container:
            return [hash(frame.to_ndarray().tobytes()) for frame in container.decode(video=0)]

    need("numpy")
    expected = play(str(media / name))
    assert len(expected) == 20
    buf = streamed(media / name, declare)
    outcome: list[object] = []
    # Two players on one buffer.
    threads = [threading.Thread(target=lambda: outcome.append(play(buf.open()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcome == [expected] * 2


def test_pyav_seeks(media: Path) -> None:
    av = need("av")
    buf = streamed(media / "first.mp4")
    with av.open(buf.open()) as container:
        container.seek(1_000_000)
        frame = next(container.decode(video=0))
        assert 0.5 <= frame.time <= 1.5


@pytest.mark.parametrize("name", ["first.mp4", "a.mkv"])
@pytest.mark.parametrize("declare", [True, False])
def test_pyav_starts_before_everything_has_come(media: Path, name: str, declare: bool) -> None:
    av = need("av")
    whole = (media / name).read_bytes()
    taken = []

    def stream():
        for at in range(0, len(whole), 3000):
            taken.append(at)
            yield whole[at : at + 3000]

    buf = StreamBuffer(stream(), len(whole) if declare else None)
    with av.open(buf.open(reach=0)) as container:
        next(container.decode(video=0))
        assert taken[-1] < len(whole) * 3 // 4
        assert sum(1 for _ in container.decode(video=0)) == 19
    # What is buffered is played again, and sought in.
    with av.open(buf.open(reach=0)) as container:
        container.seek(1_000_000)
        assert next(container.decode(video=0)).time <= 1.5
        container.seek(0)
        assert next(container.decode(video=0)).time == 0
    buf.close()


WRONG: dict[str, Callable[[int], Optional[int]]] = {
    "unknown": lambda size: None,
    "right": lambda size: size,
    "-1": lambda size: size - 1,
    "+1": lambda size: size + 1,
    "half": lambda size: size // 2,
    "double": lambda size: size * 2,
    "0": lambda size: 0,
    "2^40": lambda size: 1 << 40,
}


def filed(path: Path, declared: Optional[int], on_short: Literal["error", "end"]) -> StreamBuffer:
    """A buffer over the file."""
    stream = open(path, "rb")
    return StreamBuffer(stream, declared, max_size=20_000, on_short=on_short, close_stream=True)


def piped(path: Path, declared: Optional[int], on_short: Literal["error", "end"]) -> StreamBuffer:
    """A buffer over a pipe, into which another thread writes the file."""
    out, into = os.pipe()

    def write() -> None:
        with open(into, "wb") as file:
            file.write(path.read_bytes())

    threading.Thread(target=write, daemon=True).start()
    return StreamBuffer(open(out, "rb"), declared, max_size=20_000, on_short=on_short)


def decoded(container, kind: str) -> list[int]:
    """What is seen or heard."""
    return [hash(frame.to_ndarray().tobytes()) for frame in container.decode(**{kind: 0})]


@pytest.mark.parametrize("name", ["first.mp4", "fragmented.mp4", "a.mkv", "a.flac", "a.wav"])
@pytest.mark.parametrize("size", WRONG)
@pytest.mark.parametrize("on_short", ["error", "end"])
@pytest.mark.parametrize("over", [filed, piped])
def test_pyav_with_a_wrong_size(
    media: Path, over: Any, name: str, size: str, on_short: Literal["error", "end"]
) -> None:
    av = need("av")
    need("numpy")
    kind = "audio" if name in ("a.flac", "a.wav") else "video"
    with av.open(str(media / name)) as container:
        expected = decoded(container, kind)
    assert len(expected) >= 19
    actual = (media / name).stat().st_size
    declared = WRONG[size](actual)
    buf = over(media / name, declared, on_short)
    if on_short == "error" and declared is not None and declared > actual:
        # A part is never taken for everything, and neither is everything for a part.
        with pytest.raises(ShortError), av.open(buf.open(reach=REACH_AUTO)) as container:
            decoded(container, kind)
        buf.close()
        return
    with av.open(buf.open(reach=REACH_AUTO)) as container:
        assert decoded(container, kind) == expected
    # All that is buffered is played again, and sought in, as a file is.
    with av.open(buf.open(reach=REACH_AUTO)) as container:
        for _ in range(3):
            container.seek(0)
            assert decoded(container, kind) == expected
    buf.close()


@pytest.mark.parametrize("name", ["a.flac", "a.wav"])
@pytest.mark.parametrize("declare", [True, False])
def test_soundfile(media: Path, name: str, declare: bool) -> None:
    soundfile = need("soundfile")
    expected, rate = soundfile.read(str(media / name), dtype="int16")
    with soundfile.SoundFile(streamed(media / name, declare).open()) as sound:
        assert sound.samplerate == rate
        sound.seek(len(expected) // 2)
        half = sound.read(dtype="int16")
        sound.seek(0)
        again = sound.read(dtype="int16")
    assert half.tobytes() == expected[len(expected) // 2 :].tobytes()
    assert again.tobytes() == expected.tobytes()


def test_a_stream_that_breaks_in_the_middle(media: Path) -> None:
    av = need("av")
    whole = (media / "a.mkv").read_bytes()

    def stream():
        yield whole[: len(whole) // 2]
        raise ConnectionResetError("cut")

    with pytest.raises(ConnectionResetError), av.open(StreamBuffer(stream()).open()) as container:
        for _ in container.decode(video=0):
            pass
