# Each target does all its own set-up, on a machine with Python 3.11 (or later), pip and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test bench format clean

# Train on the embedded images, attack, report: minutes. Run again, it shows what is there.
demo: .venv/.installed
	$(BIN)/scotoma demo --out runs/demo

test: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

# Library and plain PyTorch by turns, on the photographs in DATA (a folder of category folders), two
# of whose categories are HIDE and KEEP.
bench: .venv/.installed
	$(BIN)/python benchmarks/run.py $(DATA) --hide $(HIDE) --keep $(KEEP) --out speed.json

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The stamps say what is installed; a change of the requirements installs anew.
.venv/.torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Scotoma needs Python 3.11 or later: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(PIP) install -c constraints.txt torch==2.13.0
	touch $@

.venv/.installed: .venv/.torch pyproject.toml
	$(PIP) install -c constraints.txt -e .
	touch $@

.venv/.installed-dev: .venv/.torch pyproject.toml
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ .venv/.installed

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache
