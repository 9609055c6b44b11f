PORT ?= 8501
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: app test lint bench clean
.DELETE_ON_ERROR:

## The dashboard on http://localhost:$(PORT)
app: .venv/app.stamp
	@.venv/bin/sampleinfo app --port $(PORT)

## Every test: style, types, layers, units, pages, a real browser
test: lint
	@sh scripts/ensure_chromium.sh
	.venv/bin/python -m pytest

lint: .venv/dev.stamp
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

bench: .venv/dev.stamp
	.venv/bin/python benchmarks/run.py

clean:
	rm -rf .venv

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "sampleinfo needs Python 3.11 or newer; got $$($(PYTHON) --version). Use: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/app.stamp: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing into .venv: about 6 GB with PyTorch, one to several minutes, once."
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/app.stamp
	$(PIP) -r requirements-dev.txt
	@touch $@
