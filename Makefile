# The verbs. CI runs the same ones. Two rules keep builds short: cargo is always asked for the whole
# workspace, because another selection would unify other features and compile DataFusion again; and there
# is one profile (dev) for `demo` and `test`. Release builds are for `bench` alone.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# In CI the compiled dependencies live outside the clone, so that the next fresh clone finds them.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/asof/target
endif
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
export PATH := $(PATH):$(HOME)/.cargo/bin

ASOF := $(TARGET)/debug/asof
SCRIPTS := $(wildcard deploy/*.sh sql/*/*.sh benches/*.sh) .ci/run
PYTHON := $(wildcard tests/python/*.py sql/*/*.py benches/*/*.py)

.PHONY: help setup build demo test lint bench

help: ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the build needs (Debian, Ubuntu) or say what is missing
	@deploy/setup.sh

build: setup
	cargo build --workspace --locked

demo: build ## the tour: real flights, from raw files to a served feature and a trained model
	@ASOF=$(ASOF) VENV=$(TARGET)/venv-flights sql/flights/demo.sh

test: setup ## all tests: Rust, then Python against the built binary
	cargo test --workspace --locked
	@deploy/with-postgres.sh cargo t asof-catalog --locked
	@deploy/with-postgres.sh cargo t asof-cli --locked --test it -- environments tour
	@deploy/venv.sh $(TARGET)/venv-tests tests/python/requirements.txt
	ASOF_BIN=$(ASOF) $(TARGET)/venv-tests/bin/python -B -m unittest discover --start-directory tests/python

lint: setup ## formatting, clippy, licences, scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then \
	  cargo deny --workspace check bans licenses sources && \
	  if cargo deny fetch db 2>/dev/null; then cargo deny --workspace --offline check advisories; \
	  else echo 'the list of advisories cannot be reached: not checked'; fi; \
	else echo 'cargo-deny is not installed: checking licences only'; deploy/licences.sh; fi
	@for script in $(SCRIPTS); do bash -n "$$script"; done
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); fi
	@python3 -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' $(PYTHON)

bench: setup ## what it is measured against: DuckDB, Polars, pandas, Feast; BENCH=online for serving, BENCH=lineage for the graph, BENCH=scale for large projects
	@CARGO_TARGET_DIR=$(TARGET) benches/bench.sh $(BENCH)
