"""The interpreter's end, forks, subinterpreters: nothing hangs or crashes."""

from __future__ import annotations

import os
import sys

import pytest

from spoolbuf import _interpreter
from programs import run


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
        from support import PATIENCE, chunks, data
        go = threading.Event()
        def stream():
            go.wait(PATIENCE)
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


def test_which_interpreter() -> None:
    assert _interpreter.is_main
