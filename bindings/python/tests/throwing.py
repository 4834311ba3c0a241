"""Exceptions that come at any instruction, for programs that tests run: see programs.py.

A program counts what was wrong and prints that by `report`.
"""

from __future__ import annotations

import ctypes
import random
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

from programs import finish

# The exception hooks of this process must say nothing: exceptions come outside of every `try`, too.
_QUIET = """
import sys, threading
sys.unraisablehook = threading.excepthook = lambda _: None
"""


# That of Python, unless the shell ignores the signal, as it does for programs in the background.
_handler = signal.getsignal(signal.SIGINT)


class Stop(Exception):
    """What comes at any instruction."""


def none_wrong(start: str, code: str) -> None:
    """Runs a program that must report that nothing was wrong."""
    done = finish(_QUIET + start + textwrap.dedent(code))
    assert (done.returncode, done.stdout) == (0, "wrong: 0\n"), (done.stdout, done.stderr)


def report(wrong: int) -> None:
    """Ends a program. Ctrl-C has its handler still."""
    assert signal.getsignal(signal.SIGINT) is _handler
    print("wrong:", wrong)


def throw_into(work: Callable[[list[int]], object]) -> list[int]:
    """Throws `Stop` into a thread that repeats `work`, as a job queue's time limit does.

    `work` gets the counts that are returned: how many exceptions came, and what was wrong.
    """
    counts, done = [0, 0], threading.Event()
    sys.setswitchinterval(1e-5)
    rng = random.Random(1)
    until = time.monotonic() + 1
    thread = _repeat(work, counts, done)
    while not counts[1] and (counts[0] < 300 or time.monotonic() < until):
        time.sleep(rng.random() * 0.002)
        if not thread.is_alive():
            # An exception outside of every `try` has ended it.
            thread = _repeat(work, counts, done)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stop)
        )
    done.set()
    thread.join()
    return counts


def _repeat(
    work: Callable[[list[int]], object], counts: list[int], done: threading.Event
) -> threading.Thread:
    begun: list[bool] = []

    def repeat() -> None:
        begun.append(True)
        while not done.is_set():
            try:
                work(counts)
            except Stop:
                counts[0] += 1

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    while not begun:
        time.sleep(0.001)
    return thread


def at_depth(depth: int, work: Callable[[], Any]) -> Any:
    """Calls a function this deep in the stack."""
    return work() if depth <= 0 else at_depth(depth - 1, work)
