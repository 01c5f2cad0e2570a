# make demo    train on the built-in apples for MINUTES minutes, and paint new ones
# make test    everything that must hold: style, types, all tests
# make quick   the tests that take seconds
# make lint    style and types
# make clean   remove what the others made, except runs/

PYTHON ?= python3
MINUTES ?= 10
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/demo-$(MINUTES)min
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SETUP := pyproject.toml constraints.txt

.PHONY: demo test quick lint clean

demo: $(VENV)/.demo
	$(BIN)/pippin train apples --image-size 64 --minutes $(MINUTES) --run $(RUN)
	$(BIN)/pippin sample $(RUN) -n 64 -o $(RUN)/grid.png
	@echo
	@echo "How it grew:       $(RUN)/timeline.png"
	@echo "Its newest apples: $(RUN)/grid.png"

test: lint
	$(BIN)/python -m pytest

quick: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache dist

# A stamp in .venv says what is installed there. The package itself is installed editable: a change needs no reinstall.
$(VENV)/.demo: $(SETUP) $(VENV)/.made
	$(PIP) --editable '.[tensorflow]'
	@touch $@

$(VENV)/.test: $(SETUP) $(VENV)/.made
	$(PIP) --editable '.[tensorflow,jax,torch,export,parquet,dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else \
		"Pippin needs Python 3.11, 3.12 or 3.13; choose one with: make PYTHON=python3.12. Received: %d.%d" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@
