"""Lists the crates of Rust's standard library: python3 packaging/release.d/standard.py SYSROOT FOLDER.

FOLDER has the compiled crates: of a target of the toolchain, or of a build with -Zbuild-std. Each is
a line with its name and version. Those of std's own source have none, and are std.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Compiled beside std, and in no library: those of tests and of procedural macros, empty ones, and
# the other way to panic.
OTHERS = re.compile(
    "test|getopts|unicode_width|proc_macro|rustc_literal_escaper|rustc_std_workspace_.*|sysroot"
    "|panic_abort|profiler_builtins|spoolbuf|build_script_build"
)
STD = {"std", "core", "alloc", "unwind", "panic_unwind", "std_detect", "windows_targets"}


def versions(name: str, sysroot: Path, compiled: Path) -> list[tuple[str, str]]:
    """The crate's name with each version that something says, the newest last.

    That is the paths of its source in the compiled crate, or in cargo's list of its files, else the
    lock file beside std's source, else the toolchain's lists of licenses. The last of those is of the
    compiler's crates, too, and has several of some: adler2 2.0.0 and 2.0.1 in Rust 1.95.
    """
    pattern = name.replace("_", "[-_]")
    library, share = sysroot / "lib/rustlib/src/rust/library", sysroot / "share/doc/rust"
    sources = [
        (compiled, rf"/({pattern})-(\d+\.\d+\.\d+)"),
        (compiled.with_name(compiled.stem[3:] + ".d"), rf"/({pattern})-(\d+\.\d+\.\d+)/"),
        (library / "Cargo.lock", rf'name = "({pattern})"\nversion = "(.+)"'),
        (share / "COPYRIGHT-library.html", rf" ({pattern})-(\S+)</h3>"),
        (share / "COPYRIGHT.html", rf" ({pattern})-(\S+)</h3>"),
    ]
    for file, expression in sources:
        text = file.read_bytes().decode(errors="replace") if file.exists() else ""
        found = set(re.findall(expression, text))
        if found:
            return sorted(found, key=lambda it: tuple(map(int, re.findall(r"\d+", it[1]))))
    return []


def main(sysroot: Path, folder: Path) -> None:
    # A list: this crate's own may be of the same name, and of another version.
    compiled = sorted((it.name[3:].rpartition("-")[0], it) for it in folder.glob("lib*.rlib"))
    names = {name for name, _ in compiled}
    if not names >= {"std", "core", "alloc", "hashbrown", "compiler_builtins"}:
        sys.exit(f"{folder}: no compiled standard library, but {sorted(names)}")
    for name, file in compiled:
        if OTHERS.fullmatch(name) or name in STD:
            continue
        found = versions(name, sysroot, file)
        # In std's own source, in a newer Rust.
        if name == "compiler_builtins" and not found:
            continue
        if not found:
            sys.exit(f"{file}: of which version?")
        print(*found[-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
