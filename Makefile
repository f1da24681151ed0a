# Everything a developer or an operator of one machine needs; `make help` lists it.

PYTHON ?= python3
PROFILE ?= classroom
BIN := .venv/bin
STAMPS := .make
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header

.DEFAULT_GOAL := help
.PHONY: help run setup dev load bench web packages test test-fast lint fmt lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: setup ## Set everything up and serve on http://127.0.0.1:8000
	@.ci/page || true
	@exec $(BIN)/lyceum serve

setup: $(STAMPS)/python ## Install the locked Python dependencies and the lyceum command

dev: $(STAMPS)/dev ## The same with what tests and checks need

web: ## Build the page (needs Node)
	@.ci/page

packages: setup # after .ci/venv, which may install one too
	@.ci/packages chromium postgresql pgbouncer

test: dev $(STAMPS)/clients $(STAMPS)/load lint packages web ## Check everything, with real Postgres, clients and browser
	@env -u MAKEFLAGS $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --cov --cov-report=
	@echo "coverage of protocol/ and persistence/, where no line may be untested:"
	@$(BIN)/coverage report --include='server/protocol/*,server/persistence/*' --fail-under=100
	@echo "coverage of all:"
	@$(BIN)/coverage report

test-fast: dev ## Only the tests of pure parts, in seconds
	@$(BIN)/python -m pytest tests/unit

load: $(STAMPS)/load ## Load a running server (PROFILE=smoke | classroom | school | soak, ARGS=…)
	@mkdir -p loadtests/results
	@.venv-load/bin/python -m locust --config loadtests/locust/profiles/$(PROFILE).conf $(ARGS)

bench: dev ## Measure side by side with other servers (ARGS=…, see ARGS=--help)
	@$(BIN)/python -m loadtests.bench $(or $(ARGS),--help)

lint: dev ## Style, types and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 5

fmt: dev ## Format the Python code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: dev ## Take the newest releases into the lock files
	@$(LOCK) --extra build pyproject.toml -o requirements.lock
	@$(LOCK) --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@$(LOCK) --extra build --extra load -c requirements.lock pyproject.toml -o requirements-load.lock

clean: ## Remove what was installed and built; data in .lyceum stays
	@rm -rf .venv .venv-load .make loadtests/results server/http/static web/node_modules tests/clients/node_modules \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/python: requirements.lock pyproject.toml
	@.ci/venv $(PYTHON)
	@$(INSTALL) --no-deps --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: $(STAMPS)/python requirements-dev.lock
	@$(INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

$(STAMPS)/load: $(STAMPS)/dev requirements-load.lock
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-load
	@$(BIN)/uv pip install --quiet --python .venv-load/bin/python --require-hashes \
	  -r requirements-load.lock
	@touch $@

$(STAMPS)/clients: tests/clients/package.json tests/clients/package-lock.json
	@cd tests/clients && npm ci --no-audit --no-fund --loglevel=error
	@mkdir -p $(STAMPS) && touch $@
