"""Calls of the user's functions whose errors are not those of the C call around them."""

from __future__ import annotations

from collections.abc import Callable

from ._answer import answer_of
from ._entry import report


class Once:
    """A call that is made once. Python prints its error, as in a finalizer."""

    def __init__(self) -> None:
        """Not made yet."""
        self._is_made = False

    def make(self, call: Callable[[], object]) -> None:
        """Makes the call, unless that was done.

        An exception that comes before or after it is not its error, and is raised. Another `make`
        does it then, if it was not done.
        """
        if self._is_made:
            return
        result = answer_of(call)
        try:
            # Before the call: an exception inside it must not lead to a second one.
            self._is_made = True
            result[None]
        except Exception as error:  # noqa: BLE001
            if result:
                raise
            report(error)


def tell(call: Callable[[], object]) -> None:
    """Makes a call. Python prints its error."""
    Once().make(call)
