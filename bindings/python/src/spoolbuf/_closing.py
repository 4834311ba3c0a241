"""What a buffer and a cache have in common: both hold something of C until `close`."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Optional, TypeVar

_Self = TypeVar("_Self", bound="Closing")


class Closing:
    """Is closed at the end of its `with` block, and can't be copied."""

    def close(self) -> None:
        """Releases what it holds. May be called again."""
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        """Returns itself.

        >>> with StreamBuffer(b"bytes") as buf:
        ...     buf[:2]
        b'by'
        """
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Closes it."""
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses copying and pickling: the copy would close what the original holds."""
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")
