# shellcheck shell=bash
# Wine in place of Windows: sourced by .ci/windows and packaging/release.

# wine_begin FOLDER: a machine of its own, without a display, whose services end with this script.
wine_begin() {
    local system
    mkdir -p "$1"
    export WINEPREFIX=$1/prefix WINEARCH=win64 WINEDEBUG=-all
    export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
    unset DISPLAY TMPDIR
    # Names that are not ASCII.
    export LC_ALL=C.UTF-8
    trap 'wineserver -k || true' EXIT
    [ -e "$WINEPREFIX/system.reg" ] || wine wineboot --init 2>/dev/null

    # What std asks for random numbers, which older Wines lack.
    system=$WINEPREFIX/drive_c/windows/system32
    [ ! -e "$system/bcryptprimitives.dll" ] || return 0
    x86_64-w64-mingw32-gcc-posix -shared -o "$system/bcryptprimitives.dll.new" -x c - -ladvapi32 <<'C'
#include <stddef.h>
unsigned char __stdcall SystemFunction036(void *bytes, unsigned long count);
__declspec(dllexport) int __stdcall ProcessPrng(void *bytes, size_t count)
{
    return SystemFunction036(bytes, (unsigned long)count);
}
C
    mv "$system/bcryptprimitives.dll.new" "$system/bcryptprimitives.dll"
}

# rust_ends TOOLCHAIN: what the linker wants at both ends of a program, from the source of the standard library.
rust_ends() {
    local target=x86_64-pc-windows-gnu object objects
    objects=$1/root/usr/lib/rustlib/$target/lib
    mkdir -p "$objects"
    for object in rsbegin rsend; do
        [ ! -e "$objects/$object.o" ] || continue
        RUSTC_BOOTSTRAP=1 "$RUSTC" --target "$target" --crate-type lib --emit obj \
            -o "$objects/$object.o.new" "$1"/root/usr/src/rustc-*/library/rtstartup/$object.rs
        mv "$objects/$object.o.new" "$objects/$object.o"
    done
}
