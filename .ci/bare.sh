# shellcheck shell=bash
# A bare Debian in a folder, with an ordinary user: sourced by .ci/fresh, .ci/matrix and .ci/debian. Nothing of this
# machine is in it but the Rust toolchain, the way to the registries, and a clone of what is committed.

# Ends the script, loudly, where such a machine can't be made. Otherwise starts it again with mounts of
# its own, which end with it.
bare_begin() {
    if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
        echo "SKIPPED: $1 (needs root and debootstrap)" >&2
        [ -z "${SPOOLBUF_REQUIRE_ALL:-}" ]
        exit
    fi
    # The script has gone to the project's folder, where its own name may lead nowhere.
    local script=.ci/${0##*/}
    if [ "${SPOOLBUF_BARE:-}" != "$script" ]; then
        exec env SPOOLBUF_BARE="$script" unshare --mount --propagation private bash "$script" "${@:2}"
    fi
}

# bare_make ROOT SUITE PACKAGE...: unpacks it, the first time.
bare_make() {
    local root=$1 suite=$2
    [ ! -e "$root/.made" ] || return 0
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase --include="$(IFS=,; echo "${*:3}")" "$suite" "$root" \
        >"$root.log" 2>&1 || {
        tail -n 5 "$root.log"
        return 1
    }
    chroot "$root" useradd -m someone
    touch "$root/.made"
}

# bare_mount ROOT: its devices, Rust, the registries' certificates, and the project in /source.
bare_mount() {
    local root=$1 name
    mount --bind "$root" "$root"
    mkdir -p "$root"/{proc,dev,opt/rust}
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for name in null zero full random urandom tty; do
        touch "$root/dev/$name"
        mount --bind "/dev/$name" "$root/dev/$name"
    done
    mkdir -m 755 "$root/dev/pts"
    mkdir -m 1777 "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
    mount --bind -o ro "$(rustc --print sysroot)" "$root/opt/rust"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    mkdir -p "$root/etc/ssl/certs"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    rm -rf "$root/source"
    git clone -q --no-hardlinks . "$root/source"
    chroot "$root" chown -R someone: /source
}

# bare_home ROOT HOME: an empty home of the user's.
bare_home() {
    rm -rf "${1:?}${2:?}"
    mkdir -p "$1$2"
    chroot "$1" chown someone: "$2"
}

# bare_user ROOT HOME VARIABLE=VALUE... -- COMMAND: as the user types it, with no variable of this machine.
bare_user() {
    local root=$1 home=$2 variables=()
    shift 2
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    chroot "$root" setpriv --reuid=someone --regid=someone --clear-groups env -i \
        HOME="$home" USER=someone PATH=/opt/rust/bin:/usr/bin:/bin LANG=C.UTF-8 "${variables[@]}" \
        bash -c "cd ~ && $2"
}
