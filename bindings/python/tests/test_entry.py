"""Exceptions where C enters Python: never bytes, never the end, and Ctrl-C's handler stays.

Each program makes them come at any instruction whatsoever, those of the callback's entry among them.
"""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import textwrap

import pytest

from support import skip
from throwing import none_wrong

START = """
import functools, signal, sys, time
from spoolbuf import StreamBuffer
from support import data
from throwing import Stop, at_depth, report, throw_into
W = data(0, 200_000)

class Source:
    # Written in C, so that it loses nothing by itself: that is not what is looked for here.
    def __init__(self):
        parts = [W[at : at + 64] for at in range(0, len(W), 64)]
        self.read = functools.partial(next, iter(parts))

def read_all(counts):
    buf = StreamBuffer(Source(), size=len(W), read_granularity=0)
    at = 0
    while at < len(W):
        try:
            part = buf.read(at, 64)
            if part != W[at : at + 64]:
                counts[1] += 1
                return
            at += 64
        except Stop:
            counts[0] += 1
            buf.resume()
"""


def run(code: str) -> None:
    none_wrong(START, code)


def test_exceptions_from_another_thread() -> None:
    """As a job queue's time limit throws them."""
    run("report(throw_into(read_all)[1])")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["ALRM", "VTALRM", "PROF"])
def test_a_handler_that_raises(name: str) -> None:
    timers = {"ALRM": "REAL", "VTALRM": "VIRTUAL", "PROF": "PROF"}
    assert hasattr(signal, f"SIG{name}")
    run(
        f"""
        def handler(number, frame):
            # Not where this program itself is between its `try`s.
            while frame is not None:
                if frame.f_code is read_all.__code__:
                    raise Stop
                frame = frame.f_back
        signal.signal(signal.SIG{name}, handler)
        counts = [0, 0]
        signal.setitimer(signal.ITIMER_{timers[name]}, 0.003, 0.003)
        until = time.monotonic() + 1
        while counts[0] < 100 or time.monotonic() < until:
            try:
                read_all(counts)
            except Stop:
                counts[0] += 1
        signal.setitimer(signal.ITIMER_{timers[name]}, 0)
        report(counts[1])
        """
    )


def test_the_recursion_limit() -> None:
    run(
        """
        wrong = seen = 0
        sys.setrecursionlimit(400)
        for depth in range(300, 400):
            buf = StreamBuffer(Source())
            try:
                part = at_depth(depth, lambda: buf.read(0, 100))
            except Exception:
                seen += 1
                part = b""
            wrong += part != W[: len(part)]
            # And it goes on: nothing of the way in is left broken.
            buf.resume()
            wrong += buf.read(0, 2000) != W[:2000]
        sys.setrecursionlimit(1000)
        assert seen > 5
        report(wrong)
        """
    )


def test_memory_that_is_not_there() -> None:
    if not importlib.util.find_spec("_testcapi"):
        skip("_testcapi", "this Python is without its own tests")
    run(
        """
        import _testcapi
        wrong = seen = 0
        for nth in range(200):
            buf = StreamBuffer(Source(), read_granularity=0)
            buf.read(0, 64)
            part = b""
            _testcapi.set_nomemory(nth, nth + 1)
            try:
                part = buf.read(64, 64)
            except BaseException:
                seen += 1
            finally:
                _testcapi.remove_mem_hooks()
            wrong += part != W[64 : 64 + len(part)]
            buf.resume()
            try:
                rest = buf.read(0, 1000)
                wrong += rest != W[: len(rest)] or not rest
            except Exception:
                pass
        assert seen > 20
        report(wrong)
        """
    )


def test_what_patches_threads_is_refused() -> None:
    """Else a greenlet that waits in C would stop all of them for ever."""
    if not importlib.util.find_spec("gevent"):
        skip("gevent", "not installed")
    program = """
        from gevent import monkey
        monkey.patch_all({how})
        {then}
        try:
            import spoolbuf
            spoolbuf.StreamBuffer([b"abc"])
        except ImportError as error:
            assert "gevent" in str(error), error
        else:
            assert {fine}
            assert spoolbuf.StreamBuffer([b"abc"])[:] == b"abc"
    """
    for how, first, fine in (("", False, False), ("", True, False), ("thread=False", False, True)):
        code = textwrap.dedent(program).format(how=how, then="", fine=fine)
        code = "import spoolbuf\n" + code if first else code
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
