#!/bin/sh
# Builds both libraries as they ship: with link-time optimization, stripped, under the names that the
# loader and the linker look for. The archive defines no global symbol except the functions of the
# header, so that it can be in one program with other archives of Rust.
#
#     sh packaging/libraries.sh FOLDER [FLAG OF CARGO...]
#
# CARGO, LD, NM, OBJCOPY and AR name other programs; packaging/cargo.sh finds cargo. SPOOLBUF_TARGET is
# another target of Rust. What cargo builds is in FOLDER/cargo, unless CARGO_TARGET_DIR says otherwise. A
# file that is current is not written again, so that what is linked with it stays current as well.
set -eu
# With it, cd goes to another folder of the same name, and prints that.
unset CDPATH

root=$(cd "$(dirname "$0")/.." && pwd)
cargo=$(sh "$root/packaging/cargo.sh")
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
mkdir -p "${CARGO_TARGET_DIR:-$out/cargo}"
target=$(cd "${CARGO_TARGET_DIR:-$out/cargo}" && pwd)

# What cargo reads from the folder it runs in (the toolchain, its configuration) is this project's.
cd "$root"
# Another cargo than that of PATH has its compiler beside it, rustc-1.85 for cargo-1.85; the one in PATH may
# be an older one.
compiler=${cargo%/*}/rustc${cargo##*/cargo}
if [ "$(command -v cargo)" != "$cargo" ] && [ -x "$compiler" ]; then
    export RUSTC="${RUSTC:-$compiler}"
fi
# Named always: cargo's configuration, which may be that of a folder above, can name another one, and
# what is built here is for this machine unless a variable says otherwise.
triple=${SPOOLBUF_TARGET:-${CARGO_BUILD_TARGET:-$("${RUSTC:-rustc}" -vV 2>/dev/null | sed -n 's/^host: //p')}}
built=$target/${triple:+$triple/}release
# cargo rustc, since cargo build knows the rlib alone.
"$cargo" rustc --quiet --locked --release --lib \
    --crate-type cdylib,staticlib --target-dir "$target" ${triple:+--target "$triple"} "$@"

# put FROM TO: copies a file that has changed.
put() {
    cmp -s "$1" "$2" && return
    cp "$1" "$2.new"
    mv -f "$2.new" "$2"
}

# Windows, where the compilers differ in the names; packaging/libraries.cmake does the same without a shell. The
# names of Rust become local, unless there are several objects that need each other's.
if [ -e "$built/spoolbuf.dll" ]; then
    for name in spoolbuf.dll libspoolbuf.dll.a spoolbuf.dll.lib spoolbuf.lib; do
        [ ! -e "$built/$name" ] || put "$built/$name" "$out/$name"
    done
    [ -e "$built/libspoolbuf.a" ] || exit 0
    if "${OBJCOPY:-objcopy}" -D --wildcard --strip-debug -L '!*compiler_builtins*' -L '_ZN*' -L '_R*' -L 'rust_*' \
        -L '__rust*' "$built/libspoolbuf.a" "$out/local.a" &&
        names=$("${NM:-nm}" -g "$out/local.a" 2>/dev/null || :) && [ -n "$names" ] &&
        ! echo "$names" | grep -v compiler_builtins | grep -qE ' (_ZN|_R|rust_|__rust)'; then
        put "$out/local.a" "$out/libspoolbuf.a"
    else
        echo "spoolbuf: libspoolbuf.a keeps the symbols of Rust" >&2
        put "$built/libspoolbuf.a" "$out/libspoolbuf.a"
    fi
    rm -f "$out/local.a"
    exit
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if [ -e "$built/libspoolbuf.dylib" ]; then
    plain=libspoolbuf.dylib
    major=libspoolbuf.${version%%.*}.dylib
    full=libspoolbuf.$version.dylib
else
    plain=libspoolbuf.so
    major=$plain.${version%%.*}
    full=$plain.$version
fi
put "$built/$plain" "$out/$full"
for link in "$major" "$plain"; do
    [ "$(readlink "$out/$link")" = "$full" ] || ln -sf "$full" "$out/$link"
done

ld=${LD:-ld}
nm=${NM:-nm}
objcopy=${OBJCOPY:-objcopy}
ar=${AR:-ar}
for tool in "$ld" "$nm" "$objcopy" "$ar"; do
    if [ "$plain" != libspoolbuf.so ] || ! command -v "$tool" >/dev/null; then
        # Complete, but with Rust's symbols.
        [ "$plain" != libspoolbuf.so ] ||
            echo "spoolbuf: without $tool, libspoolbuf.a keeps the symbols of Rust" >&2
        put "$built/libspoolbuf.a" "$out/libspoolbuf.a"
        exit
    fi
done

# One object that has all that the functions need, and their names alone. The personality's pointer stays:
# it is in a group, of which a program keeps one. Without LLVM's code, which the standard library of some
# distributions has as well: binutils hand it to the LLVM that is installed, and an older one aborts.
work=$out/archive
mkdir -p "$work"
functions=$("$nm" -D --defined-only -f posix "$built/$plain" | sed -n 's/^\(sb_[a-z0-9_]*\) T .*/-u \1/p')
if [ -z "$functions" ]; then
    echo "spoolbuf: $nm finds no function in $built/$plain" >&2
    exit 1
fi
# shellcheck disable=SC2086
"$ld" -r --gc-sections $functions -o "$work/whole.o" "$built/libspoolbuf.a"
"$objcopy" --wildcard --keep-global-symbol='sb_*' --keep-global-symbol=DW.ref.rust_eh_personality \
    --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd "$work/whole.o" "$work/spoolbuf.o"
rm -f "$work/libspoolbuf.a"
"$ar" rcsD "$work/libspoolbuf.a" "$work/spoolbuf.o"
put "$work/libspoolbuf.a" "$out/libspoolbuf.a"
rm -rf "$work"
