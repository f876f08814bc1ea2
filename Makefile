# `make up` runs the wine project; `make test` tests everything. Both set up what they need, below .venv/.
PYTHON ?= python3
BIN := .venv/bin
SPEC ?= projects/wine.yaml
up_flags = $(if $(DETACH),--detach) $(if $(ENV),--env $(ENV))

.PHONY: up down test check bench clean

up: .venv/run.stamp
	$(BIN)/mlspec up $(SPEC) $(up_flags)

down: .venv/run.stamp
	$(BIN)/mlspec down $(SPEC) $(if $(ENV),--env $(ENV))

test: check
	$(BIN)/pytest -m "e2e or slow"

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -m "not e2e and not slow" -n 2

bench: .venv/bench.stamp
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mlspec needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv || { echo 'On Debian and Ubuntu: sudo apt-get install python3-venv' >&2; exit 1; }

.venv/run.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[examples]'
	touch $@

.venv/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/run.stamp

.venv/bench.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@
