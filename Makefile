PYTHON ?= python3.11
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup serve demo test chaos bench check sdl migration doctor web

help: ## Show what there is
	@echo "Evalium. On a fresh machine 'make serve' and 'make test' do all set-up themselves."
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.stamp web/.stamp ## Install everything into this folder

serve: .venv/.stamp web/.stamp ## Start the product with its demonstration tenants
	@exec $(BIN)/evalium serve

demo: .venv/.stamp ## Play an examination day against the running server (ARGS="--pool FILE --candidates 40")
	@exec $(BIN)/evalium demo $(ARGS)

test: .venv/.stamp ## Run all tests, in parallel
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: .venv/.stamp ## Break a whole installation again and again, and count what was lost (ARGS="streams --redis")
	@$(BIN)/python -m bench.chaos $(ARGS)

bench: .venv/.stamp ## Measure the scoreboard of docs/guides/performance.md (ARGS="--quick --rows Q1,M1")
	@$(BIN)/python -m bench $(ARGS)

check: .venv/.stamp ## Lint, types, floors, the printed schema and docs/access.md
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pyright
	@$(BIN)/evalium sdl --check
	@$(BIN)/evalium access --check

sdl: .venv/.stamp ## Print the schema to graphql/schema.graphql, and who may ask what to docs/access.md
	@$(BIN)/evalium sdl
	@$(BIN)/evalium access

migration: .venv/.stamp ## Draft a migration (MESSAGE="what it does")
	@$(BIN)/evalium migration "$(MESSAGE)"

doctor: .venv/.stamp ## Say what is wrong and what to type
	@$(BIN)/evalium doctor

web: ## Build GraphiQL again
	@rm -f web/.stamp
	@$(MAKE) --no-print-directory web/.stamp

.venv/.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

WEB_SOURCES = $(shell find web graphql -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name .stamp 2>/dev/null)

web/.stamp: $(WEB_SOURCES) scripts/web.sh scripts/node.sh scripts/node-requirements.txt | .venv/.stamp
	@scripts/web.sh
