# The project's commands. Each sets up what it needs; `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo test check lock bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# The stamp is newer than the lock file it was made from, so that set-up runs once a lock.
.venv/.stamp: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements/dev.txt)"
	$(BIN)/python -m uv pip sync --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/python -m uv pip install --python $(BIN)/python --no-deps --config-setting editable_mode=compat --editable .
	@touch $@

setup: .venv/.stamp ## the environment in .venv/, the command at .venv/bin/genpage

lock: .venv/.stamp ## resolve pyproject.toml into requirements/*.txt (hashed, no index address)
	scripts/lock
