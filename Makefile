# The project's commands. Each sets up what it needs; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
SOURCES := genpage tokenizer model training evaluation dataset simulation export runtime rollout streaming api web deploy benchmarks tests scripts

.PHONY: help setup setup-browser setup-services setup-peers services demo test nightly check format lock modules bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# GCC before 13 drops what llama.cpp writes into an AMX tile's configuration as never read, and the
# first product then ends the process (a general protection fault at ldtilecfg).
LLAMA_FLAGS := -DCMAKE_C_FLAGS="-fno-tree-dse -fno-dse" -DCMAKE_CXX_FLAGS="-fno-tree-dse -fno-dse"

# The stamp is newer than the lock file it was made from, so that set-up runs once a lock.
.venv/.stamp: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements/dev.txt)"
	$(BIN)/python -m uv pip sync --quiet --compile-bytecode --python $(BIN)/python \
	  --require-hashes requirements/dev.txt
	$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps \
	  --config-setting editable_mode=compat --editable .
	@touch $@

setup: .venv/.stamp ## the environment in .venv/, the command at .venv/bin/genpage

setup-browser: ## Chromium for the browser tests, where it is missing (Debian, as root)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium; } || \
	  { echo "install Chromium as 'chromium' on the PATH, then run this again" >&2; exit 1; }

setup-services: setup ## Redis, Java and Kafka's jars, where they are missing (Debian, as root)
	@missing=; command -v redis-server >/dev/null || missing="redis-server"; \
	command -v java >/dev/null || missing="$$missing default-jre-headless"; \
	command -v mvn >/dev/null || missing="$$missing maven"; \
	test -z "$$missing" || { apt-get update -qq && apt-get install -y -qq $$missing; } || \
	  { echo "install $$missing, then run this again" >&2; exit 1; }
	@$(BIN)/python deploy/services.py --fetch

setup-peers: setup ## the runtimes that benchmarks run beside, in .peers/ (builds llama.cpp: CMake, g++)
	@test -x .peers/bin/python || $(PYTHON) -m venv .peers
	CMAKE_ARGS='$(LLAMA_FLAGS)' $(BIN)/python -m uv pip sync --quiet --python .peers/bin/python \
	  --require-hashes requirements/peers.txt

services: setup-services ## real Redis and Kafka on loopback, until Ctrl-C
	@exec $(BIN)/python deploy/services.py

demo: setup ## simulate a service, train, export, serve: prints the homepage's address
	@exec $(BIN)/genpage demo

test: setup setup-browser setup-services ## every test; GENPAGE_REAL_DATA names the real data's folder
	$(BIN)/pytest

nightly: setup ## BUNDLE=DIR [EXAMPLES=100]: a large bundle's pages, computed in every way there is
	GENPAGE_NIGHTLY_BUNDLE=$(BUNDLE) GENPAGE_NIGHTLY_EXAMPLES=$(or $(EXAMPLES),100) \
	  $(BIN)/pytest -m nightly tests/runtime_onnx

check: setup ## format, lint, types, import arrows, the policy modules, the list of modules, lock files
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/policy.py
	$(BIN)/python scripts/modules.py --check
	scripts/lock --check

format: setup ## put the sources in shape
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: setup setup-services ## the benchmarks that need no trained model
	$(BIN)/genpage bench prompts
	$(BIN)/genpage bench engine
	$(BIN)/genpage bench overhead
	$(BIN)/genpage bench context-store
	$(BIN)/genpage bench freshness

lock: setup ## resolve pyproject.toml into requirements/*.txt
	scripts/lock

modules: setup ## write ARCHITECTURE.md's list of modules
	$(BIN)/python scripts/modules.py

clean: ## remove what runs have made; the environment stays
	rm -rf var .mypy_cache .ruff_cache .pytest_cache .hypothesis
