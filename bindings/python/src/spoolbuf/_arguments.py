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
    value = operator.index(value)
    if not least <= value <= limit:
        raise ValueError(f"{name} must be from {least} to {limit}, not {value}")
    return value


def directory(path: Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]) -> bytes:
    """An absolute path: the working directory may change before the spool file is created."""
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("embedded null byte")
    return os.path.abspath(name)


def seconds_of(timeout: Optional[float]) -> Optional[float]:
    """The timeout of a call, in seconds, at most `LONGEST`; None for none."""
    if timeout is None or timeout == math.inf:
        return None
    if not timeout >= 0:
        raise ValueError("timeout must not be negative")
    return min(timeout, LONGEST)


def limit_of(timeout: Optional[float]) -> Optional[float]:
    """The timeout of a call for which a thread of the library calls the stream."""
    timeout = seconds_of(timeout)
    if timeout:
        _interpreter.check_helper()
    return timeout
