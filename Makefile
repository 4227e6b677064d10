# One virtual environment, made from a hash-locked file. uv is used where it is on the PATH, pip otherwise.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-gpu storm lint bench lock wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## create .venv with every extra but ray

$(READY): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not on the PATH: install Python 3.11, or name another one: make PYTHON=python3.12"; exit 1; }
	@if command -v uv >/dev/null; then \
	  test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV); \
	  uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.txt && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
	  test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@touch $(READY)

demo: $(READY) ## train a DCGAN on real digits, about six minutes on two CPU cores
	$(BIN)/ganforge train

test: $(READY) ## run the default tests, about nine minutes on two cores
	$(BIN)/python -m pytest -q -n auto --dist worksteal

test-slow: $(READY) ## run the tests that take minutes: real processes, sweeps, every variant; about half an hour
	$(BIN)/python -m pytest -q -m slow -n 2 --dist worksteal

test-gpu: $(READY) ## run the tests that need a CUDA device
	$(BIN)/python -m pytest -q -m gpu

KILLS ?= 200
storm: $(READY) ## kill, stop and resume runs, and compare them to the bit: make storm KILLS=200, about 15 minutes
	$(BIN)/python scripts/storm.py --kills $(KILLS)

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: $(READY) ## the training loop against a bare PyTorch loop
	$(BIN)/python scripts/bench_train.py

lock: ## make requirements.txt anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --universal --no-header --quiet --output-file requirements.txt

wheel: $(READY) ## build the wheel into dist/
	$(BIN)/python -m hatchling build --target wheel

clean: ## delete the virtual environment and caches; outputs stay
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
