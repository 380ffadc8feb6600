#!/usr/bin/env bash
# Everything that must hold before a change lands. The tests run on a real PostgreSQL and a real
# Apache Kafka, which `fte with-servers` starts for them on free ports.
set -euo pipefail
cd "$(dirname "$0")/.."
export FTE_RUNTIME_DIR="${FTE_RUNTIME_DIR:-$PWD/.runtime}"
# Some tests want a panic; looking up its symbols would take longer than they wait.
export RUST_BACKTRACE=0

started=$SECONDS
step() {
    printf '\n==> [%d:%02d] %s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$*" >&2
}

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings

step "build"
# The end-to-end tests start the programs themselves.
cargo build --workspace

step "tests, on PostgreSQL and Apache Kafka"
target/debug/fte with-servers -- cargo test --workspace

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

step "the HTTP interface against its description"
scripts/test-http.sh

step "everything holds"
