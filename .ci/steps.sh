# shellcheck shell=bash
# What a long script does, a line each: sourced by .ci/debian, .ci/packaging and packaging/release, which name the
# file for the output: log.

# said WHAT COMMAND...: one line, and the output only if it fails.
said() {
    local from=$SECONDS status
    # Not `COMMAND || ...`, in which a function goes on after a command that fails.
    set +e
    (set -e && "${@:2}") >"${log:?}" 2>&1
    status=$?
    set -e
    [ $status -eq 0 ] || {
        tail -n 60 "$log"
        echo "RED: $1"
        exit 1
    }
    echo "OK: $1 ($((SECONDS - from)) s)"
}

# there WHAT PROGRAM...: whether all programs are there. Says so loudly if one is not.
there() {
    local program
    for program in "${@:2}"; do
        command -v "$program" >/dev/null && continue
        if [ -n "${SPOOLBUF_REQUIRE_ALL:-}" ]; then
            echo "FAILED: $1: $program is missing, and SPOOLBUF_REQUIRE_ALL is set" >&2
            exit 1
        fi
        echo "SKIPPED: $1 ($program is missing)" >&2
        return 1
    done
}
