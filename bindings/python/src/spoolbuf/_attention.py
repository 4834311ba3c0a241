"""Looks after each C call for an exception that was raised where C entered Python.

For callbacks that any function of the library may make. ctypes calls a function's `errcheck` with
the result: that costs half a microsecond, once such a callback was installed.
"""

from __future__ import annotations

from typing import Any, Optional

from ._entry import Notices
from ._errors import joined
from ._library import lib
from ._prototypes import PROTOTYPES

_attended: list[Notices] = []


def attend(notices: Notices) -> None:
    """From here on the exceptions of these callbacks are raised by the C call around them."""
    if notices not in _attended:
        _attended.append(notices)
        for name in PROTOTYPES:
            getattr(lib, name).errcheck = _check
    # Makes this thread ready.
    notices.expect()


def _check(result: Any, _function: object, _arguments: object) -> Any:
    came: Optional[BaseException] = None
    for notices in _attended:
        came = joined(came, notices.attend())
    if came is not None:
        try:
            raise came
        finally:
            # Breaks the cycle between the exception and this frame.
            del came
    return result
