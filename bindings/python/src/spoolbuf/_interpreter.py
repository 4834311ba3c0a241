"""Checks of the interpreter: whether it is the main one, and whether threads are patched."""

from __future__ import annotations

import importlib
import sys
from typing import Any, cast

from ._errors import UnsupportedError


def _ask() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            current: Any = importlib.import_module(name).get_current()
        except ImportError:
            continue
        # The main interpreter has the number 0; since 3.13 this is a tuple with its origin.
        number: Any = cast(Any, current)[0] if isinstance(current, tuple) else current
        return int(number) == 0
    return True


is_main = _ask()


def check_helper() -> None:
    """Raises if a thread that Python did not create can't call the stream.

    Python runs such a thread in the main interpreter, whichever interpreter owns the stream.
    """
    if not is_main:
        raise UnsupportedError("a subinterpreter's stream can't be called on a helper thread")


def check_patches() -> None:
    """Raises if Python's threads are greenlets, which take turns on one native thread.

    A greenlet that blocks in C would keep all others from running, including the one it waits for.
    """
    for name, question, what in (
        ("gevent.monkey", "is_module_patched", "threading"),
        ("eventlet.patcher", "is_monkey_patched", "thread"),
    ):
        module: Any = sys.modules.get(name)
        if module is not None and getattr(module, question)(what):
            raise ImportError(
                f"spoolbuf waits in C, which stops every greenlet of {name}: patch with "
                "thread=False, or use spoolbuf in a process of its own"
            )
