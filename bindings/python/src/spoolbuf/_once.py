"""Calls of the user's functions whose errors are not those of the C call around them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable

from ._answer import answer_of
from ._entry import report


class Once:
    """A call that is made once. Python prints its error, as in a finalizer."""

    def __init__(self) -> None:
        """Not made yet."""
        # The arguments of the one call.
        self._turns = iter([()])

    def make(self, call: Callable[[], object]) -> None:
        """Makes the call, unless that was done.

        An exception that comes before or after it is not its error, and is raised. Another `make`
        does it then, if it was not done.
        """
        if not operator.length_hint(self._turns):
            return
        # One call of C's takes the turn and makes the call: an exception inside it must not lead to
        # a second one, and one before it must not keep it from being made.
        result = answer_of(itertools.starmap(call, self._turns).__next__)
        try:
            result[None]
        except Exception as error:  # noqa: BLE001
            if result or operator.length_hint(self._turns):
                raise
            report(error)


def tell(call: Callable[[], object]) -> None:
    """Makes a call. Python prints its error."""
    Once().make(call)
