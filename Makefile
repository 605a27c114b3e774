# `make` or `make help` lists what can be done here. Everything is installed into .venv; nothing outside this folder changes.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SETUP := .make/server
SETUP_DEV := .make/dev
UV := .make/uv/bin/uv

.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint format proto contract lock bench clean

help: ## show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(SETUP) ## install the service into .venv

demo: $(SETUP) ## play the demonstration (ARGS=--once to play it to the end and leave)
	$(BIN)/penchant demo $(ARGS)

up: $(SETUP) ## run the service on this machine
	$(BIN)/penchant up $(ARGS)

test: $(SETUP_DEV) ## check everything: linters, types, architecture, tests
	@# Helm takes minutes to build; it is built beside the rest, where Go is there.
	@{ ! command -v go || $(BIN)/python -m tests.deploy.tools; } >/dev/null 2>&1 &
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest $(ARGS)

lint: $(SETUP_DEV) ## linters, types, architecture, contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint protos
	$(BIN)/buf breaking protos --against protos/released.binpb
	$(BIN)/python scripts/proto.py --check

format: $(SETUP_DEV) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(SETUP_DEV) ## generate the Python stubs from protos/
	$(BIN)/python scripts/proto.py

contract: $(SETUP_DEV) ## keep the contract that is being released, for later ones to be compared with
	$(BIN)/buf build protos --exclude-source-info -o protos/released.binpb

bench: $(SETUP_DEV) ## measure everything that bench/RESULTS.md shows
	$(BIN)/penchant bench all --json bench/results --plot bench $(ARGS)
	$(BIN)/python -m penchant_bench.report

lock: $(UV) ## choose exact versions anew, into requirements*.lock
	$(UV) lock -q --upgrade
	$(UV) export -q --frozen --no-emit-project --no-annotate --no-header --extra server -o requirements.lock
	$(UV) export -q --frozen --no-emit-project --no-annotate --no-header --all-extras --group dev -o requirements-dev.lock
	$(UV) export -q --frozen --no-emit-project --no-annotate --no-header --extra cluster --extra otel -o requirements-cluster.lock
	$(UV) export -q --frozen --no-emit-project --no-annotate --no-header --extra cluster --extra otel --extra torch --extra int8 -o requirements-consumer.lock
	$(UV) pip compile -q --universal --generate-hashes --no-annotate --no-header --python-version 3.11 deploy/docker/build.in -o deploy/docker/build.lock

clean: ## remove what make made
	rm -rf .venv .make

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv .make/uv
	.make/uv/bin/pip install -q --disable-pip-version-check uv==0.13.9

$(BIN)/python: | $(UV)
	$(UV) venv -q --python $(PYTHON) .venv

$(SETUP): requirements.lock pyproject.toml | $(BIN)/python
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(SETUP_DEV): requirements-dev.lock $(SETUP)
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@# Tests start hundreds of processes, and where Python may not write what it compiled, each would compile all it imports.
	@$(BIN)/python -m compileall -qq -j 2 "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
	@touch $@
