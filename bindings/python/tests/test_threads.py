"""The GIL, threads, the interpreter's end, subinterpreters, forks: nothing hangs or crashes."""

from __future__ import annotations

import os
import random
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import spoolbuf
from spoolbuf import StreamBuffer, _interpreter
from programs import run
from support import chunks, data


def together(count: int, work) -> None:
    """Runs `work(number)` on so many threads; what one raises is raised here."""
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
        assert go.wait(60)
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
        go.wait(60)
        yield b"def"

    buf = StreamBuffer(stream())
    outcome: list[object] = []

    def wait() -> None:
        try:
            outcome.append(buf.read(3, 1))
        except Exception as error:
            outcome.append(type(error))

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
        go.wait(60)
        yield b"abc"

    with StreamBuffer(stream()) as buf:
        with pytest.raises(TimeoutError):
            buf.read_some(0, 1, timeout=0.01)
        go.set()
        assert buf.read_some(0, 1, timeout=60) == b"a"


@pytest.mark.parametrize(
    "how", ["prefetch", "timeout", "daemon", "waiting", "blocked", "stuck", "dropped"]
)
def test_the_interpreter_ends_while_a_stream_runs(how: str) -> None:
    program = """
        import sys, threading, time
        from spoolbuf import StreamBuffer
        how = sys.argv[1]
        pause = {"blocked": 1.0, "stuck": 3600.0, "waiting": 1.0}.get(how, 0.0001)
        def stream():
            yield b"abc"
            while True:
                time.sleep(pause)
                yield bytes(1000)
        buf = StreamBuffer(stream(), max_size=10_000)
        def read():
            place = 0
            while True:
                place += len(buf.read(place, 100))
        if how in ("prefetch", "blocked", "stuck", "dropped"):
            buf.prefetch()
        elif how == "timeout":
            try:
                buf.read_some(10_000_000, 1, timeout=0.05)
            except TimeoutError:
                pass
        else:
            for _ in range(8):
                threading.Thread(target=read, daemon=True).start()
            while how == "waiting" and buf.stat().waits < 7:
                time.sleep(0.001)
        buf.read(0, 1)
        if how == "dropped":
            del buf
        print("end")
    """
    # Those that take a second or two do so once.
    for _ in range(1 if how in ("waiting", "blocked", "stuck") else 3):
        assert run(program, how) == "end\n"


def test_a_worker_may_read_on_after_the_main_thread_has_ended() -> None:
    program = """
        import threading, time
        from spoolbuf import StreamBuffer
        from support import chunks, data
        go = threading.Event()
        def stream():
            go.wait(60)
            yield from chunks(100_000)
        buf = StreamBuffer(stream())
        def work():
            while threading.main_thread().is_alive():
                time.sleep(0.001)
            go.set()
            assert buf[:] == data(0, 100_000)
            print("read")
        threading.Thread(target=work).start()
    """
    assert run(program) == "read\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="not on this system")
def test_fork() -> None:
    program = """
        import gc, os, threading, warnings
        warnings.simplefilter("ignore")
        import spoolbuf
        from spoolbuf import StreamBuffer
        from support import chunks, data
        closed = []
        # Its own names: a child may end the generator when modules are empty already.
        def stream(closed=closed, getpid=os.getpid, stop=None):
            try:
                at = 0
                for chunk in chunks(1_000_000):
                    if stop and at <= 300_000 < at + len(chunk):
                        stop()
                    at += len(chunk)
                    yield chunk
            finally:
                closed.append(getpid())
        # The helper is inside the stream at the fork, not on its way in or out: there CPython takes
        # a lock that its own forked child may then wait for in vain (seen on 3.11).
        inside, go = threading.Event(), threading.Event()
        def stop():
            inside.set()
            go.wait()
        buf = StreamBuffer(stream(stop=stop), max_size=10_000, prefetch=100_000)
        file = buf.open()
        buf.read(5000, 10)
        quiet = StreamBuffer(stream())
        quiet.read(0, 1)
        reading = threading.Thread(target=lambda: buf.read(500_000, 10))
        reading.start()
        inside.wait()
        child = os.fork()
        if child == 0:
            for use in (lambda: buf.read(0, 1), lambda: file.read(1), buf.stat):
                try:
                    use()
                except ValueError as error:
                    assert "parent" in str(error), error
                else:
                    raise AssertionError("the parent's buffer was used")
            assert buf.closed
            del file
            buf.close()
            del buf, quiet
            gc.collect()
            assert not closed
            own = StreamBuffer(chunks(1_000_000), max_size=10_000, prefetch=100_000)
            assert own.read(900_000, 10) == data(900_000, 10)
            # Through the interpreter's own end.
            raise SystemExit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        go.set()
        reading.join()
        assert buf[:] == data(0, 1_000_000)
        assert closed == [os.getpid()]
        print("end")
    """
    assert run(program) == "end\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="not on this system")
def test_the_thread_that_forked_is_the_main_one_of_the_child() -> None:
    program = """
        import os, threading, warnings
        warnings.simplefilter("ignore")
        from spoolbuf import _signals
        def fork():
            child = os.fork()
            if child == 0:
                os._exit(0 if _signals.is_main() else 1)
            assert not _signals.is_main()
            print(os.waitpid(child, 0)[1])
        threading.Thread(target=fork).start()
    """
    assert run(program) == "0\n"


def test_threads_that_wait_end_with_the_block_of_the_main_thread() -> None:
    """Those that are no daemons: Python waits for them before it ends anything else."""
    program = """
        import sys, threading, time
        from spoolbuf import CanceledError, StreamBuffer
        go = threading.Event()
        def stream():
            go.wait(3600)
            yield b"abc"
        def read():
            try:
                buf.read(0, 1)
            except CanceledError:
                sys.stdout.write("canceled\\n")
        with StreamBuffer(stream(), cancel=go.set) as buf:
            for _ in range(8):
                threading.Thread(target=read).start()
            while buf.stat().waits < 7:
                time.sleep(0.001)
    """
    assert run(program) == "canceled\n" * 8


SUBINTERPRETER = """
    import sys, textwrap
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    code = '''
    import sys
    sys.path[:0] = {path!r}
    try:
        import spoolbuf
    except ImportError as error:
        # Python 3.12 has no ctypes in an interpreter with a GIL of its own.
        assert "_ctypes" in str(error), error
        print("no ctypes", flush=True)
    else:
        from spoolbuf import StreamBuffer
        from support import chunks, data
        buf = StreamBuffer(chunks(1_000_000), max_size=10_000)
        assert buf.read(500_000, 10) == data(500_000, 10)
        assert buf.read_some(0, 1, timeout=0) == data(0, 1)
        for needs in (
            buf.prefetch,
            lambda: buf.read_some(0, 1, timeout=5),
            lambda: StreamBuffer(chunks(10), prefetch=5),
        ):
            try:
                needs()
            except spoolbuf.UnsupportedError as error:
                assert "helper thread" in str(error)
            else:
                raise AssertionError("a helper thread was allowed")
        cache = spoolbuf.Cache(lambda key: chunks(1000))
        assert cache["key"][5:10] == data(5, 5)
        for needs in (
            lambda: cache.open("key", timeout=5),
            lambda: cache.open("key", timeout=0),
            lambda: spoolbuf.Cache(lambda key: chunks(10), prefetch=5),
        ):
            try:
                needs()
            except spoolbuf.UnsupportedError as error:
                assert "helper thread" in str(error)
            else:
                raise AssertionError("a helper thread was allowed")
        def breaks():
            yield b"abc"
            raise KeyError("mine")
        try:
            StreamBuffer(breaks()).read(3, 1)
        except KeyError:
            print("works", flush=True)
        # Both alive when the interpreter ends, one in the middle of its generator.
        kept = StreamBuffer(chunks(1_000_000))
        kept.read(0, 10)
        file = kept.open()
    '''
    code = textwrap.dedent(code).format(path=sys.path)
    from spoolbuf import StreamBuffer
    mine = StreamBuffer([b"abc"])
    for _ in range(3):
        if sys.version_info >= (3, 13):
            one = interpreters.create(sys.argv[1])
        else:
            one = interpreters.create(isolated=sys.argv[1] == "isolated")
        failure = interpreters.run_string(one, code)
        if failure is not None:
            sys.exit(str(getattr(failure, "formatted", failure)))
        interpreters.destroy(one)
    assert mine[:] == b"abc"
    print("end")
"""


@pytest.mark.parametrize("kind", ["legacy", "isolated"])
def test_a_subinterpreter_that_ends(kind: str) -> None:
    """From 3.12 on an isolated one has a GIL of its own."""
    absent = kind == "isolated" and (3, 12) <= sys.version_info < (3, 13)
    outcome = "no ctypes\n" if absent else "works\n"
    assert run(SUBINTERPRETER, kind) == outcome * 3 + "end\n"


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


def test_which_interpreter() -> None:
    assert _interpreter.is_main


def test_a_prefetch_refills_from_its_low_mark() -> None:
    buf = StreamBuffer(chunks(1_000_000, 1000), prefetch=100_000, prefetch_low=100_000)
    while buf.buffered(0) < 100_000:
        time.sleep(0.001)
    assert buf.read(20_000, 1) == data(20_000, 1)
    # By default it rests as long as half is ahead.
    while buf.buffered(0) < 120_000:
        time.sleep(0.001)
