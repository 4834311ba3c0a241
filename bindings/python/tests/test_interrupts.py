"""Ctrl-C, and any other signal, while the main thread waits for what another thread is to bring.

Each in a program of its own, whose stream never goes on: only the signal ends the wait.
"""

from __future__ import annotations

import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Optional

import pytest

from programs import Program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

START = """
import asyncio, os, signal, sys, threading, time
from spoolbuf import StreamBuffer
stuck = threading.Event()
def stream():
    yield b"abc"
    stuck.wait(3600)
    yield bytes(100_000)
buf = StreamBuffer(stream())
def elsewhere():
    threading.Thread(target=lambda: buf.read(3, 1), daemon=True).start()
    while buf.stat().pulls < 2:
        time.sleep(0.001)
def waits():
    # Says so once the main thread waits in C, or as near to it as can be seen.
    before = buf.stat().waits
    def watch():
        while buf.stat().waits == before:
            time.sleep(0.001)
        # Not by `print`, whose lock a thread may have when the interpreter ends.
        os.write(1, b"waits\\n")
    threading.Thread(target=watch, daemon=True).start()
async def awaits(read):
    # No thread waits.
    task = asyncio.ensure_future(read)
    await asyncio.sleep(0)
    os.write(1, b"waits\\n")
    await task
"""

WAYS = {
    "prefetch": "buf.prefetch(); waits(); buf.read(3, 10)",
    "another thread": "elsewhere(); waits(); buf.read(3, 10)",
    "timeout": "waits(); buf.read_some(3, 10, timeout=3600)",
    "some": "elsewhere(); waits(); buf.read_some(3, 10)",
    "into": "elsewhere(); waits(); buf.readinto(3, bytearray(10))",
    "across": "elsewhere(); waits(); buf.read(0, 10)",
    "to the end": "elsewhere(); waits(); buf.read()",
    "size": "elsewhere(); waits(); buf[-1]",
    "iteration": "elsewhere(); waits(); list(buf)",
    "file": "elsewhere(); file = buf.open(); waits(); file.read(10)",
    "raw file": "elsewhere(); file = buf.open(0); file.seek(3); waits(); file.read(10)",
    "line": "elsewhere(); file = buf.open(); waits(); file.readline()",
    "save": "elsewhere(); waits(); buf.save('file')",
    "save to a file": "buf.prefetch(); waits(); buf.save(sys.stdout.fileno())",
    "await": "elsewhere(); asyncio.run(awaits(buf.aread(3, 10)))",
}


class Stuck(Program):
    """A program with a buffer whose stream never goes on."""

    def __init__(self, code: str, cwd: Optional[Path] = None) -> None:
        super().__init__(START + textwrap.dedent(code), cwd)


def test_ctrl_c(tmp_path: Path) -> None:
    # All at once: each takes two seconds for its end, in which it waits for the stream.
    programs = {way: Stuck(code, tmp_path) for way, code in WAYS.items()}
    for program in programs.values():
        program.hear("waits")
        program.process.send_signal(signal.SIGINT)
    for way, program in programs.items():
        status, errors = program.end()
        assert status == -signal.SIGINT, (way, status, errors)
        assert errors.rstrip().endswith("KeyboardInterrupt"), (way, errors)
        assert "ignored" not in errors, (way, errors)
    assert not list(tmp_path.iterdir())


def test_a_handler_runs_meanwhile_and_the_read_goes_on() -> None:
    """Whatever signal it is; and an event loop's descriptor still hears."""
    program = Stuck(
        """
        import socket
        from support import PATIENCE
        ear, rope = socket.socketpair()
        rope.setblocking(False)
        signal.set_wakeup_fd(rope.fileno())
        came = []
        def handler(number, frame):
            came.append(number)
            # Not by `print`, which one handler can't call while another one is inside it.
            os.write(1, b"handled\\n")
            if number == signal.SIGUSR2:
                stuck.set()
        for number in (signal.SIGUSR1, signal.SIGCHLD, signal.SIGUSR2):
            signal.signal(number, handler)
        elsewhere()
        file = buf.open(0)
        file.seek(3)
        waits()
        assert file.read(10) == bytes(10)
        assert buf.read(0, 5) == b"abc" + bytes(2)
        assert came == [signal.SIGUSR1, signal.SIGCHLD, signal.SIGUSR2], came
        assert signal.getsignal(signal.SIGUSR1) is handler
        assert signal.set_wakeup_fd(-1) == rope.fileno()
        ear.settimeout(PATIENCE)
        heard = b""
        while len(heard) < 3:
            heard += ear.recv(100)
        assert sorted(heard) == sorted(came), heard
        """
    )
    program.hear("waits")
    for number in (signal.SIGUSR1, signal.SIGCHLD, signal.SIGUSR2):
        program.process.send_signal(number)
        program.hear("handled")
    status, errors = program.end()
    assert (status, errors) == (0, ""), errors


def test_a_canceled_file_stays_canceled_whatever_signal_comes() -> None:
    program = Stuck(
        """
        from spoolbuf import CanceledError
        elsewhere()
        file = buf.open(0)
        file.seek(3)
        signal.signal(signal.SIGUSR1, lambda *_: file.cancel())
        waits()
        for _ in range(2):
            try:
                file.read(1)
            except CanceledError:
                continue
            raise AssertionError("it read on")
        file.resume()
        stuck.set()
        assert file.read(1) == bytes(1)
        """
    )
    program.hear("waits")
    program.process.send_signal(signal.SIGUSR1)
    status, errors = program.end()
    assert (status, errors) == (0, ""), errors


def test_what_a_file_had_before_the_interrupt_is_read_again() -> None:
    program = Stuck(
        """
        elsewhere()
        file = buf.open()
        waits()
        try:
            file.read(10)
        except KeyboardInterrupt:
            assert file.tell() == 0
            stuck.set()
            assert file.read(10) == b"abc" + bytes(7)
            print("went on")
        """
    )
    program.hear("waits")
    program.process.send_signal(signal.SIGINT)
    program.hear("went on")
    assert program.end()[0] == 0


def test_a_forked_child_has_a_bell_of_its_own() -> None:
    program = Stuck(
        """
        elsewhere()
        signal.signal(signal.SIGUSR1, lambda *_: stuck.set())
        waits()
        assert buf.read(3, 1) == bytes(1)
        child = os.fork()
        if child:
            raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stuck = threading.Event()
        buf = StreamBuffer(stream())
        elsewhere()
        waits()
        try:
            buf.read(3, 1)
        except KeyboardInterrupt:
            os._exit(0)
        os._exit(1)
        """
    )
    program.hear("waits")
    program.process.send_signal(signal.SIGUSR1)
    program.hear("waits")
    # The terminal's Ctrl-C goes to both; here the child alone is meant.
    children = f"/proc/{program.process.pid}/task/{program.process.pid}/children"
    if not os.path.exists(children):
        program.process.kill()
        pytest.skip("no /proc")
    with open(children, encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGINT)
    status, errors = program.end()
    assert status == 0, errors
