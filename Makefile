# A fresh machine needs Python 3.11 or newer and make. Everything is installed into .venv and nowhere else.
SHELL := /bin/sh
BIN := .venv/bin
STAMP := .venv/.installed
NEWEST := python3 python3.14 python3.13 python3.12 python3.11 python
PYTHON ?= $(shell for p in $(NEWEST); do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; break; fi; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: install demo test lint bench clean distclean help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1: /p' Makefile

install: $(STAMP) ## set up .venv with the command bancast in .venv/bin

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "make: Python 3.11 or newer is needed; install it, or: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@if [ ! -x $(BIN)/python ] && ! $(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1; then \
		echo "make: $(PYTHON) cannot make environments (no ensurepip); install python3-venv (Debian, Ubuntu: apt-get install python3-venv)," >&2; \
		echo "make: or name another Python: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@echo "[1/3] environment .venv ($(PYTHON))"
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then $(PYTHON) -m venv --clear .venv; fi
	@echo "[2/3] packages of requirements.lock, checked by hash: about 210, 2.4 GB on disk, some minutes the first time"
	$(PIP) install --no-deps --require-hashes -r requirements.lock
	@echo "[3/3] bancast itself"
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)
	@echo "done: $(BIN)/bancast --help"

demo: $(STAMP) ## simulate a small company, run the main job on it, say where everything is
	rm -rf demo-world demo-home
	$(BIN)/bancast simulate demo-world --lines 300 --days 120 --seed 7
	$(BIN)/bancast run demo-world --home demo-home

test: $(STAMP) ## the whole test suite, in two processes
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) ## speed, memory and quality against plain references
	$(BIN)/python -m benchmarks

clean: ## remove caches and the demo
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build demo-world demo-home
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## remove the environment too
	rm -rf .venv
