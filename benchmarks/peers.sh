#!/bin/sh
# Gets the peers that benchmarks run beside the fabric, outside of the checkout: restic (Debian's package), dvc (PyPI).
# What cannot be had is left out, and so is its row.
set -eu
home="${DATAFABRIC_TOOLS:-${HOME:-/root}/.cache/datafabric-tools}/peers"
mkdir -p "$home/bin"

if [ ! -x "$home/bin/restic" ] && command -v apt-get >/dev/null 2>&1; then
    work=$(mktemp -d)
    if (cd "$work" && apt-get download -q restic && dpkg-deb -x restic_*.deb x) >/dev/null 2>&1; then
        cp "$work/x/usr/bin/restic" "$home/bin/restic"
    else
        echo "peers: restic cannot be had" >&2
    fi
    rm -rf "$work"
fi

if [ ! -x "$home/bin/dvc" ] && command -v uv >/dev/null 2>&1; then
    if uv venv -q --allow-existing "$home/dvc" && uv pip install -q --python "$home/dvc/bin/python" dvc; then
        ln -sf ../dvc/bin/dvc "$home/bin/dvc"
    else
        echo "peers: dvc cannot be had" >&2
    fi
fi
ls "$home/bin"
