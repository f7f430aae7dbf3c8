# Set-up is split into stamps, so that a second run costs less than a second.
#   make demo [HEADLESS=1]   make test   make test-all   make check   make lock   make bench-visibility
#   make bench-wide   make bench-plan   make wheel   make clean
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := setup
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STATIC := src/kuntur/server/static
GEOID := src/kuntur/io/egm96_15.gtx

CORE_SOURCES := pyproject.toml CMakeLists.txt $(wildcard kernels/*.cpp kernels/*.hpp)
PAGE_SOURCES := $(shell [ ! -d web ] || find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*')

GEOID_SHA256 := c02a6eb70a7a78efebe5adf3ade626eb75390e170bb8b3f36136a2c28f5326a0

.PHONY: setup core geoid page demo test test-all check lock bench-visibility bench-wide bench-plan wheel clean

setup: core geoid page

# --- Python: exactly the locked packages, from wheels only, each checked against its hash
$(STAMPS)/python: requirements.lock
	@PYTHON=$(PYTHON) scripts/debian_packages.sh build
	@mkdir -p $(STAMPS)
	@[ -x $(BIN)/python ] || { echo "Creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the locked Python packages (about a minute)"
	@$(PIP) install --require-hashes --no-deps --only-binary :all: -r requirements.lock
	@touch $@

# --- compiled core: no build isolation, because the build tools are locked too
$(STAMPS)/core: $(CORE_SOURCES) $(STAMPS)/python
	@echo "Building the compiled core"
	@$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

core: $(STAMPS)/core

# --- EGM96 geoid grid (15', public domain), taken out of the locked package that carries it
$(GEOID): $(STAMPS)/python
	@mkdir -p $(@D)
	@cp $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/demcompare/geoid/egm96_15.gtx $@
	@echo "$(GEOID_SHA256)  $@" | sha256sum --check --quiet

geoid: $(GEOID)

# --- map page
NODE_STAMP := web/node_modules/.installed
$(NODE_STAMP): $(wildcard web/package-lock.json web/.npmrc)
	@command -v npm >/dev/null || { echo "The map page needs Node 20 with npm, and npm is not on the PATH" >&2; exit 1; }
	@echo "Installing the locked Node packages"
	@cd web && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(STATIC)/index.html: $(PAGE_SOURCES) $(NODE_STAMP)
	@echo "Building the map page"
	@cd web && npm run --silent build
	@touch $@

ifneq ($(wildcard web/package.json),)
page: $(STATIC)/index.html
else
page:
	@echo "No web/package.json: the map page is not built"
endif

# --- use
demo: setup
ifdef HEADLESS
	@$(BIN)/kuntur demo --headless --out demo-out
else
	@$(BIN)/kuntur demo
endif

test: setup
	@scripts/debian_packages.sh browser
	@$(BIN)/python -m pytest

test-all: setup
	@scripts/debian_packages.sh browser
	@$(BIN)/python -m pytest -m "slow or not slow"

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/check_locks.py
ifneq ($(wildcard web/package.json),)
	@cd web && npm run --silent check
endif

# Resolve anew; uv lives in its own environment, so that it is no part of the project's.
lock:
	@mkdir -p build
	@[ -x build/uv/bin/uv ] || { $(PYTHON) -m venv build/uv && build/uv/bin/python -m pip --quiet install uv; }
	@build/uv/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header $(LOCK_FLAGS) \
		requirements-dev.in -o requirements.lock
	@build/uv/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header $(LOCK_FLAGS) \
		benchmarks/peers.in -o benchmarks/peers.lock
	@$(PYTHON) scripts/check_locks.py

# --- benchmarks: us and the peers in one run; the peers live in an environment of their own
PEERS := build/bench
$(PEERS)/.installed: benchmarks/peers.lock $(STAMPS)/python
	@scripts/debian_packages.sh peers
	@[ -x $(PEERS)/bin/python ] || $(PYTHON) -m venv $(PEERS)
	@echo "Installing the peers of the benchmarks"
	@$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-deps \
		--only-binary :all: -r benchmarks/peers.lock || echo "Some peers are missing; the table says which" >&2
	@touch $@

bench-visibility: setup $(PEERS)/.installed
	@$(BIN)/python benchmarks/visibility.py

# 36 one-degree tiles through the command line, by one process and by Dask workers: seven minutes, 6 GB of disk
bench-wide: setup
	@$(BIN)/python benchmarks/wide.py

# the frozen patrol instances: an hour and a half with its default solving times; plans are kept in build/bench/plans
bench-plan: setup
	@$(BIN)/python benchmarks/plan.py $(PLAN_FLAGS)

wheel: setup
	@$(PIP) wheel --no-deps --no-build-isolation --no-index --wheel-dir dist .
	@ls -l dist/*.whl

clean:
	@rm -rf $(VENV) build dist demo-out $(STATIC) $(GEOID) web/node_modules web/dist
