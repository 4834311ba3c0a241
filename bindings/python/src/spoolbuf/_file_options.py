"""The options of a file object, for type checkers."""

from __future__ import annotations

from typing import Optional, TypedDict


class FileOptions(TypedDict, total=False):
    """The keywords of `StreamBuffer.open` and `Cache.open`, all optional; see there."""

    timeout: Optional[float]
    buffered_only: bool
    reach: Optional[int]
