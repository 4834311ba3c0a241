"""Exceptions at each place where Python looks for one, as a handler of a signal raises them.

Python 3.9 looks for one at nearly every instruction. Later versions do so at jumps and calls.
"""

from __future__ import annotations

import dis
import gc
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Optional


class Stop(Exception):
    """What comes."""


def at_each_place(
    code: CodeType,
    call: Callable[[], object],
    check: Callable[[], object] = lambda: None,
    raised: type[Exception] = Stop,
) -> int:
    """Repeats a call, with an exception at another place inside this code each time.

    What it leaves is checked after each. Returns how many places there are.
    """
    # First with no exception: from then on, all that Python caches is there.
    nth = 0
    while _comes(nth, code, call, raised):
        check()
        nth += 1
    check()
    return nth


def at_each_instruction(
    code: CodeType, call: Callable[[], object], check: Callable[[], object] = lambda: None
) -> int:
    """The same for this code alone, and at its jumps too; in Python 3.9, at each instruction."""
    nth = 0
    while _comes_at(nth, code, call):
        check()
        nth += 1
    check()
    return nth


def _is_place(operation: int) -> bool:
    """Elsewhere, an exception would harm the interpreter's own state."""
    name = dis.opname[operation]
    return sys.version_info < (3, 10) or name.startswith(("CALL", "JUMP", "POP_JUMP", "RESUME"))


def _comes_at(nth: int, code: CodeType, call: Callable[[], object]) -> bool:
    count = 0

    def come(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if frame.f_code is not code:
            return None
        # First: in Python 3.13 the others do nothing without it.
        frame.f_trace = come
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode" and _is_place(code.co_code[frame.f_lasti]):
            count += 1
            if count == nth:
                raise Stop
        return come

    gc.disable()
    sys.settrace(come)
    try:
        call()
    except Stop:
        pass
    finally:
        sys.settrace(None)
        gc.enable()
    return count >= nth


def _comes(nth: int, code: CodeType, call: Callable[[], object], raised: type[Exception]) -> bool:
    """Calls, with an exception at the nth place; returns whether there are as many."""
    count = 0

    def come(frame: Optional[FrameType], event: str, _argument: object) -> None:
        nonlocal count
        if event not in ("call", "c_return"):
            return
        while frame is not None and frame.f_code is not code:
            frame = frame.f_back
        if frame is not None:
            count += 1
            if count == nth:
                raise raised

    # What is collected meanwhile would run inside the code, or not, and would have places of its own.
    gc.disable()
    sys.setprofile(come)
    try:
        call()
    except raised:
        pass
    finally:
        sys.setprofile(None)
        gc.enable()
    return count >= nth
