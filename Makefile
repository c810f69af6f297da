# make signoff   judge the specimen's port on this host; writes .artifacts/report.html
# make test      lint, types, the tests of the suite; ARGS="-k atc" for some of them
# make test-unit the tests that start no process: a minute
# make test-full-size export and adapt of a full-size network: some minutes
# make test-tools the tests of benchmarks/ and tools/
# make power    plant every fault into the specimen's port, and see that the verdict catches it; writes docs/power.md. Then
#                the intervals' error rates, from few samples. 18 minutes on 2 cores
# make intervals simulated pairs of detectors: how often the interval of the drop errs; ARGS="--samples=50" for a first look
# make bench     side-by-side timings; ARGS="score warm" for some of them, --json=FILE for another place of the numbers
# make specimen  redraw and retrain the specimen from nothing
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/.ready

WORKERS ?= 2

.PHONY: signoff test test-unit test-full-size test-tools power intervals bench specimen clean

signoff: $(READY)
	mkdir -p .artifacts
	$(RUN) pytest -m accuracy --report=.artifacts/report.html $(ARGS)

test: $(READY)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports
	$(RUN) pytest -n $(WORKERS) --dist worksteal -m 'not full_size and not rehearsal and not power' $(ARGS)

test-unit: $(READY)
	$(RUN) pytest -n $(WORKERS) --dist worksteal tests/unit $(ARGS)

test-full-size: $(READY)
	$(RUN) pytest -m full_size tests/system/test_full_size.py $(ARGS)

test-tools: $(READY)
	$(RUN) pytest -n $(WORKERS) --dist worksteal benchmarks/tests tools/tests $(ARGS)

power: $(READY)
	rm -f .artifacts/power/*.json
	$(RUN) pytest -n $(WORKERS) --dist worksteal -q -m power tests/system/test_power.py $(ARGS); status=$$?; \
		$(RUN) tools.power && $(RUN) benchmarks.simulate_intervals --samples=40 && exit $$status

intervals: $(READY)
	$(RUN) benchmarks.simulate_intervals $(ARGS)

bench: $(READY)
	$(RUN) benchmarks $(ARGS)

specimen: $(READY)
	rm -rf specimen/VOCdevkit
	$(RUN) tools.devkit specimen/VOCdevkit
	$(RUN) tools.train

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("python3 is %d.%d, but should be 3.10 or newer; make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(RUN) pip install --quiet --disable-pip-version-check --constraint constraints.txt '.[dev]'
	$(RUN) pip uninstall --quiet --yes rfcn-acceptance
	touch $(READY)

clean:
	rm -rf .artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
