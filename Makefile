# Two commands matter: `make reproduce` and `make test`. Both first install what they need
# into .venv, once. `make help` lists all.

PYTHON ?= python3
STUDY  ?= demo
CORES  ?= all

# Recipes read these from their environment, letter by letter: no $ or quote in them is make's or
# the shell's to understand.
override STUDY := $(value STUDY)
override CORES := $(value CORES)
export STUDY CORES

VENV  := .venv
BIN   := $(VENV)/bin
PINS  := pyproject.toml constraints.txt
INSTALL := -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PIP   := $(BIN)/python $(INSTALL)
PEERS := .venv-peers
BENCHMARKS := finetune mlm distill_grid soft_labels startup scaling planning
GPU := import numpy, pydantic, pytest, safetensors, sys, torch; sys.exit(not torch.cuda.is_available())
OLDER := import sys; sys.exit(sys.version_info < (3, 11))

# Snakemake and pip keep caches at home; where that is read-only, as for a nameless user, here.
ifeq ($(shell test -w "$$HOME" && echo yes),)
export HOME := $(CURDIR)/.home
endif

.DEFAULT_GOAL := help
.PHONY: help reproduce test test-gpu test-slurm lint bench example clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

reproduce: $(VENV)/.run ## train, measure and draw the demo study (STUDY=... for another)
	@$(BIN)/snakemake --cores "$$CORES" --rerun-incomplete --logger pdbench --config study="$$STUDY"

test: $(VENV)/.test ## run the tests
	@$(BIN)/pytest --numprocesses auto

# A machine with a GPU may have no package index: what runs is PYTHON, with a CUDA build of torch,
# numpy, safetensors, pydantic and pytest, and nothing is installed.
test-gpu: ## test on a GPU, with PYTHON=... that has torch, numpy, safetensors, pydantic and pytest
	@$(PYTHON) -c '$(GPU)' 2>/dev/null || { \
	  echo "make test-gpu needs a GPU, and numpy, pydantic, pytest, safetensors and a torch that can" \
	    "use it in $(PYTHON); name another with PYTHON=..." >&2; \
	  exit 1; }
	@$(PYTHON) -m pytest -m gpu --confcutdir=tests/gpu tests/gpu

test-slurm: $(VENV)/.test $(VENV)/.slurm ## start a SLURM on this machine, and test studies and failures on it
	@tests/slurm/cluster.sh install
	@$(BIN)/pytest -m slurm tests/slurm

lint: $(VENV)/.lint ## ruff, mypy, snakefmt and snakemake --lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

bench: $(VENV)/.run $(PEERS)/.run ## measure against other libraries, a minute for each kind of work
	@for name in $(BENCHMARKS); do \
	  $(BIN)/python -m benchmarks.$$name --quick --json results/benchmarks/$$name.json || exit 1; \
	done
	@$(BIN)/python -m benchmarks.table $(BENCHMARKS:%=results/benchmarks/%.json)

example: $(VENV)/.run ## copy the report of a study to reports/example
	@$(BIN)/pdbench example -- "$$STUDY"

clean: $(VENV)/.run ## remove the study's results, report and logs; downloads and .venv stay
	@$(BIN)/pdbench clean --of="$$STUDY" --yes

# One stamp for each set of packages; it is written when the installation succeeded.
$(VENV)/.run: $(VENV)/bin/python $(PINS)
	@echo "Installing pdbench and what it needs into $(VENV), which takes a while the first time"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test $(VENV)/.slurm $(VENV)/.lint: $(VENV)/.%: $(VENV)/.run
	@echo "Installing what the $* target needs"
	@$(PIP) --editable '.[$*]'
	@touch $@

# The libraries that pdbench is measured against, in an environment of their own.
$(PEERS)/.run: benchmarks/peers.txt benchmarks/peers-alone.txt constraints.txt | $(VENV)/bin/python
	@echo "Installing what the benchmarks compare with into $(PEERS)"
	@$(BIN)/python -m venv $(PEERS)
	@$(PEERS)/bin/python $(INSTALL) --requirement benchmarks/peers.txt
	@$(PEERS)/bin/python $(INSTALL) --no-deps --requirement benchmarks/peers-alone.txt
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c '$(OLDER)' 2>/dev/null || { \
	  echo "pdbench needs Python 3.11 or newer, and $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>/dev/null || echo missing); name another: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
