"""The Python contenders: one piece of work with one package, whose class is StreamBuffer.

Prints the metrics as the others do. Started by the bench; the packages are `buffer` and `spoolbuf`.
"""

import importlib
import random
import sys
import threading
import time

MIB = 1 << 20
CHUNK = 64 << 10
MAX = 5 * MIB
BLOCK = random.Random(8).randbytes(MIB)
SLICE = 0.05


def source(size):
    for at in range(0, size, CHUNK):
        yield BLOCK[at % MIB : at % MIB + min(CHUNK, size - at)]


def expected(at, size):
    return b"".join(
        BLOCK[max(at, b) - b : min(at + size, b + MIB) - b]
        for b in range(at - at % MIB, at + size, MIB)
    )


def opened(package, size):
    return package.StreamBuffer(source(size), size, MAX)


def read_through(buffer, size):
    for at in range(0, size, CHUNK):
        assert len(buffer.read(at, CHUNK)) == min(CHUNK, size - at), at


def sample(buffer, size, count=50):
    rng = random.Random(9)
    for _ in range(count):
        at = rng.randrange(size - 100_000)
        some = rng.randrange(1, 100_000)
        assert buffer.read(at, some) == expected(at, some), f"wrong bytes at {at}"


def check(package):
    size = 12 * MIB
    buffer = opened(package, size)
    read_through(buffer, size)
    sample(buffer, size, 300)
    return {"right": 1}


def stream(package, size):
    start = time.perf_counter()
    buffer = opened(package, size)
    read_through(buffer, size)
    seconds = time.perf_counter() - start
    sample(buffer, size)
    return {"rate": size / MIB / seconds}


def reads(package, size, length):
    buffer = opened(package, size)
    read_through(buffer, size)
    span = size - (MAX + MIB if size > MAX else length)

    def one(seed, counts):
        rng = random.Random(seed)
        places = [rng.randrange(span) for _ in range(1000)]
        count, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < SLICE:
            for at in places:
                buffer.read(at, length)
            count += len(places)
        counts.append(count / seconds)

    def run(threads):
        counts = []
        all_of_them = [threading.Thread(target=one, args=(t, counts)) for t in range(threads)]
        for thread in all_of_them:
            thread.start()
        for thread in all_of_them:
            thread.join()
        return sum(counts)

    alone, both = zip(*((run(1), run(2)) for _ in range(5)))
    sample(buffer, size)
    alone, both = sorted(alone)[2], sorted(both)[2]
    return {"ns": 1e9 / alone, "threads": both / alone}


def main(name, work, *numbers):
    package = importlib.import_module(name)
    values = {"check": check, "stream": stream, "reads": reads}[work](package, *map(int, numbers))
    for metric, value in values.items():
        print(metric, value)


main(*sys.argv[1:])
