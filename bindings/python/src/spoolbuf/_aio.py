"""Reads and pushes for asyncio: neither the event loop nor a thread blocks."""

from __future__ import annotations

import asyncio
import io
from typing import Optional, Protocol, Union

from ._codes import WHEN_WANTED
from ._core import Core
from ._errors import TimedOutError, keep_partial
from ._handle import LIMIT
from ._memory import fresh
from ._readiness import ready

# At most this many bytes are copied before the event loop runs other tasks.
AT_ONCE = 1 << 16


# How often bytes are offered that nobody wants yet, in seconds.
_AGAIN = 0.01


async def aread(buffer: Core, offset: int, size: int) -> bytes:
    """Reads like `StreamBuffer.read`, and lets the event loop run while bytes have to arrive."""
    # Past every end.
    offset = min(offset, LIMIT)
    if 0 <= size <= min(AT_ONCE, buffer._buffered(offset)):
        return buffer._read_at(offset, size)
    out = io.BytesIO()
    done = 0
    try:
        while size < 0 or done < size:
            part = await _read_some(buffer, offset + done, _room(size, done))
            if len(part) == size:
                return part
            if not part:
                break
            done += out.write(part)
            await asyncio.sleep(0)
    except BaseException as error:
        if size < 0:
            # No later read could raise it.
            keep_partial(error, out.getvalue())
            raise
        if not done or not buffer._comes_later(error):
            raise
    return out.getvalue()


def _room(size: int, done: int) -> int:
    return AT_ONCE if size < 0 else min(AT_ONCE, size - done)


async def _read_some(buffer: Core, offset: int, size: int) -> bytes:
    """Returns at least one byte, or none at the end."""
    # Fewer wakes, where the stream delivers all bytes up to there in any case.
    step = min(size, buffer._stride)
    while True:
        part = _take(buffer, offset, size)
        if part is not None:
            return part
        try:
            await ready(buffer, min(offset + step - 1, LIMIT))
        except Exception as error:
            if step == 1 or not buffer._buffered(offset) or not buffer._comes_later(error):
                raise
        step = 1


def _take(buffer: Core, offset: int, size: int) -> Optional[bytes]:
    """Returns the buffered bytes. None if they have to arrive first, or there is an error."""
    out: bytes = fresh(None, size)
    count = buffer._now(offset, size, out)
    if count < 0:
        return None
    return out if count == size else out[:count]


class _Pushed(Protocol):
    """A buffer that is pushed."""

    def push(self, offset: int, data: Union[bytes, memoryview], timeout: float) -> int:
        """Returns how many bytes were accepted; raises TimedOutError for none."""
        ...

    def wanted(self) -> range:
        """The offsets to push next."""
        ...


async def apush(buffer: Core, pushed: _Pushed, offset: int, data: Union[bytes, memoryview]) -> None:
    """Pushes all bytes, and lets the event loop run while there is no room for them."""
    done = 0
    while True:
        part = data[done : done + AT_ONCE]
        try:
            done += pushed.push(offset + done, part, timeout=0)
        except TimedOutError:
            await _room_at(buffer, pushed, offset + done)
        else:
            if done >= len(data):
                return
            await asyncio.sleep(0)


async def _room_at(buffer: Core, pushed: _Pushed, offset: int) -> None:
    """Waits until a push at this offset may succeed."""
    await ready(buffer, WHEN_WANTED)
    if offset not in pushed.wanted():
        # C does not say when these will be.
        await asyncio.sleep(_AGAIN)
