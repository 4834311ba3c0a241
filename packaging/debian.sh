#!/bin/sh
# Makes a Debian source package, then the binary packages: libspoolbuf0, libspoolbuf-dev, python3-spoolbuf.
#
#     sh packaging/debian.sh FOLDER [FLAG OF dpkg-buildpackage...]
#
# Without a flag, it is not signed. The source package has the crates that cargo needs, and is built without
# a network. Only `cargo vendor` may need one: -S ends after that, for a build elsewhere.
set -eu
# With it, cd goes to another folder of the same name, and prints that.
unset CDPATH

root=$(cd "$(dirname "$0")/.." && pwd)
cargo=$(sh "$root/packaging/cargo.sh")
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$root"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
tree=$out/spoolbuf-$version
time=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}

# pack TAR FOLDER: the same bytes for the same files.
pack() {
    tar -C "$2" --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w \
        --mtime="@$time" -cJf "$1" .
}

# What is committed, or would be: a build folder is not.
rm -rf "$tree" "$out"/spoolbuf_"$version"*
mkdir "$tree"
git ls-files --cached --others --exclude-standard -z | tar -c --null -T - | tar -xC "$tree"
pack "$out/spoolbuf_$version.orig.tar.xz" "$tree"
"$cargo" vendor --quiet --locked "$tree/vendor" >/dev/null
pack "$out/spoolbuf_$version.orig-vendor.tar.xz" "$tree/vendor"

cp -r packaging/debian "$tree/debian"
for crate in "$tree"/vendor/*; do
    grep -q "[ ]vendor/${crate##*/}/\*$" "$tree/debian/copyright" || {
        echo "packaging/debian/copyright says nothing of vendor/${crate##*/}" >&2
        exit 1
    }
done
cd "$tree"
dpkg-buildpackage -us -uc "$@"
