"""The result of a call in C, stored before an exception can come.

A signal handler may raise between the return of a C function and the next instruction, which would
store the result. A lock that was just taken would never be released then. So C code makes the call
and stores the result too, in a dict. A `finally` finds it there, without a call of Python's.

This holds from Python 3.10 on. In Python 3.9 an exception may also come between any two instructions
of the `finally`, as it may in that of any program.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")

# What `attempt_at` returns, once it was asked for None and has taken the lock.
TAKEN = {None: True}


def answer_of(call: Callable[[], T]) -> dict[None, T]:
    """A dict that makes the call when it is first asked for None, and has the result from then on."""
    answer: collections.defaultdict[Any, T] = collections.defaultdict(call)
    # Allocates in advance, so that storing the result needs no memory.
    answer[0] = cast(T, None)
    del answer[0]
    return answer


def attempt_at(lock: Any, seconds: float) -> dict[None, bool]:
    """An attempt to take a lock within this time; -1 is no limit, 0 does not wait.

    >>> attempt = attempt_at(lock, 0.1)
    >>> try:
    ...     if attempt[None]:
    ...         print("taken")
    ... finally:
    ...     if attempt == TAKEN:
    ...         lock.release()
    """
    return answer_of(functools.partial(lock.acquire, True, seconds))
