# Every command that one needs here. `make help` lists them; each does its own set-up.

# Python 3.11 to 3.14 to build .venv from; found by itself if empty.
PYTHON ?=
# Directory that `make demo` reads; the running Python's own library if empty.
DIR ?=
# More arguments for pytest, benchmarks or the demo: make test ARGS="tests/unit -k refs"
ARGS ?=
# Processes that tests run in.
WORKERS ?= 2

export PYTHON
BIN := .venv/bin
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check format bench soak clean tools

help: ## List the commands
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nVariables: DIR=directory (demo), ARGS="..." (test, bench, demo), PYTHON=python3.12, WORKERS=%s\n' '$(WORKERS)'

##@ Use
demo: export DIR := $(DIR)
demo: ## Put a real directory into a fabric, change it, and read both versions back (DIR=...)
	@sh scripts/setup.sh run
	@$(BIN)/python scripts/demo.py $(if $(DIR),--dir "$$DIR") $(ARGS)

setup: ## Make .venv with everything for development (uv is fetched if missing)
	@sh scripts/setup.sh dev

##@ Check
test: setup tools ## Run the tests (minutes)
	$(PYTEST) -m "not slow" $(ARGS)

test-all: setup tools ## Run the tests with the slow ones
	$(PYTEST) $(ARGS)

check: setup ## Look at the code without running it: format, lint, types, layers, style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --no-warn-unreachable --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q -n 0 tests/test_tidy.py

format: setup ## Format the code and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

##@ Measure
bench: setup tools ## Run the benchmarks side by side with peers (ARGS="name ...")
	$(BIN)/python -m benchmarks $(ARGS)

soak: setup tools ## Run the engine against its model and the fuzzers with new examples, for hours
	HYPOTHESIS_PROFILE=soak FABRIC_TEST_MACHINES=20000 $(PYTEST) --timeout 0 $(or $(ARGS),tests/stateful tests/unit/model)

##@ Tidy up
clean: ## Remove what the commands made, .venv too
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist demo-fabric
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The servers that the tests need, built once a machine and kept outside of the checkout.
# Without them those tests are skipped; in CI that is a failure.
tools:
	@sh scripts/tools.sh >/dev/null || { test -z "$$CI" && echo "tests that need the S3 server will be skipped" >&2; }
