PORT ?= 8501
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: app test lint bench reproduce clean
.DELETE_ON_ERROR:

## The dashboard on http://localhost:$(PORT)
app: .venv/.app-installed
	@.venv/bin/sampleinfo app --port $(PORT)

## Every test: style, types, layers, units, pages, a real browser
test: lint
	@sh scripts/ensure_chromium.sh
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/.dev-installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

bench: .venv/.dev-installed
	.venv/bin/python -m benchmarks.run --quick

## The paper's figures at small sizes, into docs/reproduction
reproduce: .venv/.dev-installed
	.venv/bin/python -m benchmarks.reproduce all --quick

clean:
	rm -rf .venv

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "sampleinfo needs Python 3.11 or newer, got: $$($(PYTHON) --version 2>&1). Name one, for example: make app PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "Python cannot make an environment. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }

.venv/.app-installed: requirements.txt pyproject.toml | .venv/bin/python
	@echo "Installing into .venv, once: about 5.5 GB on disk with PyTorch, one to several minutes."
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps --editable .
	@touch $@

.venv/.dev-installed: requirements-dev.txt .venv/.app-installed
	@echo "Installing the tools for the tests, once: less than a minute."
	@$(PIP) -r requirements-dev.txt
	@touch $@
