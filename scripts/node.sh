#!/bin/sh
# Usage: scripts/node.sh COMMAND [ARGUMENT ...]
# Runs a command that needs Node (node, npm) with the Node on PATH if Vite accepts its version, else with one from the
# Python package index, kept in .node/ of this checkout.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
local_node=$root/.node

usable() {
    command -v npm >/dev/null && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1);' 2>/dev/null
}

if ! usable; then
    if [ ! -e "$local_node/.ready" ]; then
        echo "No Node 20.19 or newer on PATH: fetching one into .node/ (about 60 MB) ..." >&2
        rm -rf "$local_node"
        python=$root/.venv/bin/python
        [ -x "$python" ] || python=${PYTHON:-python3}
        "$python" -m venv "$local_node"
        "$local_node/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
            -r "$root/scripts/node-requirements.txt"
        touch "$local_node/.ready"
    fi
    PATH=$local_node/bin:$PATH
    export PATH
fi
exec "$@"
