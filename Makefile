# make demo    train the default VAE on digits, evaluate it, draw its figures
# make test    ruff, mypy and the default tests        make verify   the slow statistical checks
# make docs    the documentation, in build/site; the tutorial runs when its text has changed
# make mutants MUTANTS="guides --number 20 --seed 1"    how many small changes of the packages the tests notice
# TORCH_INDEX=https://download.pytorch.org/whl/cpu make demo    installs the light, CPU-only torch

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := build/site
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
DEMO := runs/demo

.PHONY: demo test docs verify mutants clean

demo: $(VENV)/.core
	$(BIN)/python train.py run_dir=$(DEMO) train.epochs=200
	$(BIN)/python evaluate.py $(DEMO)
	@echo "open $(DEMO)/report.html in a browser; the figures are in $(DEMO)/figures"
	@echo "then: . $(BIN)/activate; python train.py --help"

test: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not verify" -n 2 --dist loadfile

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -c docs/site --fail-on-warning --quiet . $(SITE)
	@echo "open $(SITE)/index.html in a browser"

verify: $(VENV)/.dev $(VENV)/.cluster $(VENV)/.docs
	$(BIN)/python -m pytest -m verify

mutants: $(VENV)/.dev
	nice -n 15 $(BIN)/python -m tests.mutation $(MUTANTS)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed, this is " + sys.version'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python requirements.txt
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.core requirements/dev.txt
	$(PIP) -r requirements/dev.txt
	touch $@

$(VENV)/.cluster: $(VENV)/.dev requirements/slurm.txt requirements/ray.txt
	$(PIP) -r requirements/slurm.txt -r requirements/ray.txt
	touch $@

$(VENV)/.docs: $(VENV)/.core requirements/docs.txt
	$(PIP) -r requirements/docs.txt
	touch $@

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .mutants
