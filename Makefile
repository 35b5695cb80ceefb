PYTHON ?= python3
WORKERS ?= 2
PYTEST_ARGS ?=
N ?= 1000000

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
# uv takes a fifth of the time; pip comes in where uv fails, which does not read pip's configuration.
install = $(PIP) 'uv>=0.5' && $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt $(1) || $(PIP) $(1)
EXTRAS := dbt,dev,docs,postgres,snowflake
TOOLS := .tools
LOCK := requirements.lock
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes --universal \
	--python-version 3.11 -c constraints.txt pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench conformance trust soak mutants coverage docs pictures check lock audit sbom package matrix \
	orchestrators clean

help: ## show this
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

demo: $(VENV)/.demo ## dbt build and sync to local stand-ins, end to end
	@$(BIN)/revetl demo

test: $(VENV)/.dev ## all tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

lint: $(VENV)/.dev ## ruff and mypy
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/mypy -n $(WORKERS) || status=1; \
	exit $$status

format: $(VENV)/.dev ## let ruff format and mend what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

conformance: $(VENV)/.dev ## what each destination was shown to do, as docs/conformance.md
	@$(BIN)/python -m pytest -n $(WORKERS) -q --conformance docs/conformance.md tests/destinations -k Test $(PYTEST_ARGS)

trust: $(VENV)/.dev ## what is promised, and what a run finds of it, as docs/trust.md
	@REVETL_ROUNDS=$${REVETL_ROUNDS:-3} REVETL_SCHEDULES=$${REVETL_SCHEDULES:-1500} REVETL_CHAOS=$${REVETL_CHAOS:-4} \
		REVETL_VALUES=$${REVETL_VALUES:-140} \
		REVETL_KILLS=$${REVETL_KILLS:-160} REVETL_STOPS=$${REVETL_STOPS:-4} REVETL_FORGETS=$${REVETL_FORGETS:-200} \
		REVETL_DISK_ERRORS=$${REVETL_DISK_ERRORS:-3} \
		$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q --trust docs/trust.md $(PYTEST_ARGS) \
		$$($(BIN)/python -m tests.trust.catalogue)

bench: $(VENV)/.dev ## the measurements, as a table
	@$(BIN)/python -m pytest -m bench -s tests/bench $(PYTEST_ARGS)

docs: $(VENV)/.dev ## the documentation as a site in build/site, every link checked
	@$(BIN)/python -m docs.site.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

pictures: $(VENV)/.dev ## the picture in README, from a run of the demo shop
	@$(BIN)/python -m docs.site.pictures

soak: $(VENV)/.dev ## N histories of faults in parallel (a million), until one does not converge
	@$(BIN)/python -m tests.faults.soak $(N)

mutants: $(VENV)/.dev ## MUTANTS changes of the code of each room (100), and which no test notices: docs/mutants.md
	@$(PIP) 'mutmut>=3.8'
	@$(BIN)/python -m tests.trust.mutation $${MUTANTS:-100}

coverage: $(VENV)/.dev ## lines and branches that the tests (PYTEST_ARGS) come by: docs/coverage.md
	@$(PIP) 'coverage>=7.10'
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadgroup -q $(PYTEST_ARGS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage json --quiet -o .coverage.json
	@$(BIN)/python -m tests.trust.covered .coverage.json $(PYTEST_ARGS)

check: lint test ## lint, then test

lock: $(TOOLS)/.made ## pin all that CI installs, with hashes, as requirements.lock
	@$(COMPILE) --extra dbt --extra dev --extra docs --extra postgres --extra snowflake -o $(LOCK)

audit: $(TOOLS)/.made ## known weaknesses of what the lock pins; asks the network
	@$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes -r $(LOCK)

sbom: $(TOOLS)/.made ## what revetl brings along, as dist/revetl.cdx.json (CycloneDX)
	@mkdir -p dist
	@sed 's/^dynamic = \["version"\]/version = "'"$$($(TOOLS)/bin/python -m hatchling version)"'"/' pyproject.toml > $(TOOLS)/versioned.toml
	@$(COMPILE) | PYTHONWARNINGS=ignore $(TOOLS)/bin/cyclonedx-py requirements - --pyproject $(TOOLS)/versioned.toml \
		--output-reproducible --of JSON -o dist/revetl.cdx.json

package: $(TOOLS)/.made ## wheel and source distribution in dist/, the same bytes each time
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(TOOLS)/bin/uv build --quiet -o dist .

matrix: package ## the wheel beside other versions of Python, dbt, DuckDB and drivers: docs/compatibility.md
	@rm -rf .nox/rows
	@$(TOOLS)/bin/nox -t matrix

orchestrators: package ## the examples of Airflow, Dagster and Prefect, run by the real packages
	@$(TOOLS)/bin/nox -t orchestrators

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) $(TOOLS) .nox .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Takes $(PYTHON), else the newest interpreter by name, whichever is 3.11 or later.
$(BIN)/python:
	@for python in "$(PYTHON)" python3.13 python3.12 python3.11; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		echo "making $(VENV) with $$python"; \
		"$$python" -m venv $(VENV) && exit 0; \
		rm -rf $(VENV); \
		echo "$$python cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; exit 1; \
	done; \
	echo "revetl needs Python 3.11 or later, and '$(PYTHON)' is not; say: make PYTHON=/path/to/python3.11" >&2; exit 1

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing revetl with dbt into $(VENV)"
	@$(call install,-e '.[dbt]')
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing revetl with dbt and the tools for tests into $(VENV)"
	@$(call install,-e '.[$(EXTRAS)]')
	@touch $(VENV)/.demo $@

# Programs that CI runs and that nobody needs beside revetl.
$(TOOLS)/.made: Makefile | $(BIN)/python
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip --disable-pip-version-check install --quiet 'uv>=0.5' 'nox>=2024.10' 'pip-audit>=2.7' \
		'cyclonedx-bom>=5' 'hatchling>=1.27' 'hatch-vcs>=0.4'
	@touch $@
