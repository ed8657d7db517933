#!/bin/sh
# Builds the S3 server that the tests run against, once per machine, outside of the checkout.
#
#   scripts/tools.sh            build what is missing; prints the path of each tool
#   DATAFABRIC_TOOLS=DIR        where to keep them (default: ~/.cache/datafabric-tools)
#
# The version is part of the file name, so several checkouts share one folder and an upgrade is a new file.
# A cold build takes about six minutes on two cores; a second run takes no time.
set -eu

MINIO_MODULE="github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
MINIO_NAME="minio-20260212"
BIN="${DATAFABRIC_TOOLS:-${HOME:-/root}/.cache/datafabric-tools}/bin"

say() { printf 'tools: %s\n' "$*" >&2; }

# install_go NAME MODULE PROGRAM: `go install` into a folder of its own, then one atomic rename, so that neither a
# killed build nor a second build at the same time leaves half a file under the final name.
install_go() {
    if [ -x "$BIN/$1" ]; then
        printf '%s\n' "$BIN/$1"
        return 0
    fi
    if ! command -v go >/dev/null 2>&1; then
        say "$1 is missing and cannot be built: there is no Go compiler (go) on the PATH."
        say "Install Go 1.24 or newer, or put a ready $1 into $BIN."
        return 1
    fi
    mkdir -p "$BIN"
    work=$(mktemp -d "$BIN/.build-XXXXXX")
    # Expanded now on purpose: the folder of this build is the one to remove, whatever happens.
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    trap 'exit 1' HUP INT TERM
    say "building $1 (about six minutes on two cores, once per machine) ..."
    if ! GOBIN="$work" GOFLAGS="-trimpath" CGO_ENABLED=0 go install -ldflags "-s -w" "$2" >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        say "the build of $1 failed (the end of its output is above)."
        return 1
    fi
    mv "$work/$3" "$BIN/$1"
    say "built $BIN/$1"
    printf '%s\n' "$BIN/$1"
}

install_go "$MINIO_NAME" "$MINIO_MODULE" minio
