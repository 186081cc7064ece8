# `make demo` and `make test` work on a fresh clone: they make .venv first, from the hashed lock.
# demo | test | check | screenshots | soak | prove | bench | format | lock | clean

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
JOBS ?= 2
STAMP := .venv/.installed

.PHONY: demo test check screenshots soak prove bench format lock clean

demo: $(STAMP)
	$(BIN)/repairy-sync demo

test: $(STAMP)
	$(PYTEST) -q -n $(JOBS) --dist loadgroup -m "not soak and not prove and not bench" tests

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# pytest ends with 5 where it found no test; that is good only while no test carries the mark.
NONE_YET = { [ $$? -eq 5 ] && ! grep -rqs --include='*.py' 'mark\.$@' tests; }

# The README's pictures, from the demo in a real browser.
screenshots: $(STAMP)
	$(BIN)/python -m tests.browser.screenshots docs

# The larger counts of the same proofs: what CI runs, and what is run on demand. Some wait for processes: one worker more.
soak prove: JOBS := 3
soak prove: $(STAMP)
	$(PYTEST) -q $(if $(filter prove,$@),-rP) -n $(JOBS) --dist loadgroup --timeout 0 -m $@ tests || $(NONE_YET)

# One after the other, so that figures are not each other's noise.
bench: $(STAMP)
	$(PYTEST) -q -s -n 0 --timeout 0 -m $@ tests || $(NONE_YET)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock is a requirements file with hashes: it holds no address.
lock:
	set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools"; "$$tools/bin/python" -m pip install --quiet uv; \
	"$$tools/bin/uv" pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	    --all-extras --group dev --output-file requirements.lock pyproject.toml

# Made again only where the lock or the project file changed. Nothing is asked for: it works without a terminal.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "repairy-sync needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
