# Everything a developer types. Each target is enough on a fresh Debian machine with Python 3.11,
# git and make: what is missing is installed, or the line that installs it is printed.
#
#   make demo         install into .venv, run the main job on a real slide, say where the result is
#   make test         lint and the whole suite
#   make test-latest  the suite with the newest versions of everything, in .venv-latest
#   make lint         ruff, mypy, import-linter
#   make format       let ruff tidy the code
#   make bench        speed beside other implementations, of files, threads and processes; curves in out/
#   make docs         build the documentation into site/

PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3),python3)
PYTEST_ARGS ?=
# Two processes, one of which has all tests of widgets: see tests/conftest.py.
TWO := -n 2 --dist loadgroup
BIN := .venv/bin
PIP := -m pip --disable-pip-version-check -qq
PINS := constraints/py311.txt
INPUTS := pyproject.toml $(PINS)

export NUMBA_CACHE_DIR := $(CURDIR)/.numba_cache
export PIP_CONSTRAINT
export PIP_BUILD_CONSTRAINT

.PHONY: demo test test-latest lint format bench docs clean
.DELETE_ON_ERROR:

demo: .venv/base.stamp
	$(BIN)/python examples/demo.py out

test: lint
	.ci/display $(BIN)/python -m pytest $(TWO) $(PYTEST_ARGS)

lint: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/bench.stamp
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/end_to_end.py --size 8192
	$(BIN)/python benchmarks/planning.py
	$(BIN)/python benchmarks/scaling.py --folder out
	$(BIN)/python benchmarks/cluster.py --tasks 1000 --folder out

docs: .venv/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test-latest: .venv-latest/dev.stamp
	.ci/display .venv-latest/bin/python -m pytest $(TWO) $(PYTEST_ARGS)

clean:
	rm -rf .venv .venv-latest .numba_cache .mypy_cache .ruff_cache .pytest_cache site out

# Pins hold for what is installed and for what builds it; `test-latest` goes without.
.venv/%.stamp: PIP_CONSTRAINT := $(CURDIR)/$(PINS)
.venv/%.stamp: PIP_BUILD_CONSTRAINT := $(CURDIR)/$(PINS)

.venv/base.stamp: $(INPUTS) | .venv/bin/python
	@echo "Installing into .venv; the first time this takes a few minutes."
	$(BIN)/python $(PIP) install --editable .
	@touch $@

.venv/dev.stamp: $(INPUTS) | .venv/bin/python
	@echo "Installing into .venv; the first time this takes a few minutes."
	$(BIN)/python $(PIP) install --editable '.[dev]'
	@touch .venv/base.stamp $@

# fast-slic comes as source only: built where there is a compiler, left out where there is none.
.venv/bench.stamp: .venv/dev.stamp
	$(BIN)/python $(PIP) install cython setuptools
	$(BIN)/python $(PIP) install --no-build-isolation fast-slic \
		|| echo "fast-slic could not be built here; the benchmark goes without it."
	@touch $@

.venv-latest/dev.stamp: pyproject.toml | .venv-latest/bin/python
	.venv-latest/bin/python $(PIP) install --upgrade --editable '.[dev]'
	@touch $@

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/need "a virtual environment" python3-venv
	$(PYTHON) -m venv $*
