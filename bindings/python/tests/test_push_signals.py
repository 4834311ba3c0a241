"""Signals while a push buffer blocks, and a fork: each in a program of its own."""

from __future__ import annotations

import os
import signal
import sys
import textwrap

import pytest

from programs import Program


def program(code: str) -> Program:
    """A program with a push buffer whose pusher can't go on."""
    start = """
    import os, signal, sys, threading, time
    from spoolbuf import PushBuffer
    push = PushBuffer(ahead=1)
    push.push(0, b"b")
    def waits(name):
        # Says so once the main thread is inside this function.
        main = threading.main_thread().ident
        def watch():
            while True:
                frame = sys._current_frames()[main]
                while frame is not None:
                    if frame.f_code.co_name == name:
                        os.write(1, b"waits\\n")
                        return
                    frame = frame.f_back
                time.sleep(0.001)
        threading.Thread(target=watch, daemon=True).start()
    """
    return Program(textwrap.dedent(start) + textwrap.dedent(code))


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_cannot_push() -> None:
    # On its own, since this process has threads.
    code = """
    from spoolbuf import InvalidError
    push = PushBuffer()
    held = threading.Event()
    def hold():
        # What a thread of the parent is inside of, the child never leaves.
        with push._pusher.resuming():
            held.set()
            time.sleep(3600)
    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    child = os.fork()
    if child:
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    for call in (lambda: push.push(0, b""), lambda: push.fail(KeyError()), push.retry, push.resume):
        try:
            call()
        except InvalidError as error:
            assert "parent" in str(error)
        else:
            os._exit(1)
    os._exit(0)
    """
    status, errors = program(code).end()
    assert status == 0, errors


@posix
@pytest.mark.parametrize(
    "call",
    [
        "push.push(1, b'ytes')",
        "push.push(1, b'ytes', timeout=3600)",
        "push.read(1, 10)",
        "push.read_some(1, 10, timeout=3600)",
        "push.open(0).readall()",
    ],
)
def test_ctrl_c(call: str) -> None:
    name = "_push" if ".push(" in call else "_wait"
    # An interpreter that ends closes the buffer first.
    running = program(f"waits({name!r})\n{call}")
    running.hear("waits")
    running.process.send_signal(signal.SIGINT)
    status, errors = running.end()
    assert status == -signal.SIGINT, errors
    assert errors.rstrip().endswith("KeyboardInterrupt") and f"in {name}" in errors, errors


@posix
def test_a_handler_runs_meanwhile_and_the_push_goes_on() -> None:
    running = program(
        """
        def handler(number, frame):
            threading.Thread(target=push.read, args=(0, 100)).start()
        signal.signal(signal.SIGUSR1, handler)
        waits("_push")
        assert push.push(1, bytes(99)) == 99
        """
    )
    running.hear("waits")
    running.process.send_signal(signal.SIGUSR1)
    status, errors = running.end()
    assert (status, errors) == (0, ""), errors


@posix
def test_after_a_ctrl_c_the_same_bytes_are_pushed_again() -> None:
    running = program(
        """
        waits("_push")
        try:
            push.push(0, b"bytes")
        except KeyboardInterrupt:
            threading.Thread(target=push.read, args=(0, 5)).start()
            assert push.push(0, b"bytes") == 5
            assert push.read(0, 5) == b"bytes"
            os.write(1, b"went on\\n")
        """
    )
    running.hear("waits")
    running.process.send_signal(signal.SIGINT)
    running.hear("went on")
    status, errors = running.end()
    assert status == 0, errors


@posix
def test_what_a_handler_raises_after_the_first_bytes() -> None:
    """It is raised, and the bytes stay: the pusher does not know of it."""
    running = program(
        """
        class Alarm(Exception): pass
        def handler(number, frame):
            raise Alarm
        signal.signal(signal.SIGUSR1, handler)
        waits("_wait")
        try:
            part = push.read(0, 10)
        except Alarm:
            assert push.read(0, 1) == b"b"
        else:
            raise SystemExit(f"lost, with {part}")
        """
    )
    running.hear("waits")
    running.process.send_signal(signal.SIGUSR1)
    status, errors = running.end()
    assert (status, errors) == (0, ""), errors
