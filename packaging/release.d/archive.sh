# shellcheck shell=bash
# An archive of what CMake installs, and its use: sourced by packaging/release.

archive() {
    local at=$work/$machine
    [ "$machine" = $host ] || .ci/setup-toolchain "$toolchain"
    # A crate that was compiled for another release is not of this one.
    rm -rf "$at/build" "$at/target" "${at:?}/$name"
    mkdir -p "$at"
    "${kind}_tools" "$at"
    cmake -S . -B "$at/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_INSTALL_LIBDIR=lib \
        -DSPOOLBUF_RUST_TARGET="$rust" -DSPOOLBUF_CARGO="$PWD/packaging/release.d/cargo" \
        -DCMAKE_SYSTEM_NAME="$system" -DCMAKE_SYSTEM_PROCESSOR="$processor" -DCMAKE_OSX_SYSROOT=
    CARGO_TARGET_DIR=$at/target cmake --build "$at/build"
    cmake --install "$at/build" --prefix "$at/$name"
    cp README.md CHANGELOG.md "$at/$name/share/doc/spoolbuf"
    packed "$at"
    parts >"$at/parts"
}

# Nothing is needed beyond what can_be_made() has found.
gnu_tools() { :; }
musl_tools() { :; }
windows_tools() {
    # shellcheck source=/dev/null
    (. .ci/wine.sh && . "$toolchain/env.sh" && rust_ends "$toolchain")
}
macos_tools() {
    # CMake asks a compiler what it makes, and never links with it.
    printf '#!/bin/sh\nexec "%s" -m ziglang cc -target %s-macos "$@"\n' "$work/venv/bin/python" "$processor" >"$1/cc"
    chmod +x "$1/cc"
}

# The same bytes from the same files.
packed() {
    local time
    time=$(git log -1 --format=%ct)
    rm -f "$out/$name.$suffix"
    cd "$1"
    if [ "$suffix" = zip ]; then
        find "$name" -exec touch -h -d "@$time" {} +
        find "$name" | LC_ALL=C sort | TZ=UTC zip -q -X -y -@ "$out/$name.zip"
    else
        tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" -c "$name" | gzip -9n >"$out/$name.tar.gz"
    fi
    cd "$root"
}

# What the library is made of, a line each: the crates that this one needs there, Rust's standard library and its
# crates, and what the compiler that links brings.
parts() {
    local built=$work/$machine/target/$rust/release/deps
    # shellcheck source=/dev/null
    [ "$machine" = $host ] || . "$toolchain/env.sh"
    cargo tree --locked --edges normal --target "$rust" --prefix none --format '{p}' | sed '1d; s/ v/ /; s/ (.*//'
    [ "$kind" != gnu ] || built=$(rustc --print sysroot)/lib/rustlib/$rust/lib
    python3 packaging/release.d/standard.py "$(rustc --print sysroot)" "$built"
    rustc --version | sed 's/^rustc \([0-9.]*\).*/rust-std \1/'
    runtime
}

# The unwinder; for Windows, also what starts a DLL. A version that is not found is a failure.
runtime() {
    case $kind in
        gnu | musl) zig native --version | sed -n 's/^clang version \([0-9.]*\).*/libunwind \1/p' | grep . ;;
        windows)
            # Debian's compiler itself says only the first number.
            { dpkg-query -W -f '${Version}\n' gcc-mingw-w64-x86-64-posix-runtime || "$cc" -dumpfullversion; } |
                sed -n 's/-.*//; s/^[0-9]/libgcc &/p' | grep .
            "$cc" -E -P - <<<$'#include <_mingw.h>\nversion __MINGW64_VERSION_STR' |
                sed -n 's/[" ]//g; s/^version\([0-9]\)/mingw-w64 \1/p' | grep . ;;
    esac
}

# The newest version of a symbol that a library needs is at most the floor.
old_enough() {
    local newest
    newest=$("${gcc}objdump" -T "$1" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
    echo "$1 needs glibc $newest"
    [ "$(printf '%s\n' "$newest" "$floor" | sort -V | tail -n 1)" = "$floor" ]
}

# A shared library exports functions of the header and nothing else.
exports_only_functions() {
    local symbols
    symbols=$("${gcc}nm" -D --defined-only "$1")
    echo "$symbols"
    grep -q ' T sb_' <<<"$symbols" && ! grep -qv ' T sb_' <<<"$symbols"
}

# As a DLL does.
exports_only_functions_of_windows() {
    local symbols
    symbols=$("${gcc}objdump" -p "$1" |
        sed -n '/^\[Ordinal\/Name Pointer\] Table/,/^$/s/^[[:space:]]*\[ *[0-9]*\].* //p')
    echo "$symbols"
    grep -q '^sb_' <<<"$symbols" && ! grep -qv '^sb_' <<<"$symbols"
}

# It needs musl's libc and nothing else: no loader's name, no library of gcc's.
needs_only_libc() {
    local needed
    needed=$("${gcc}readelf" -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    echo "$1 needs $needed"
    [ "$needed" = libc.so ]
}

# A library names no folder of this machine: not the project's, the toolchain's or the registry's.
names_no_folder() {
    local found
    found=$(LC_ALL=C grep -aoF -e "$root/" -e "$toolchain/" -e "${CARGO_HOME:-$HOME/.cargo}/" "$@") ||
        [ $? -eq 1 ] || return
    [ -z "$found" ] || {
        sort <<<"$found" | uniq -c
        return 1
    }
}

# Unpacked anywhere, by the file for pkg-config, shared and static; and by the package for CMake.
use_archive() {
    at="$work/$machine/used here"
    rm -rf "$at"
    mkdir "$at"
    if [ "$suffix" = zip ]; then
        unzip -q "$out/$name.zip" -d "$at"
    else
        tar -C "$at" -xf "$out/$name.tar.gz"
    fi
    cd "$at"
    export PKG_CONFIG_LIBDIR="$at/$name/lib/pkgconfig"
    demo=$root/tests/consumers/demo.c
    names_no_folder "$at/$name/$shared" "$at/$name"/lib/*.a
    flags=$(pkg-config --cflags --libs spoolbuf)
    # Without the static library's own name, which is that of the shared one.
    static="$(pkg-config --cflags spoolbuf) '$at/$name/lib/libspoolbuf.a' $(pkg-config --static --libs-only-l spoolbuf |
        sed 's/-lspoolbuf//')"
    seq -w 0 300000 >numbers
    "use_$kind"
}

use_gnu() {
    old_enough "$name/$shared"
    exports_only_functions "$name/$shared"
    eval "$cc -std=c99 '$demo' $flags -o shared"
    eval "$cc -std=c99 '$demo' $static -o static"
    runs shared
    runs static
    [ "$machine" = $host ] || return 0
    cmake -S "$root/tests/consumers/cmake" -B package -DWAY=package -DCMAKE_PREFIX_PATH="$at/$name"
    cmake --build package
    runs package/demo-shared
    runs package/demo-cpp-static
}

use_musl() {
    needs_only_libc "$name/$shared"
    exports_only_functions "$name/$shared"
    # By zig: the unwinder of a gcc for glibc asks glibc.
    eval "zig $processor-linux-musl -std=c99 '$demo' $flags -dynamic -o shared"
    eval "zig $processor-linux-musl -std=c99 '$demo' $static -lunwind -static -o static"
    runs static
    if [ "$machine" = aarch64-musl ]; then
        unpacked arm64 "$work/$machine/musl" musl
        runner+=(-L "$work/$machine/musl")
    else
        # By the machine's own compiler for musl, too.
        eval "musl-gcc -std=c99 '$demo' $flags -o gcc"
        runs gcc
    fi
    runs shared
}

use_windows() {
    # shellcheck source=/dev/null
    . "$root/.ci/wine.sh"
    wine_begin "$work/windows"
    runner=(wine)
    exports_only_functions_of_windows "$name/$shared"
    eval "$cc -std=c99 '$demo' $flags -o shared.exe"
    eval "$cc -std=c99 '$demo' $static -static -o static.exe"
    runs static.exe
    # Windows looks for a DLL beside the program.
    cp "$name/$shared" .
    runs shared.exe
    cmake -S "$root/tests/consumers/cmake" -B package -DWAY=package -DCMAKE_PREFIX_PATH="$at/$name" \
        -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="${cc/gcc/g++}" \
        -DCMAKE_EXE_LINKER_FLAGS=-static
    cmake --build package --target demo-shared demo-cpp-static
    cp "$name/$shared" package
    runs package/demo-shared.exe
    runs package/demo-cpp-static.exe
}

# Linked, not run: there is no such machine here.
use_macos() {
    "$work/venv/bin/python" "$root/packaging/release.d/macho.py" "$name/$shared" "$version"
    eval "zig $processor-macos -std=c99 '$demo' $flags -o shared"
    eval "zig $processor-macos -std=c99 '$demo' $static -o static"
}

runs() {
    # An emulator itself does not run with the library of another machine.
    local with=(env "LD_LIBRARY_PATH=$at/$name/lib")
    case ${runner[0]:-} in
        wine) with=(timeout 200 wine) ;;
        ?*) with=("${runner[@]}" -E "LD_LIBRARY_PATH=$at/$name/lib") ;;
    esac
    "${with[@]}" "./$1" <numbers | tr -d '\r' | grep -x '100000, 000000'
}
