#!/bin/sh
# Removes what `cargo cinstall` installed, which makes no list of it:
#
#     sh packaging/uninstall.sh PREFIX [LIBDIR]
#
# LIBDIR is its --libdir; without it, the usual folders of a prefix are looked at. DESTDIR is its --destdir.
# CMake makes a list: cmake --build build --target uninstall.
set -eu
# With it, cd goes to another folder of the same name, and prints that.
unset CDPATH

root=$(cd "$(dirname "$0")/.." && pwd)
stage=${DESTDIR:-}
prefix=$stage${1:?no prefix}
case ${2:-} in
    '') set -- "$prefix/lib" "$prefix/lib64" "$prefix/lib32" "$prefix"/lib/*-linux-gnu* ;;
    /*) set -- "$stage$2" ;;
    *) set -- "$prefix/$2" ;;
esac

# remove FILE...: those that are there.
remove() {
    for file in "$@"; do
        [ -e "$file" ] || [ -L "$file" ] || continue
        echo "Removing: $file"
        rm -f "$file"
    done
}

# remove_from FOLDER FILE...: the files of these names.
remove_from() {
    folder=$1
    shift
    for like in "$@"; do
        remove "$folder/${like##*/}"
    done
}

for folder in "$@"; do
    remove "$folder/libspoolbuf.a" "$folder"/libspoolbuf.so* "$folder"/libspoolbuf*.dylib \
        "$folder/pkgconfig/spoolbuf.pc"
done
remove_from "$prefix/include" "$root"/include/*.h "$root"/bindings/*/*.h "$root"/bindings/*/*.hpp
remove_from "$prefix/share/man/man3" "$root"/packaging/man/*.3
remove_from "$prefix/share/cmake/spoolbuf" "$root"/packaging/spoolbuf-*.cmake
remove_from "$prefix/share/doc/spoolbuf" "$root"/LICENSE-*
# The folders of this library's own, once they are empty.
for folder in "$prefix/share/cmake/spoolbuf" "$prefix/share/doc/spoolbuf"; do
    rmdir "$folder" 2>/dev/null || :
done
