# shellcheck shell=bash
# The wheels, and their use: sourced by packaging/release.

# With the library of the archive.
wheel() {
    SPOOLBUF_BUILT=$work/$machine/$name/$shared SPOOLBUF_PLATFORM=$wheel \
        "$work/venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
        --wheel-dir "$out" bindings/python
}

# Which Debian's Python runs it; nothing where there is none.
python_of() {
    case $1 in
        aarch64) echo arm64 ;;
        armv7) echo armhf ;;
        i686) echo i386 ;;
        s390x) echo s390x ;;
    esac
}

# What pip installs for that platform, then read by a Python of the machine.
use_wheel() {
    local site="$work/$machine/wheel used here" libraries architecture python
    installed "$site"
    libraries=$(find "$site/spoolbuf" -regex '.*\.\(so\|dll\|dylib\)' -printf '%f\n')
    [ "$libraries" = "$(basename "$shared")" ]
    cmp "$site/spoolbuf/$libraries" "$work/$machine/$name/$shared"
    architecture=$(python_of "$machine")
    if [ "$machine" = $host ]; then
        python=(python3)
    elif [ -n "$architecture" ]; then
        unpacked "$architecture" "$work/$machine/python" python3-minimal libpython3-stdlib
        python=("${runner[0]}" -L "$work/$machine/python" "$work/$machine/python/usr/bin/python3")
    else
        use_wheel_without_python "$site"
        return
    fi
    cd "$site"
    seq -w 0 300000 >numbers
    env -u PYTHONPATH -u SPOOLBUF_LIBRARY "${python[@]}" -B -c 'import platform, sys, spoolbuf
buffer = spoolbuf.StreamBuffer(sys.stdin.buffer)
print(platform.machine(), platform.python_version(), buffer[700000:700006] + buffer[:6])' <numbers |
        grep " b'100000000000'$"
}

# installed FOLDER: by pip, which compares the wheel's tag with the platform.
installed() {
    rm -rf "$1"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-index --no-deps --only-binary=:all: \
        --platform "${wheel%%.*}" --target "$1" "$out/spoolbuf-$version-py3-none-$wheel.whl"
}

# The program of the archive, with the wheel's library.
use_wheel_without_python() {
    at=$1
    [ "$kind" != macos ] || return 0
    cd "$at"
    seq -w 0 300000 >numbers
    mkdir -p "$name/lib"
    cp "spoolbuf/$(basename "$shared")" "$name/lib"
    cp "$work/$machine/used here/"shared* .
    if [ "$kind" = windows ]; then
        # shellcheck source=/dev/null
        . "$root/.ci/wine.sh"
        wine_begin "$work/windows"
        runner=(wine)
        cp spoolbuf/spoolbuf.dll .
        runs shared.exe
    else
        # The name that the program looks for.
        cp "spoolbuf/libspoolbuf.so" "$name/lib/libspoolbuf.so.${version%%.*}"
        [ ${#runner[@]} -eq 0 ] || runner+=(-L "$work/$machine/musl")
        runs shared
    fi
}

# How a wheel was used, for the line that says so.
used_how() {
    case $machine in
        *-macos) echo 'installed by pip; LINKED, NOT RUN' ;;
        *-windows | *-musl) echo 'installed by pip; its library run by a C program, NO PYTHON of that system here' ;;
        *) echo used ;;
    esac
}
