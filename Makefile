# Loadfleet: `make` lists the targets. ARGS is handed on, e.g. make bert ARGS="-e benchmark_execution=valid".
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	command -v $$p >/dev/null && $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/$(BIN):$(PATH)
ARGS ?=
CHROMIUM = $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | awk -F'\t' '{printf "  make %-9s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(STAMP) ## Make .venv from requirements.lock (nothing outside this folder changes)

$(STAMP): requirements.lock harness/pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: no Python 3.11 or newer with venv found; install one, e.g.: sudo apt-get install -y python3 python3-venv" >&2; exit 3; fi
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable harness
	@touch $@

.PHONY: bert
bert: setup ## Run the BERT benchmark here, from preparation to a checked submission
	$(BIN)/ansible-playbook playbooks/bert.yml -i inventory $(ARGS)

.PHONY: resnet50
resnet50: setup ## Run the image classification benchmark here, the same way
	$(BIN)/ansible-playbook playbooks/resnet50.yml -i inventory $(ARGS)

.PHONY: mobilenets
mobilenets: setup ## Run three models of image classification here, in one table
	$(BIN)/ansible-playbook playbooks/mobilenets.yml -i inventory $(ARGS)

.PHONY: retinanet
retinanet: setup ## Run the object detection benchmark here, the same way
	$(BIN)/ansible-playbook playbooks/retinanet.yml -i inventory $(ARGS)

.PHONY: onnx
onnx: setup ## Measure any ONNX model: make onnx MODEL=FILE
	@[ -n "$(MODEL)" ] || { echo "make: which model? for example: make onnx MODEL=/data/model.onnx" >&2; exit 2; }
	$(BIN)/ansible-playbook playbooks/onnx.yml -i inventory -e "benchmark_model_path='$(abspath $(MODEL))'" $(ARGS)

.PHONY: test
test: setup ## Run all tests, the main job included
	@if [ -n "$(CHROMIUM)" ]; then \
		$(BIN)/pytest -n 2 --dist worksteal -m "not e2e and not lab" $(ARGS); \
	else \
		echo "make: left out: the tests of reports in a browser; they need chromium"; \
		$(BIN)/pytest -n 2 --dist worksteal -m "not e2e and not lab and not browser" $(ARGS); fi
	@if [ "$$(id -u)" = 0 ] && command -v mmdebstrap >/dev/null; then \
		$(BIN)/pytest -n 2 --dist loadfile -m lab $(ARGS); \
	else \
		echo "make: left out: the tests of several hosts over SSH; they need root and mmdebstrap"; fi
	$(BIN)/pytest -m e2e $(ARGS)

.PHONY: unit
unit: setup ## Run the fast tests only
	$(BIN)/pytest -n 2 --dist worksteal -m "not e2e and not integration and not lab and not browser" $(ARGS)

.PHONY: lab-up lab-down lab-shell
lab-up: setup ## Start HOSTS hosts (3) on this machine, reached over SSH and without a way out; needs root
	$(BIN)/python -m tests.lab up $(or $(HOSTS),3)

lab-down: setup ## End them
	$(BIN)/python -m tests.lab down

lab-shell: setup ## Log in on HOST, or have a shell here whose Ansible knows the lab
	$(BIN)/python -m tests.lab shell $(HOST)

.PHONY: lint
lint: setup ## Check style, types and playbooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline

.PHONY: sanity
sanity: setup ## Run ansible-test sanity on an exported copy of the collection
	tests/sanity/run.sh $(ARGS)

.PHONY: bench
bench: setup ## Measure the harness against its limit and a reference-style SUT (15 minutes)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: docs
docs: setup ## Rebuild the generated parts of the documentation
	$(BIN)/python tools/option_table.py
	$(BIN)/python tools/checker_table.py

.PHONY: build
build: setup ## Build the collection and the harness wheel into dist/
	mkdir -p dist
	$(BIN)/ansible-galaxy collection build --force --output-path dist .
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist ./harness

.PHONY: lock
lock: ## Resolve the lock files anew (needs uv)
	requirements/lock.sh

.PHONY: clean
clean: ## Remove what the targets above made, results excepted
	rm -rf $(VENV) dist .ansible .mypy_cache .pytest_cache .ruff_cache
