# Two Switches. A fresh machine needs Python 3.11 or newer, make and git; everything else goes into .venv.
PYTHON  ?= python3.11
WORKERS ?= 2
SHELL   := bash
.SHELLFLAGS := -eu -o pipefail -c

VENV  := .venv
STAMP := $(VENV)/.installed
PIP   := $(VENV)/bin/python -m pip install --disable-pip-version-check
# The virtual environment's bin comes first on PATH: nbgrader calls alembic, Jupyter calls its kernels.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport PYTHONPATH
PROBLEM_SETS = $(notdir $(wildcard solutions/ps*))

.DEFAULT_GOAL := help
.PHONY: help env chromium demo test book pdf release kit grade lab bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

# What kernels are forked from sees the package read-only and cannot keep its bytecode: it would compile it in every run.
env: $(STAMP) ## make .venv from requirements.txt
	@python -m compileall -q autograder

# .installing stands for as long as an installation runs. Found at the start, it means that one was cut off, and pip cannot
# be trusted to notice a package that is half there: start again from nothing. .installed is written last.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make env PYTHON=/path/to/python3.11"; exit 1; }
	@if [ -e $(VENV)/.installing ]; then echo "An earlier installation was interrupted: starting again."; rm -rf $(VENV); fi
	@mkdir -p $(VENV) && touch $(VENV)/.installing
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt | sed '/already satisfied/d'
	$(PIP) --no-deps --no-build-isolation --editable . | sed '/already satisfied/d'
	$(VENV)/bin/jupyter kernelspec install --sys-prefix --name two-switches autograder/kernel/kernelspec 2>/dev/null
	@rm $(VENV)/.installing && touch $@

# Debian's browser, for the tests of the built pages. They are skipped, and say so, where there is none.
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get -q update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qy install chromium >/dev/null; } \
	  || echo "No Chromium: the pages are not tested in a browser. On Debian: sudo apt-get install chromium"

demo: book ## book, released problem sets, a graded sample class, a summary
	python -m tools.demo

test: env chromium ## everything that is tested
	ruff check .
	lint-imports
	OMP_NUM_THREADS=1 python -m pytest -n $(WORKERS) --dist loadgroup

book: env ## build the book into _build/html
	jupyter-book build book --config _config.yml --path-output . --all -W -n --keep-going

pdf: env chromium ## print the book into _build/pdf/
	jupyter-book build book --config _config.yml --path-output . --builder custom --custom-builder singlehtml -W -n --keep-going
	python -m tools.pdf

release: env ## generate exercises/ from solutions/
	@for set in $(PROBLEM_SETS); do nbgrader generate_assignment $$set --force --log-level=ERROR; \
	  echo "released exercises/$$set"; done

grade: release ## autograde submitted/, write feedback/ and grades.csv
	@left=0; for set in $(PROBLEM_SETS); do if compgen -G "submitted/*/$$set" >/dev/null; then \
	  autograder grade $$set || left=$$?; autograder feedback $$set; \
	  else echo "submitted/: nobody has handed in $$set"; fi; done; \
	  autograder export --partial -o grades.csv || left=$$?; exit $$left

kit: release ## the learners' zip: notebooks, package, one command to start
	python -m tools.kit.build

lab: env ## JupyterLab: exercises/, and Formgrader in its menu Nbgrader
	@python -c 'from tools.kit.start import keep_quiet; keep_quiet("$(VENV)")'
	jupyter lab --LabApp.default_url=/lab/tree/exercises

bench: env ## measure; tables here, numbers in bench/results/
	@for script in bench/[a-z]*.py; do python $$script; done

clean: ## remove what make has built (not the environment, not the gradebook)
	rm -rf _build .pytest_cache .ruff_cache .import_linter_cache .hypothesis
