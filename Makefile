# Two commands do everything from a clean clone with Python 3.11 and make: `make run` and `make test`.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
GOAL ?= put the red block in the blue bowl, then stack the green block on the yellow block
SEED ?= 7
# Two busy torch threads measured slower than one on a loaded machine; nothing is fetched at run time.
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: run test test-all lint format weights clean help install install-dev

help:
	@echo "make run       install, then the main job: one sentence -> plan -> motion -> video in runs/"
	@echo "make test      install, then the fast tests; make test-all: the slow ones too"
	@echo "make lint      ruff, pyright, import-linter"
	@echo "make weights   train the shipped weights again"
	@echo "make clean     remove what the others made"

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))" || { echo "the simulator's engine, pybullet, has wheels for Python 3.10 and 3.11 only: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone, so that no other package's wish picks another build of it.
$(VENV)/.run: $(BIN)/python pyproject.toml setup.cfg constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[sim,train]"
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[sim,train,dev]"
	touch $@

install: $(VENV)/.run
install-dev: $(VENV)/.dev

run: $(VENV)/.run
	$(BIN)/embodied run goal='$(GOAL)' seed=$(SEED)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not gpu and not ros"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not gpu"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

weights: $(VENV)/.run
	$(BIN)/embodied train

clean:
	rm -rf .venv build dist runs *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
