"""Checks a library for macOS: python3 packaging/release.d/macho.py LIBRARY VERSION.

Its name is found by way of the program's rpath, it needs the system's library alone, and it exports
functions of the header and no other of this library's. Any library of the same major version can replace it.
"""

import re
import sys

from macholib.MachO import MachO
from macholib.mach_o import LC_CODE_SIGNATURE, LC_ID_DYLIB, LC_LOAD_DYLIB
from macholib.SymbolTable import SymbolTable

# What zig's linker adds, and what it exports since it takes no list of exports. A program on macOS
# looks for each function in the library that it was linked with: these meet nobody else's.
LINKERS = re.compile(
    "__mh_dylib_header|___dso_handle|_rust_eh_personality|__ZN3std9panicking11EMPTY_PANIC.*"
)


def name(command: tuple) -> str:
    return command[2].rstrip(b"\0").decode()


def main(path: str, version: str) -> None:
    library = MachO(path)
    commands = library.headers[0].commands
    (itself,) = [it for it in commands if it[0].cmd == LC_ID_DYLIB]
    major = version.split(".")[0]
    found = {
        "install name": name(itself),
        "current version": str(itself[1].current_version),
        "compatibility version": str(itself[1].compatibility_version),
        "needs": [name(it) for it in commands if it[0].cmd == LC_LOAD_DYLIB],
    }
    print(found)
    assert found == {
        "install name": f"@rpath/libspoolbuf.{major}.dylib",
        "current version": version,
        "compatibility version": f"{major}.0.0",
        "needs": ["/usr/lib/libSystem.B.dylib"],
    }, found
    # Without one, ARM's macOS runs nothing.
    signed = [it for it in commands if it[0].cmd == LC_CODE_SIGNATURE]
    assert signed or library.headers[0].header.cputype != 0x0100000C, "not signed"
    exported = [symbol.decode() for _, symbol in SymbolTable(library).extdefsyms]
    print(exported)
    assert "_sb_read" in exported, exported
    others = [it for it in exported if not it.startswith("_sb_") and not LINKERS.fullmatch(it)]
    assert not others, others


if __name__ == "__main__":
    main(*sys.argv[1:])
