"""Saving with a progress bar."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import IO, Any, Optional, Protocol, Union

from . import _signals
from ._native import SIZE_UNKNOWN, ProgressCallback, lib


class ProgressBar(Protocol):
    """What tqdm's bars and their like have."""

    total: Any

    def update(self, n: int, /) -> object:
        """Moves the bar on by `n`."""


Progress = Union[Callable[[int, Optional[int]], object], ProgressBar]
Target = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]", int, IO[bytes]]


class _Report:
    """Tells the user's callable or bar how far a save is, and keeps what it raises."""

    def __init__(
        self, progress: Optional[Progress], before: Optional[Callable[[int], None]]
    ) -> None:
        """A callable is called with the bytes done and the total, None if that is not known.

        `before` is called with the place that the save takes up next.
        """
        self.raised: Optional[BaseException] = None
        self._progress = progress
        self._before = before
        self._done = 0
        self._last: tuple[int, Optional[int]] = (0, None)
        self.callback = ProgressCallback(self._report)

    def _report(self, _opaque: object, done: int, total: int) -> int:
        try:
            _signals.openly(lambda: self._step(done, None if total == SIZE_UNKNOWN else total))
        except BaseException as error:  # noqa: BLE001
            self.raised = error
        return 0 if self.raised is None else 1

    def _step(self, done: int, total: Optional[int]) -> None:
        self._tell(done, total)
        if self._before:
            self._before(done)

    def _tell(self, done: int, total: Optional[int]) -> None:
        self._last = (done, total)
        if self._progress is None:
            return
        if callable(self._progress):
            self._progress(done, total)
            return
        if total is not None and self._progress.total != total:
            self._progress.total = total
        step, self._done = done - self._done, done
        self._progress.update(step)

    def finish(self, size: int) -> None:
        """Tells that all is saved, if the last step did not know yet that it was the last."""
        if self._last != (size, size):
            self._tell(size, size)


def save(
    handle: Optional[int],
    target: Target,
    flags: int,
    progress: Optional[Progress],
    before: Optional[Callable[[int], None]],
) -> tuple[int, Optional[BaseException]]:
    """What sb_save_with() answers, and what `progress` or `before` raised."""
    path, descriptor = _place(target)
    if not _signals.is_main():
        before = None
    if before:
        before(0)
    report = _Report(progress, before)
    # On the main thread always: a signal's handler runs there, and may stop the save.
    wanted = progress is not None or _signals.is_main()
    callback = report.callback if wanted else ProgressCallback()
    with _signals.Shield():
        code: int = lib.sb_save_with(
            handle, path, descriptor, flags, callback, ctypes.c_void_p()
        )
    if code >= 0:
        report.finish(code)
    return code, report.raised


def _place(target: Target) -> tuple[Optional[bytes], int]:
    if isinstance(target, int):
        return None, target
    if not isinstance(target, (str, bytes, os.PathLike)):
        # What the file object has in hand comes before what is written past it.
        target.flush()
        return None, target.fileno()
    path = os.fsencode(target)
    if b"\0" in path:
        raise ValueError("embedded null byte")
    return path, -1
