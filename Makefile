# Everything here works on a machine with Python 3.11 and make: each target creates .venv itself.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests share the cores: two runners, unless JOBS says otherwise.
JOBS ?= 2
# By file, because the tests of one file may share a running system; in the order of their folders, since the whole systems
# and browsers of tests/acceptance take longest and would else come last, when the other runner has nothing left.
PARALLEL := -n $(JOBS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo run test lint fmt screens bench bench-console bench-neighbours soak messages constraints

help: ## Show this help
	@echo "SEG Console: a mail gateway with a web console. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo "Ports: SEG_HTTP_PORT (8000), SEG_SMTP_PORT (2525). Data: SEG_DATA_DIR (var). More: docs/configuration.md"

demo: ## Start everything with a lab of mail servers, and send sample mail through it
	@sh .ci/install run
	@exec $(BIN)/python manage.py demo

run: ## Start everything for real use, on an empty system
	@sh .ci/install run
	@exec $(BIN)/python manage.py up

test: lint ## Check and test everything, on SQLite and on PostgreSQL
	$(BIN)/pytest $(PARALLEL)
	# Of the pure tests once is enough.
	$(BIN)/python -m tests.postgresql $(BIN)/pytest $(PARALLEL) tests/acceptance tests/integration

lint: ## Check style, types, the compose file
	@sh .ci/install dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

fmt: ## Format the code
	@sh .ci/install dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screens: ## Write a picture of every page to screens/ (needs chromium-headless-shell); ONLY=word for some of them
	@sh .ci/install dev
	ONLY="$(ONLY)" $(BIN)/pytest -q -n $(JOBS) --dist load tests/acceptance/screens.py

bench: ## Measure against Postfix (needs root, postfix, stunnel4); SAVE=1 writes docs/benchmarks.md
	@sh .ci/install dev
	$(BIN)/python -m seg_console.bench $(if $(SAVE),--save)

bench-console: ## Time the console with 200 policies and 40,000 routes; SAVE=1 writes docs/benchmarks-console.md
	@sh .ci/install dev
	$(BIN)/python -m seg_console.bench.console $(if $(SAVE),--save)

bench-memory: ## Measure what 200 large messages in hand cost; SAVE=1 writes docs/benchmarks.md
	@sh .ci/install dev
	$(BIN)/python -m seg_console.bench.memory $(if $(SAVE),--save)

bench-neighbours: ## Measure what a bad server costs the healthy one beside it; ROUNDS=5 for more, ONLY=word for some kinds
	@sh .ci/install dev
	ROUNDS="$(ROUNDS)" ONLY="$(ONLY)" $(BIN)/python -m tests.neighbours

soak: ## Twenty minutes of mail among servers that misbehave, with accidents; MINUTES=5 for fewer, SEED=7 for the same again
	@sh .ci/install dev
	MINUTES="$(MINUTES)" SEED="$(SEED)" $(BIN)/python -m tests.soak

messages: ## Take new and changed words of the source into the Chinese catalogue, and compile it (needs gettext)
	@sh .ci/install dev
	$(BIN)/python -m tests.catalogue

constraints: ## Take the newest versions that pyproject.toml allows into constraints.txt
	@sh .ci/install refresh
