#!/usr/bin/env bash
# Runs schemathesis over the description of the HTTP interface, against a whole `fte up`: no
# server error, and no answer that the description does not have.
set -euo pipefail
cd "$(dirname "$0")/.."
