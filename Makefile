# scatd in one command each: make help

PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
BENCH_THREADS ?= 2
KILLS ?= 200
MOVES ?= 100
MINUTES ?= 30
SEED ?= 0
# numba's threads would raise the number of torch's in the same process.
ONE_THREAD := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test test-all smoke lint docs dist ui bench chaos mlproject floors clean
# One virtual environment: two installs at a time would break it.
.NOTPARALLEL:

help:
	@echo "make demo    install scatd, train and promote a model on simulated cohorts, predict by drug name"
	@echo "make test    style, types and the whole test suite (what CI runs)"
	@echo "make smoke   install scatd for each supported Python that is here, and try it (5 GB each)"
	@echo "make test-all  the same, make smoke, and the slow tests: installs the wheel (gigabytes)"
	@echo "make lint    style and types only"
	@echo "make dist    build the source distribution and the wheel in dist/, and check both"
	@echo "make docs    build the documentation site: docs/_build/html/index.html"
	@echo "make ui      open the MLflow page of the runs and models made in this folder"
	@echo "make bench   time all commands against plain loops and their budgets, and how cost and memory grow"
	@echo "             (KEEP=FILE.json keeps those); writes benchmarks/bench.json and docs/benchmarks.md"
	@echo "make chaos   kill commands, take the disk and the store away, give bad input, promote on two hosts,"
	@echo "             and soak the server (KILLS=200 MOVES=100 MINUTES=30 SEED=0; one to two hours)"
	@echo "make mlproject  write MLproject from the commands and their options"
	@echo "make floors  print the floors of scatd/workflows, the imports between them, and any circle"
	@echo "make clean   remove caches and build leftovers; keeps $(VENV), runs, models and results"

demo: $(VENV)/installed
	@$(BIN)/scatd demo

test: lint
	@echo "== tests (pytest, 2 processes)"
	@$(ONE_THREAD) MPLBACKEND=Agg $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

smoke: $(VENV)/installed
	@OMP_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/python -m tests.smoke

test-all: test smoke
	@echo "== slow tests (pytest, one process)"
	@$(ONE_THREAD) MPLBACKEND=Agg $(BIN)/python -m pytest -q -m slow

lint: $(VENV)/installed-dev
	@echo "== style (ruff)"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== types (mypy)"
	@$(BIN)/mypy

# The wheel is built from the source distribution, so that both hold all they need.
dist: $(VENV)/installed-release
	@rm -rf build dist
	@$(BIN)/python -m build --no-isolation
	@$(BIN)/twine check --strict dist/*

docs: $(VENV)/installed-docs docs/_build/demo/made
	@echo "== site (sphinx): runs the tutorials, and every warning is an error"
	@rm -rf docs/_build/html
	@$(BIN)/python -m sphinx -W --keep-going -E -q -b html -d docs/_build/doctrees docs docs/_build/html
	@echo "== links of the built site"
	@$(BIN)/python -m tests.site docs/_build/html

# What the tutorials begin with; made anew where the code has changed.
docs/_build/demo/made: $(VENV)/installed-docs $(shell find scatd -name '*.py')
	@echo "== the demo, for the tutorials"
	@rm -rf docs/_build/demo && mkdir -p docs/_build/demo
	@cd docs/_build/demo && $(abspath $(BIN))/scatd demo --quiet
	@touch $@

ui: $(VENV)/installed
	@echo "== http://127.0.0.1:5000 shows the runs and models of ./mlflow.db (stop with Ctrl-C)"
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db

MEASURE = OMP_NUM_THREADS=$(BENCH_THREADS) BENCH_JSON=benchmarks/bench.json $(BIN)/python -m

bench: $(VENV)/installed
	@$(MEASURE) benchmarks.start
	@$(MEASURE) benchmarks.transfer
	@$(MEASURE) benchmarks.transfer --epochs 12
	@$(MEASURE) benchmarks.transfer --small
	@$(MEASURE) benchmarks.sweep --drugs 6
	@$(MEASURE) benchmarks.pretrain
	@$(MEASURE) benchmarks.predict
	@$(MEASURE) benchmarks.explain
	@$(MEASURE) benchmarks.serve
	@$(MEASURE) benchmarks.prepare
	@$(MEASURE) benchmarks.tokenize
	@$(MEASURE) benchmarks.embed $(if $(KEEP),--json $(KEEP))
	@$(MEASURE) benchmarks.scale $(if $(KEEP),--json $(KEEP))
	@$(BIN)/python -m benchmarks.page

chaos: $(VENV)/installed-dev
	@OMP_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/python -m chaos all \
		--kills $(KILLS) --moves $(MOVES) --minutes $(MINUTES) --seed $(SEED)

mlproject: $(VENV)/installed
	@$(BIN)/python -m scatd.cli.mlproject

floors: $(VENV)/installed
	@$(BIN)/python -m tests.house

clean:
	@echo "== removing caches and build leftovers"
	@rm -rf build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find scatd entrypoints tests benchmarks chaos -name __pycache__ -prune -exec rm -rf {} +

# The stamps: installing is done once, and again when what is to be installed has changed.
$(VENV)/installed: pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "scatd needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; fi
	@echo "== installing scatd into $(VENV) with $(PYTHON) (some minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "== installing the tools of the test suite"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/installed-release: $(VENV)/installed
	@echo "== installing the tools of a release"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[release]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	@echo "== installing the tools of the documentation site"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	@touch $@
