"""Checked arguments."""

from __future__ import annotations

import math
import operator
import os
from typing import Optional, Union

from . import _interpreter

# The longest timeout in seconds: more than any process lives, and C has room for it.
LONGEST = 1e12


def natural(name: str, value: int, limit: int = 2**64 - 1, least: int = 0) -> int:
    """Converts any kind of integer to one that C can take."""
    try:
        value = operator.index(value)
    except TypeError:
        raise _not_whole(name, value) from None
    if not least <= value <= limit:
        raise ValueError(f"{name} must be from {least} to {limit}, not {value}")
    return value


def whole(name: str, value: int) -> int:
    """Converts any kind of integer."""
    try:
        return operator.index(value)
    except TypeError:
        raise _not_whole(name, value) from None


def _not_whole(name: str, value: object) -> TypeError:
    return TypeError(f"{name} must be an integer, not {type(value).__name__}")


def function(name: str, value: object) -> None:
    """Raises unless it can be called, or is None."""
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, not {type(value).__name__}")


def directory(path: Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]) -> bytes:
    """An absolute path: the working directory may change before the spool file is created."""
    name = os.fsencode(path)
    if not name:
        # It would mean the working directory.
        raise ValueError("the path of a directory must not be empty")
    if b"\0" in name:
        raise ValueError("embedded null byte")
    return os.path.abspath(name)


def seconds_of(timeout: Optional[float], name: str = "timeout") -> Optional[float]:
    """A time in seconds, at most `LONGEST`; None for none."""
    if timeout is None or timeout == math.inf:
        return None
    try:
        is_time = timeout >= 0
    except TypeError:
        raise TypeError(f"{name} must be a number, not {type(timeout).__name__}") from None
    if not is_time:
        # NaN is unlike itself.
        how = "be a number" if timeout != timeout else "not be negative"
        raise ValueError(f"{name} must {how}")
    return min(timeout, LONGEST)


def limit_of(timeout: Optional[float]) -> Optional[float]:
    """The timeout of a call for which a thread of the library calls the stream."""
    timeout = seconds_of(timeout)
    if timeout:
        _interpreter.check_helper()
    return timeout
