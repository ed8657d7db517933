#!/bin/sh
# Makes .venv hold what uv.lock says. Needs Python 3.11+ and nothing else: uv is fetched by pip if it is missing.
#
#   scripts/setup.sh run    what the fabric needs to run (make demo); leaves development tools that are there alone
#   scripts/setup.sh dev    that and the development tools (make test, make check)
#
# PYTHON             the interpreter to make .venv from; otherwise the first one found that is new enough
# DATAFABRIC_TOOLS   where a fetched uv is kept, outside of the checkout; otherwise ~/.cache/datafabric-tools
#
# Quick when nothing changed: a stamp in .venv names the lock file, the project file and the kind of set-up.
set -eu

UV_PINNED=0.13.9     # fetched when there is no uv, or one that is older than the next two numbers
UV_MAJOR_MIN=0
UV_MINOR_MIN=9

kind=${1:-dev}
cd "$(dirname "$0")/.."
tools=${DATAFABRIC_TOOLS:-$HOME/.cache/datafabric-tools}
stamp=.venv/.datafabric-$kind

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }

case $kind in
    run | dev) ;;
    *) fail "usage: scripts/setup.sh run|dev" ;;
esac

new_enough() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1; }

# The path is part of the key: a virtual environment does not survive a move of its checkout.
key=$({ pwd; cat uv.lock pyproject.toml scripts/setup.sh; } | cksum)
if [ -z "${PYTHON:-}" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && new_enough .venv/bin/python; then
    exit 0
fi

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if new_enough "$candidate"; then
            # A shim's answer may change with the directory: take the interpreter behind it.
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

uv_fits() {
    version=$("$1" --version 2>/dev/null) || return 1
    version=${version#uv }
    major=${version%%.*}
    minor=${version#*.}
    minor=${minor%%.*}
    case $major$minor in *[!0-9]* | "") return 1 ;; esac
    [ "$major" -gt $UV_MAJOR_MIN ] || { [ "$major" -eq $UV_MAJOR_MIN ] && [ "$minor" -ge $UV_MINOR_MIN ]; }
}

fetch_uv() {
    # Into a directory of its own, then renamed: two set-ups at the same time do not meet half a tool.
    home=$tools/uv-$UV_PINNED
    if uv_fits "$home/bin/uv"; then return; fi
    [ -n "$python" ] || fail "no Python from 3.11 to 3.14 found; install one, or name it: make PYTHON=/path/to/python3 ..."
    say "setup: fetching uv $UV_PINNED into $home"
    mkdir -p "$tools"
    fresh=$(mktemp -d "$tools/uv-fetch.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    # A virtual environment of its own is allowed everywhere; Debian's python3 may come without what makes one,
    # and then a plain target directory does, which an externally managed Python (PEP 668) allows as well.
    if "$python" -m venv "$fresh/venv" >/dev/null 2>&1; then
        "$fresh/venv/bin/python" -m pip install -q --disable-pip-version-check "uv==$UV_PINNED"
        mv "$fresh/venv" "$fresh/uv"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$fresh/uv" "uv==$UV_PINNED"
    else
        fail "$python has neither venv nor pip; install them (Debian: apt install python3-venv), or install uv"
    fi
    uv_fits "$fresh/uv/bin/uv" || fail "pip installed a uv that does not run: $fresh/uv/bin/uv"
    rm -rf "$home"
    mv "$fresh/uv" "$home" 2>/dev/null || uv_fits "$home/bin/uv" || fail "cannot put uv into $home"
}

python=$(find_python) || python=
[ -n "$python" ] || [ -z "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a Python from 3.11 to 3.14"

uv=$(command -v uv || true)
if [ -z "$uv" ] || ! uv_fits "$uv"; then
    fetch_uv
    uv=$tools/uv-$UV_PINNED/bin/uv
fi

set -- sync --locked --quiet
[ "$kind" = dev ] || set -- "$@" --no-dev --inexact
# An environment that works is kept whatever Python is first on PATH today, unless another one is asked for.
if [ -n "$python" ] && { [ -n "${PYTHON:-}" ] || ! new_enough .venv/bin/python; }; then
    set -- "$@" --python "$python"
fi
say "setup: uv $*"
unset VIRTUAL_ENV
# As pip does, trust whom the machine trusts: behind a company's proxy uv's own list of authorities does not do. The second
# name is that of older versions.
for authorities in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    if [ -e "$authorities" ]; then
        export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" UV_NATIVE_TLS="${UV_NATIVE_TLS:-true}"
    fi
done
UV_PROJECT_ENVIRONMENT=.venv "$uv" "$@"
printf '%s\n' "$key" >"$stamp"
# Development includes what is needed to run.
[ "$kind" = run ] || printf '%s\n' "$key" >.venv/.datafabric-run
