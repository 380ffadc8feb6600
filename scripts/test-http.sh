#!/usr/bin/env bash
# Runs schemathesis over the description of the HTTP interface, against a whole `fte up`: no
# server error, and no answer that the description does not have.
set -euo pipefail
cd "$(dirname "$0")/.."
export FTE_RUNTIME_DIR="${FTE_RUNTIME_DIR:-$PWD/.runtime}"

work=$(mktemp -d)
product=
clean_up() {
    if [ -n "$product" ]; then
        kill "$product" 2>/dev/null || true
        wait "$product" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

# Free port, nothing kept, and the log in the database: one server less to start.
env -u DATABASE_URL -u KAFKA_BOOTSTRAP_SERVERS FTE_RATE_LIMITS=off RUST_LOG=warn \
    target/debug/fte up --ephemeral --bus postgres --listen 127.0.0.1:0 2>"$work/said" &
product=$!
for _ in $(seq 600); do
    grep -q '^ready ' "$work/said" && break
    kill -0 "$product" 2>/dev/null || break
    sleep 0.1
done
if ! grep -q '^ready ' "$work/said"; then
    cat "$work/said" >&2
    echo "error: fte up did not get ready" >&2
    exit 1
fi
url=$(sed -n 's/^form  *\(.*\)\/support$/\1/p' "$work/said")
token=$(cat "$(sed -n 's/^operator token  *//p' "$work/said")")

# A fixed seed: the same run twice asks the same questions. One worker: before 3.11.5 two threads
# of Python that parse at the same time fail now and then (python/cpython#106905).
if ! "$FTE_RUNTIME_DIR/venv/bin/schemathesis" run "$url/openapi.json" --url "$url" \
    --header "Authorization: Bearer $token" --seed 1 --max-examples 40 --workers 1 \
    --generation-database none --no-color \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance; then
    cat "$work/said" >&2
    exit 1
fi
