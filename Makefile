# Every target builds .venv when it is needed, from a bare Python (>= 3.11) with venv and pip; run twice, it does no work twice.
# Another interpreter: make PYTHON=/path/to/python3.12 demo

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-versions bench campaign mutation legs faults soak closure gallery docs lint format wheel-check clean

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# For test-versions: the interpreters, and which tests (all by default).
PYTHONS ?= python3.11 python3.12
TESTS ?=

# The first of these that is recent enough and can make an environment.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.core ## set up, then run the demo: a shock to 48 European banks
	$(BIN)/sim run

test: $(VENV)/.test ## set up, then run the quick tests (all but those marked slow)
	$(BIN)/python -m pytest -n $(WORKERS) --benchmark-disable -q -m "not slow"

test-all: $(VENV)/.test ## set up, then run every test
	$(BIN)/python -m pytest -n $(WORKERS) --benchmark-disable -q

test-versions: ## run the quick tests on each of PYTHONS, which bring different versions of mesa (15 minutes each)
	@set -eu; for python in $(PYTHONS); do \
		place=.venvs/$$($$python -c 'import platform; print(platform.python_version())'); \
		test -d $$place || $$python -m venv $$place; \
		$$place/bin/python -m pip --disable-pip-version-check install -q -e '.[test]'; \
		$$place/bin/python -c 'import platform, warnings; warnings.simplefilter("ignore"); import mesa; \
			print("Python", platform.python_version(), "mesa", mesa.__version__)'; \
		$$place/bin/python -m pytest -n $(WORKERS) --benchmark-disable -q -m "not slow" $(TESTS); \
	done

bench: $(VENV)/.test ## time the kernels beside the plain numpy and scipy lines (a few minutes; read the ratios)
	$(BIN)/python -m pytest benchmarks -o python_files='bench_*.py' -o python_functions='bench_*' -p no:xdist \
		--benchmark-only --benchmark-columns=min,median,rounds --benchmark-sort=min -q

campaign: $(VENV)/.test ## 10,000 random systems against independent references (10 minutes)
	$(BIN)/python -m tests.campaign.run --systems 10000 --seed 1 --workers $(WORKERS)

mutation: $(VENV)/.test ## 100 seeded edits of kernels and solvers; the tests must notice at least 95 (about an hour)
	$(BIN)/python -m tests.campaign.mutation --edits 100 --seed 1

legs: $(VENV)/.test ## leave out every posting to the ledger in turn; the tests must notice each (two hours)
	$(BIN)/python -m tests.campaign.legs

faults: $(VENV)/.test ## 250 kills at random times, a crash at every write, the grid of workers, blocks and executors; one answer (an hour)
	$(BIN)/python -m tests.campaign_runs.kill --times 50 --seed 1
	$(BIN)/python -m tests.campaign_runs.kill --times 200 --seed 2 --forked --draws 3000
	$(BIN)/python -m tests.campaign_runs.crash
	$(BIN)/python -m tests.campaign_runs.cache --times 20
	$(BIN)/python -m tests.campaign_runs.grid

soak: $(VENV)/.test ## runs one after the other in one process; memory, descriptors, threads and files must not grow (an hour)
	$(BIN)/python -m tests.campaign_runs.soak --minutes 60

closure: $(VENV)/.test ## 1,000 draws of every scenario; every audit after every step, walls included (5 minutes)
	$(BIN)/python -m tests.campaign_runs.closure --draws 1000 --workers $(WORKERS)

gallery: $(VENV)/.core ## draw the figures of the README and of the pages again (5 minutes)
	$(BIN)/python docs/gallery.py
	$(BIN)/python docs/signatures.py
	$(BIN)/python docs/wall_figures.py

docs: $(VENV)/.docs ## build the pages into docs/_build/html; a warning is an error (2 minutes)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

lint: $(VENV)/.dev ## format, lint, types, import contracts, docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/numpydoc lint $$(find sim -name '*.py')

format: $(VENV)/.dev ## write the format and the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel-check: $(VENV)/.core ## build a wheel, install it elsewhere, run the demo by its bare name from another folder
	@set -eu; place=$$(mktemp -d); trap 'rm -rf "$$place"' EXIT; \
	$(BIN)/python -m pip --disable-pip-version-check wheel -q --no-deps -w "$$place/wheel" .; \
	$(BIN)/python -m venv "$$place/venv"; \
	"$$place/venv/bin/python" -m pip --disable-pip-version-check install -q "$$place"/wheel/*.whl; \
	mkdir "$$place/elsewhere"; cd "$$place/elsewhere"; \
	"$$place/venv/bin/sim" run eu48_sovereign --draws 100 --seed 1 --out "$$place/result"; \
	echo "wheel-check: the installed wheel ran eu48_sovereign from another folder"

clean: ## remove the environment, caches and builds (results stay)
	rm -rf $(VENV) build dist docs/_build docs/reference docs/tutorials/*.ipynb .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than pyproject.toml when the environment holds what it asks for.
$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 with venv and pip found; set PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.core: pyproject.toml $(VENV)/.python
	$(BIN)/python -m pip --disable-pip-version-check install -q -e .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.core
	$(BIN)/python -m pip --disable-pip-version-check install -q -e '.[test]'
	@touch $@

$(VENV)/.docs: pyproject.toml $(VENV)/.core
	$(BIN)/python -m pip --disable-pip-version-check install -q -e '.[docs]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.test
	$(BIN)/python -m pip --disable-pip-version-check install -q -e '.[dev]'
	@touch $@
