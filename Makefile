# The commands that people and CI call alike. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BENCH  := .venv-bench
DATA   ?=
HOME_FOLDER ?= .strategy-lab

.PHONY: help demo test test-all lint format bench research year cross-check calibration lock vocabulary clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Python's version, a fresh environment in $(1), what the lock $(2) names, and the project itself.
define set_up
@$(PYTHON) -c 'import sys; sys.exit(0 if (3,11) <= sys.version_info[:2] <= (3,13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
@echo "setting up $(1): about a minute and a half, 1.4 GB"
@$(PYTHON) -m venv $(1) 2>/dev/null || { rm -rf $(1); $(PYTHON) -m venv --without-pip $(1); }
@if $(1)/bin/python -c 'import pip' 2>/dev/null; then pip="$(1)/bin/python -m pip"; else pip="$(PYTHON) -m pip --python $(1)/bin/python"; fi; \
$$pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(2) && \
$$pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
@touch $(1)/.installed
endef

$(STAMP): requirements.lock pyproject.toml
	$(call set_up,$(VENV),requirements.lock)

$(BENCH)/.installed: benchmarks/requirements.lock pyproject.toml
	$(call set_up,$(BENCH),benchmarks/requirements.lock)

demo: $(STAMP) ## from nothing to a report: simulated MNQ sessions, or DATA=path for your own files
	@$(BIN)/strategy-lab --home $(HOME_FOLDER) demo $(if $(DATA),--data $(DATA),)

test: $(STAMP) ## the tests, compiled, with array bounds checked; about 14 minutes on 2 cores
	@$(BIN)/python -m tests.run

test-all: $(STAMP) ## everything: 3,000 cases a property, kill tests; two hours and more on 2 cores
	@$(BIN)/python -m tests.run --all

lint: $(STAMP) ## ruff, mypy strict, import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(STAMP) ## format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

research: $(STAMP) ## what a walk-forward costs, and searches beside random trials; about 10 minutes
	@$(BIN)/python -m benchmarks.walk_forward && $(BIN)/python -m benchmarks.searches

bench: $(BENCH)/.installed ## speed and memory beside the calibration loop and hftbacktest: build/bench.json
	@$(BENCH)/bin/python -m benchmarks.run && $(BENCH)/bin/python -m benchmarks.real

year: $(STAMP) ## a simulated MNQ year with planted faults, all found or it fails; goes on after an interrupt
	@$(BIN)/python -m benchmarks.year

cross-check: $(BENCH)/.installed ## the same maker in hftbacktest 2.4.4, every difference of fills explained
	@$(BENCH)/bin/python -m pytest -q tests/benchmarks && $(BENCH)/bin/python -m benchmarks.crosscheck

calibration: $(STAMP) ## how often the statistics are wrong, by simulation; about half an hour on 2 cores
	@$(BIN)/python -m benchmarks.calibration

vocabulary: $(STAMP) ## write docs/vocabulary.md from the table schemas
	@$(BIN)/python -m strategy_lab_core.data.vocabulary docs/vocabulary.md

lock: ## resolve both locks anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-strip-extras --no-header --extra dev --quiet pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-strip-extras --no-header --extra dev --quiet --override benchmarks/overrides.in \
	  pyproject.toml benchmarks/requirements.in -o benchmarks/requirements.lock

clean: ## remove what was built here, the home folder too
	rm -rf $(VENV) $(BENCH) build $(HOME_FOLDER)
