"""Other ways from a language to C: a callback that raises there returns 0, or anything at all.

By `read` a 0 is the end, which is why `pull` exists: there only a count that was set counts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from spoolbuf import Status, _library
from support import PATIENCE, data, need, skip

CDEF = """
typedef struct {
    int64_t (*read)(void *, void *, size_t);
    void *opaque;
    int64_t (*seek)(void *, uint64_t);
    void (*cancel)(void *);
    void (*close)(void *);
    int (*pull)(void *, uint64_t, void *, size_t, size_t *);
    uint32_t flags, reserved_flags;
    int64_t (*size)(void *);
    void *reserved[7];
} sb_callback;
void *sb_new(const sb_callback *, uint64_t, uint64_t);
int64_t sb_read(void *, uint64_t, size_t, void *);
int64_t sb_save(void *, const char *);
int sb_retry(void *);
void sb_free(void *);
"""
SIZE = 5000


def test_cffi(tmp_path: Path) -> None:
    cffi = need("cffi")
    ffi = cffi.FFI()
    ffi.cdef(CDEF)
    lib = ffi.dlopen(_library._path())
    raised: list[object] = []
    fails = [True]

    def onerror(kind: object, *_rest: object) -> None:
        raised.append(kind)

    @ffi.callback("int(void *, uint64_t, void *, size_t, size_t *)", onerror=onerror)
    def pull(_opaque, offset, out, capacity, count):
        if offset == 3000 and fails:
            fails.clear()
            raise ConnectionError("cut")
        part = data(offset, min(capacity, 1000, SIZE - offset))
        ffi.memmove(out, part, len(part))
        count[0] = len(part)
        return 0

    callback = ffi.new("sb_callback *", {"pull": pull})
    buffer = lib.sb_new(callback, SIZE, 5 << 20)
    room = ffi.new("char[]", SIZE)
    assert lib.sb_read(buffer, 0, SIZE, room) == 3000
    for _ in range(2):
        assert lib.sb_read(buffer, 3000, 10, room) == Status.SOURCE
    assert raised == [ConnectionError]
    path = tmp_path / "file"
    assert lib.sb_save(buffer, os.fsencode(path)) == Status.SOURCE
    assert not path.exists()
    assert lib.sb_retry(buffer) == Status.OK
    assert lib.sb_save(buffer, os.fsencode(path)) == SIZE
    assert path.read_bytes() == data(0, SIZE)
    lib.sb_free(buffer)


def test_koffi() -> None:
    node = shutil.which("node")
    if node is None:
        skip("node", "not installed")
    absent = subprocess.run([node, "-e", "require('koffi')"], capture_output=True).returncode
    if absent:
        skip("koffi", "not on NODE_PATH; run_tests.py installs it")
    program = Path(__file__).with_name("koffi_pull.js")
    done = subprocess.run(
        [node, str(program), _library._path()], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (0, "PASS\n"), (done.stdout, done.stderr)
