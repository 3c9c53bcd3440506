#!/bin/sh
# Builds GraphiQL into web/dist. Where neither Node nor a registry of npm packages can be had it says so and succeeds:
# the API needs none of it, and /graphiql names the command to try again. The stamp is set either way, so that a machine
# without a registry waits for it once, not at every start.
set -u
cd "$(dirname -- "$0")/.." || exit 1
trap 'touch web/.stamp' EXIT
echo "Building GraphiQL (about a minute the first time) ..."
if scripts/node.sh npm --prefix web ci --omit=dev --silent && scripts/node.sh npm --prefix web run --silent build; then
    exit 0
fi
if [ -f web/dist/graphiql.html ]; then
    echo "GraphiQL could not be rebuilt; the one built before is served. Run 'make web' to try again." >&2
else
    echo "GraphiQL is not built (no Node, or no registry of npm packages?). The API works without it; 'make web' tries again." >&2
fi
