# make demo    install, train on the built-in apples for MINUTES minutes, and generate new ones
# make test    install everything, and run the linter, the type checker and all tests
# make quick   install everything, and run the quick tests
# make lint    install everything, and run the linter and the type checker
# make docs    install everything, generate docs/cli.md and the figures of the lessons, and build the site into site/
# make clean   remove what the others made, except runs/
#
# JOBS is the number of processes that run the tests.

PYTHON ?= python3
MINUTES ?= 10
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/demo-$(MINUTES)min
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
# Each file of tests runs in one process, so that the fixtures of a file are made once. The files are taken in alphabetical
# order, since by default the files with the fewest tests come last, and these take the longest.
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
SETUP := pyproject.toml constraints.txt

# What an installation downloads and how long it takes, as the messages say it: measured on two cores.
DEMO_INSTALL := about 75 packages (1.9 GB on disk); this takes two to three minutes
TEST_INSTALL := about 125 packages (4 GB on disk); this takes about five minutes

.PHONY: demo test quick lint docs clean

demo: $(VENV)/.demo
	@echo "Training on the built-in apples for $(MINUTES) minutes."
	$(BIN)/pippin train apples --image-size 64 --minutes $(MINUTES) --run $(RUN)
	$(BIN)/pippin sample $(RUN) -n 64 -o $(RUN)/grid.png
	@echo
	@echo "Progress of training: $(RUN)/timeline.png"
	@echo "64 new apples:        $(RUN)/grid.png"

test: lint
	$(PYTEST) --durations=40 --durations-min=2

quick: $(VENV)/.test
	$(PYTEST) -m "not slow"

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.test
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/figures/lessons.py
	$(BIN)/python docs/build_site.py
	@echo "The site: site/index.html"

clean:
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache dist site

# An empty file in .venv records what is installed. The package itself is installed editable: a change needs no reinstall.
$(VENV)/.demo: $(SETUP) $(VENV)/.made
	@echo "Installing Pippin with TensorFlow into $(VENV): $(DEMO_INSTALL)."
	$(PIP) --editable '.[tensorflow]'
	@touch $@

$(VENV)/.test: $(SETUP) $(VENV)/.made
	@echo "Installing Pippin with all engines and tools into $(VENV): $(TEST_INSTALL)."
	$(PIP) --editable '.[tensorflow,jax,torch,export,parquet,dev,docs]'
	@touch $@ $(VENV)/.demo

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else \
		"Pippin needs Python 3.11, 3.12 or 3.13; choose one with: make PYTHON=python3.12. Received: %d.%d" % v[:2])'
	@echo "Creating the virtual environment $(VENV)."
	$(PYTHON) -m venv $(VENV)
	@touch $@
