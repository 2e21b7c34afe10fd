# Needs Python 3.11 or newer, make and git. `make` without a word lists what it can do.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
RUN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
PIP := $(RUN) -m pip install -qq --disable-pip-version-check
ARGS ?=
# Or each kernel that a test or a measurement starts would compile what it imports, which takes longer than all else.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo lab labextension test agent venvs release check docs way format bench reliability conformance soak fuzz windows clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    run examples/quickstart.ipynb on a stock RPyC server; the result is left in build/demo"
	@echo "make lab     JupyterLab with the examples, and a stock RPyC server to connect to"
	@echo "make labextension  build what JupyterLab shows of the machine, with node and npm; it is committed, and nothing else needs them"
	@echo "make test    the tests; ARGS='-k word' chooses among them"
	@echo "make check   lint, format and types"
	@echo "make docs    the API reference in build/docs, and whether what the documents name is there"
	@echo "make way     the modules that the cell 1+1 runs through, and those that import each other in a circle"
	@echo "make format  let ruff format the code"
	@echo "make bench   measure against a local kernel, side by side;  make reliability  under faults"
	@echo "make conformance  suites that others have made for kernels, ipykernel's own among them"
	@echo "make soak    the tests of faults at full length: half an hour;  make fuzz  the ones that throw bytes"
	@echo "make windows the tests on a Windows, which Wine plays"
	@echo "make agent   the tests of what runs on the other machine;  make release  build and check the distributions"
	@echo "make clean   remove what all of these leave behind, the private environment included"

# The private environment. A stamp for each set of packages, so that nothing is installed twice.
$(VENV)/made:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv and pip was found here: install one (Debian: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@echo "Making a private environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/%.installed: $(VENV)/made pyproject.toml $(wildcard src/rpyc_kernel/kernelspec/* labextension/built/*)
	@echo "Installing what '$*' needs"
	@$(PIP) -e '.[$*]'
	@touch $@

demo: $(VENV)/demo.installed
	@$(RUN) scripts/demo.py $(ARGS)

lab: $(VENV)/lab.installed
	@$(RUN) scripts/lab.py $(ARGS)

# What pages load is committed in labextension/built; whoever changes labextension/src builds it again.
labextension: labextension/node_modules/.package-lock.json
	@cd labextension && npm run --silent build

labextension/node_modules/.package-lock.json: labextension/package-lock.json
	@command -v npm >/dev/null || { echo "No npm was found here, which builds the extension of JupyterLab: install node 20 or newer (Debian: apt install nodejs npm)"; exit 1; } >&2
	@cd labextension && npm ci --silent --ignore-scripts

test: $(VENV)/test.installed
	@$(RUN) -m pytest -n 4 --no-loadscope-reorder $(ARGS)

# What is sent to servers, tried on their Pythons; RPYC_KERNEL_TESTS_SERVERS=3.14 names more of those.
agent: $(VENV)/test.installed
	@$(RUN) -m pytest -n 4 tests/servers tests/unit $(ARGS)

# What `make test` would make when it is first needed: the Pythons of servers, in venvs with old RPyCs and old IPythons.
venvs: $(VENV)/test.installed
	@$(RUN) -m tests.servers.venvs

check: $(VENV)/check.installed
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff check --preview --select DOC102 --quiet .  # no docstring describes an argument that isn't there
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

docs: $(VENV)/docs.installed
	@$(RUN) scripts/check_docs.py
	@$(RUN) scripts/api_reference.py

way: $(VENV)/check.installed
	@$(RUN) scripts/cell_way.py
	@$(RUN) scripts/import_circles.py

format: $(VENV)/check.installed
	@$(RUN) -m ruff check --fix-only --quiet .
	@$(RUN) -m ruff format .

bench: $(VENV)/bench.installed
	@$(RUN) -m benchmarks $(ARGS)

reliability: $(VENV)/test.installed
	@$(RUN) -m benchmarks.reliability $(ARGS)

conformance: $(VENV)/test.installed
	@$(RUN) -m conformance $(ARGS)

soak: $(VENV)/test.installed
	@$(RUN) -m pytest -m soak --timeout=0 -o faulthandler_timeout=0 -s --durations=0 $(ARGS)

# On a Windows that Wine plays (Debian: apt install wine wine64); the first time, its Python is fetched.
windows: $(VENV)/test.installed
	@$(RUN) -m tests.windows.wine
	@$(RUN) -m pytest -m windows -n 2 tests/windows $(ARGS)

fuzz: $(VENV)/test.installed
	@$(RUN) -m pytest -m fuzz --timeout=0 -o faulthandler_timeout=0 $(ARGS)

# The distributions in dist/, built and looked at, and the changelog's words for them.
release: $(VENV)/release.installed
	@$(RUN) scripts/release.py $(ARGS)

clean:
	rm -rf $(VENV) .venvs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
