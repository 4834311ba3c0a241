# shellcheck shell=bash
# What a release is made for, and what that needs: sourced by packaging/release.

all_targets=(x86_64 aarch64 armv7 i686 s390x x86_64-musl aarch64-musl x86_64-windows aarch64-macos x86_64-macos)
host=x86_64
# The oldest glibc.
floor=2.17

# describe TARGET: its kind, Rust's name of it, gcc's names, that of the wheel, and how to run.
describe() {
    machine=$1 processor=${1%%-*} kind=gnu gcc='' cc='' runner=() system=Linux suffix=tar.gz
    case $1 in
        x86_64) rust=x86_64-unknown-linux-gnu wheel=x86_64 ;;
        aarch64) rust=aarch64-unknown-linux-gnu gcc=aarch64-linux-gnu- wheel=aarch64 runner=(qemu-aarch64) ;;
        armv7) rust=armv7-unknown-linux-gnueabihf gcc=arm-linux-gnueabihf- wheel=armv7l runner=(qemu-arm) ;;
        i686) rust=i686-unknown-linux-gnu gcc=i686-linux-gnu- wheel=i686 runner=(qemu-i386) ;;
        s390x) rust=s390x-unknown-linux-gnu gcc=s390x-linux-gnu- wheel=s390x runner=(qemu-s390x) ;;
        x86_64-musl) rust=x86_64-unknown-linux-musl kind=musl ;;
        aarch64-musl) rust=aarch64-unknown-linux-musl kind=musl gcc=aarch64-linux-gnu- runner=(qemu-aarch64) ;;
        x86_64-windows) rust=x86_64-pc-windows-gnu kind=windows ;;
        aarch64-macos) rust=aarch64-apple-darwin kind=macos wheel=macosx_11_0_arm64 ;;
        x86_64-macos) rust=x86_64-apple-darwin kind=macos wheel=macosx_10_12_x86_64 ;;
        *) echo "$1: no such target" >&2 && exit 2 ;;
    esac
    cc=${gcc}gcc
    case $kind in
        gnu)
            # Linux's name for the floor is that of PEP 600; some have an older name as well.
            local plain=manylinux_${floor/./_}_$wheel
            [ "$machine" = s390x ] || plain+=.manylinux2014_$wheel
            wheel=$plain shared=lib/libspoolbuf.so
            [ ${#runner[@]} -eq 0 ] || runner+=(-L "/usr/${gcc%-}") ;;
        musl) wheel=musllinux_1_2_$processor shared=lib/libspoolbuf.so ;;
        windows)
            system=Windows suffix=zip wheel=win_amd64 shared=bin/spoolbuf.dll
            gcc=x86_64-w64-mingw32- cc=x86_64-w64-mingw32-gcc-posix ;;
        macos)
            # Only the names of the files are CMake's; what links is in release.d/cargo.
            system=Darwin shared=lib/libspoolbuf.dylib cc="$work/$machine/cc" ;;
    esac
    name=spoolbuf-$version-$processor-${system,,}
    case $kind in
        gnu | musl | windows) name+=-${kind/windows/gnu} ;;
        macos) name=spoolbuf-$version-$machine ;;
    esac
    export machine kind rust floor toolchain root host work
}

# Whether what the target needs is there; says so loudly if it is not.
can_be_made() {
    local programs=(cmake pkg-config python3)
    case $kind in
        gnu) programs+=("$cc" "${gcc}nm" "${gcc}objdump") ;;
        musl) programs+=("$cc" "${gcc}nm" "${gcc}readelf" musl-gcc) ;;
        windows) programs+=("$cc" x86_64-w64-mingw32-g++-posix "${gcc}objdump" wine zip) ;;
    esac
    there "the release for $machine" "${programs[@]}" ${runner:+"${runner[0]}"}
}

# From PyPI: what links for other systems, what wheels are made with, and what reads the results.
tools() {
    local wanted=(ziglang==0.17.1 cargo-zigbuild==0.24.1 'hatchling>=1.24' macholib==1.16.4
        'cyclonedx-python-lib[validation]>=11')
    [ "$(cat "$work/tools" 2>/dev/null)" = "${wanted[*]}" ] && return
    python3 -m venv --clear "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "${wanted[@]}"
    echo "${wanted[*]}" >"$work/tools"
}

# zig ARGUMENT...: zig's C compiler, for systems whose own is not here.
zig() {
    "$work/venv/bin/python" -m ziglang cc -target "$1" "${@:2}"
}

# unpacked ARCHITECTURE FOLDER PACKAGE...: Debian's packages for another machine, with what they depend on, in a
# folder. What this machine has installed stays as it is.
unpacked() {
    local folder=$2 package
    [ ! -e "$folder/.made" ] || return 0
    rm -rf "$folder"
    mkdir -p "$folder/archives/partial"
    : >"$folder/status"
    export APT_CONFIG=$toolchain/apt.conf
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends --download-only -o APT::Architecture="$1" \
        -o APT::Architectures::="$1" -o Dir::State::status="$folder/status" \
        -o Dir::Cache::archives="$folder/archives" "${@:3}"
    for package in "$folder"/archives/*.deb; do
        dpkg -x "$package" "$folder"
    done
    touch "$folder/.made"
}
