# Everything here works on a machine with Python 3.11 or later and make; each target sets up
# what it needs in .venv from requirements.lock.

PYTHON ?= python3
SECONDS ?= 600
BIN := .venv/bin
READY := .venv/ready
SHIPPED := gateway country_a country_b scenarios
SOURCES := $(SHIPPED) tests bench

.PHONY: help setup demo test check format interop fuzz bench lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv with everything the project needs

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, found " + sys.version.split()[0] + "; say make PYTHON=python3.12")'
	@echo "Setting up .venv (a minute or two, once) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY) ## run use case 1 on real images and write out/report.html
	@$(BIN)/ncpeh demo

# Every process that a test starts would compile the whole project where this is forbidden.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(READY) ## run the test suite
	@$(BIN)/pytest -n 2 --dist worksteal -q -m "not interop"

check: $(READY) ## format, lint, types
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy $(addprefix -p ,$(SHIPPED) bench)

format: $(READY) ## put the sources in order
	@$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

interop: $(READY) ## install programs from elsewhere and test against them, with no skip
	@tools/install-interop
	@$(BIN)/pytest -q -m interop --no-skips

fuzz: $(READY) ## feed hostile bytes to every reader for SECONDS
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench: $(READY) ## measure speed and memory, write out/bench.json
	@$(BIN)/python -m bench

lock: ## pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras pyproject.toml -o requirements.lock

clean: ## remove what was made
	rm -rf .venv out .mypy_cache .ruff_cache .pytest_cache .hypothesis
