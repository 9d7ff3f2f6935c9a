# Each command makes .venv from pyproject.toml and constraints.txt when there is none.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: demo test check fmt bench

demo: .venv/for-demo ## train on built-in faces with the default settings, and show the result
	$(BIN)/poise train faces

test: check ## all that CI runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --durations=10

check: .venv/for-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: .venv/for-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/for-dev ## the numbers of docs/benchmarks.md; wants a machine with nothing else to do
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/prepare.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/kill.py

.venv/python: constraints.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv
	touch $@

.venv/for-demo: .venv/python
	$(INSTALL) -e '.[faces]'
	touch $@

.venv/for-dev: .venv/python
	$(INSTALL) -e '.[dev,claims,digits,export,faces,features,video]'
	touch $@
