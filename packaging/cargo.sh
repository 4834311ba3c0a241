#!/bin/sh
# Prints the path of a cargo that is new enough: that of CARGO, else the one in PATH, else rustup's at home,
# which need not be in PATH. If there is none, one line says what is needed, and why the first one is not it.
#
#     sh packaging/cargo.sh [CARGO, instead of the one in PATH]
set -eu
# With it, cd goes to another folder of the same name, and prints that.
unset CDPATH

# rustup chooses the toolchain by the folder.
cd "$(dirname "$0")/.."
rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# refusal CARGO: why it cannot be taken; nothing if it can.
refusal() {
    # What rustup says of its own work is on stderr.
    said=$("$1" --version 2>/dev/null) || said=$("$1" --version 2>&1) || :
    said=$(echo "$said" | head -n 1)
    version=$(echo "$said" | sed -n 's/^cargo \([0-9][0-9.]*\).*/\1/p')
    if [ -z "$version" ]; then
        echo "$1 says \"$said\""
    elif [ "$(printf '%s\n' "$rust" "$version" | sort -t . -k 1,1n -k 2,2n | head -n 1)" != "$rust" ]; then
        echo "$1 is version $version"
    fi
}

if [ -n "${CARGO:-}" ]; then
    set -- "$CARGO"
    why="there is no $CARGO"
else
    set -- "${1:-cargo}" "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo"
    why='there is no cargo in PATH'
fi
first=
for cargo in "$@"; do
    path=$(command -v "$cargo") || continue
    refused=$(refusal "$path")
    [ -n "$refused" ] || {
        echo "$path"
        exit
    }
    first=${first:-$refused}
done
echo "spoolbuf needs Rust $rust or newer (https://rustup.rs): ${first:-$why}" >&2
exit 1
