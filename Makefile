# Seamline. `make run CONFIG=garment.yaml` and `make test` do all their own set-up in .venv.
CONFIG  ?= garment.yaml
SET     ?=
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
VENV    := .venv
BIN     := $(VENV)/bin
INSTALL := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install -q -c constraints.txt
# the shell splits SET, so that quotes hold values with spaces: SET="schedule.cron='0 3 * * *' export.quality=90"
overrides = set -f; set -- $(SET); for pair do set -- "$$@" --set "$$pair"; shift; done;

.DEFAULT_GOAL := help
.PHONY: help run test lint bench bench-masks dashboard deploy review tune clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.run ## run a recipe: make run CONFIG=garment.yaml SET="export.marketplace=ebay"
	@$(overrides) $(BIN)/seamline run $(CONFIG) "$$@"

test: $(VENV)/.dev ## run the tests
	@# one torch thread a worker: several per worker make tiny models many times slower; numba sets torch's number, too
	@OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: $(VENV)/.dev ## style, types and import direction
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: $(VENV)/.run ## speed and memory, as ratios measured side by side
	@$(BIN)/python -m flows.bench
	@$(BIN)/python -m flows.bench_generation

bench-masks: $(VENV)/.run ## IoU and boundary F of every finder against ground truth
	@$(BIN)/python -m masks.bench
	@$(BIN)/python -m masks.bench_tune

dashboard: $(VENV)/.run ## Prefect's dashboard with a worker, on this machine
	@$(BIN)/seamline dashboard

deploy: $(VENV)/.run ## register a recipe's schedule: make deploy CONFIG=nightly.yaml
	@$(overrides) $(BIN)/seamline deploy $(CONFIG) "$$@"

review: $(VENV)/.run ## touch up and judge parked masks in the browser
	@$(BIN)/seamline review

tune: $(VENV)/.run ## what every detector threshold gives, as a page: make tune CONFIG=garment.yaml
	@$(overrides) $(BIN)/seamline tune $(CONFIG) "$$@"

clean: $(VENV)/.run ## shrink the store to BUDGET (20GB by default)
	@$(BIN)/seamline clean --budget $(or $(BUDGET),20GB)

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Seamline needs Python 3.11 or newer: install it, or set PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Seamline needs Python 3.11 or newer, and $(PYTHON) is older: set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python cannot make environments: install python3-venv"; exit 1; }

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Setting up $(VENV) (once; PyTorch makes it several GB) ..."
	@$(INSTALL) -e .
	@# three OpenCV wheels share one folder; where the machine has no libGL, the headless one must be the last
	@$(BIN)/python -c "import cv2" 2>/dev/null || $(INSTALL) --force-reinstall --no-deps opencv-python-headless
	@# PyMatting compiles itself at its first import; better here than in the first batch
	@$(BIN)/python -c "import pymatting"
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Adding what tests and lint need ..."
	@$(INSTALL) -e '.[dev]'
	@$(BIN)/python -c "import cv2" 2>/dev/null || $(INSTALL) --force-reinstall --no-deps opencv-python-headless
	@touch $@
