# Every target does the set-up it needs. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup up test test-faults bench model-smollm2 fmt lint clean

ARGS ?=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install system packages (as root), PostgreSQL, Kafka, the embedding model and the test tools
	@scripts/setup.sh

up: ## Run everything on this machine: make up ARGS="--bus postgres"
	@scripts/setup.sh up
	cargo build --workspace
	target/debug/fte up $(ARGS)

test: ## Format, lints, all tests on real servers, documentation, HTTP interface
	@scripts/setup.sh
	@scripts/test.sh

test-faults: ## The long fault runs: chaos seeds, every crash point, every service killed under load
	@scripts/setup.sh
	cargo build --workspace --features bus/crash-points --target-dir target/faults
	target/faults/debug/fte with-servers -- cargo test --workspace --features bus/crash-points --target-dir target/faults -- --ignored --test-threads=1

bench: ## Measure the pipeline (release build, on an idle machine)
	@scripts/setup.sh up
	cargo build --workspace --release
	target/release/fte bench pipeline $(ARGS)

model-smollm2: ## Serve a small real model for the agent to draft with
	@scripts/setup.sh model
	@scripts/small-model.sh

fmt: ## Format the code
	cargo fmt --all

lint: ## Lints as errors
	cargo clippy --workspace --all-targets -- -D warnings

clean: ## Remove what was built and fetched; your data folder stays
	cargo clean
	rm -rf .runtime
