"""Messages of an asyncio stream fill a buffer, which another thread copies: push_asyncio.py HOST PORT >FILE.

A message is its length in four bytes, then that many bytes; one of length 0 is the end. The stream is
not read while 512 KiB are ahead of the copy, or while memory is full. No thread waits for that.
"""

import asyncio
import shutil
import sys

from spoolbuf import PushBuffer


async def receive(host: str, port: int, buf: PushBuffer) -> None:
    """Pushes every message. Readers get the exception if it fails."""
    try:
        stream, writer = await asyncio.open_connection(host, port)
        offset = 0
        while size := int.from_bytes(await stream.readexactly(4), "big"):
            message = await stream.readexactly(size)
            if len(buf.wanted()) < size:
                print("paused", file=sys.stderr, flush=True)
            await buf.apush(offset, message)
            offset += size
        writer.close()
        buf.end()
    except Exception as error:
        buf.fail(error)


async def main(host: str, port: int) -> None:
    """Receives and copies at the same time."""
    with PushBuffer(ahead=512 * 1024) as buf:
        copying = asyncio.to_thread(shutil.copyfileobj, buf.open(), sys.stdout.buffer)
        await asyncio.gather(receive(host, port, buf), copying)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
