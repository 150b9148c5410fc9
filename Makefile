# `make help` lists the targets. Everything happens in .venv, which is made when it is missing and made again when
# a lock file, the torch to install or the Python changes.

PYTHON ?= python3
TORCH ?= torch==2.13.0
SEEDS ?= 1
N ?= 20
SEED ?= 0
PYTEST_ARGS ?= -n 2 --dist loadfile

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
LOCKS := requirements.lock requirements-dev.lock

# Which environment is wanted, as a digest of all that it depends on.
define ENV_KEY_SOURCE
import hashlib, pathlib, sys
if sys.version_info < (3, 11):
    sys.exit(f"dymu needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}. Try make PYTHON=python3.11")
import tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
locks = [pathlib.Path(name).read_text() for name in sys.argv[2:]]
print(hashlib.sha256(repr([project, locks, sys.argv[1], sys.version]).encode()).hexdigest()[:16])
endef
export ENV_KEY_SOURCE

# What pip-compile resolves: all but torch, whose build depends on the machine, and what torch itself needs.
define LOCK_INPUT
import importlib.metadata, pathlib, re, sys, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
wanted = [*project["dependencies"], *(line for extra in sys.argv[1:] for line in project["optional-dependencies"][extra])]
wanted += [line for line in importlib.metadata.requires("torch") if "extra ==" not in line]
print("\n".join(sorted(line for line in wanted if not re.match(r"torch\b|nvidia|cuda|triton", line))))
endef
export LOCK_INPUT

COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile - --quiet --generate-hashes --strip-extras \
	--unsafe-package pip --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: help env demo cluster cluster-down chaos docs test lint types format lock clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20
	@echo "  variables: PYTHON=$(PYTHON) TORCH=$(TORCH) SEEDS=$(SEEDS) PYTEST_ARGS='$(PYTEST_ARGS)'"

env: ## Make or update .venv: torch, the locked packages, dymu
	@key=$$($(PYTHON) -c "$$ENV_KEY_SOURCE" '$(TORCH)' $(LOCKS)) || exit 1; \
	if [ "$$(cat .venv/dymu-env 2>/dev/null)" = "$$key" ]; then exit 0; fi; \
	set -e; \
	echo "Making .venv with $$($(PYTHON) --version); this takes some minutes the first time."; \
	$(PYTHON) -m venv --clear .venv; \
	echo "  $(TORCH)"; \
	$(PIP) install $(TORCH); \
	echo "  the packages of requirements-dev.lock"; \
	$(PIP) install --require-hashes -r requirements-dev.lock; \
	$(PIP) install --no-deps --no-build-isolation -e .; \
	$(PIP) check; \
	echo "$$key" > .venv/dymu-env

demo: env ## Train and ablate on embedded digits: Table 6, figures, MLflow (SEEDS=3 for three seeds)
	$(BIN)/dymu run ablations.branching_regularizer --seeds $(SEEDS)

cluster: env ## Ray with two nodes, PostgreSQL and MLflow on this machine; submits Table 6 (SEEDS=3; docs/cluster.md)
	$(BIN)/dymu cluster up --submit ablations.branching_regularizer --seeds $(SEEDS)

cluster-down: env ## End what `make cluster` started; results stay unless PURGE=1
	$(BIN)/dymu cluster down $(if $(filter 1,$(PURGE)),--purge)

chaos: env ## Kill parts of a running study N times and compare with an undisturbed run (N=20, SEED=0)
	$(BIN)/python tests/cluster/chaos.py --kills $(N) --seed $(SEED)

docs: env ## Build the reference of all modules, as pages that open from disk: build/docs/dymu.html
	$(BIN)/python -m pdoc --docformat google --no-show-source --output-directory build/docs dymu

test: export RAY_AUTH_MODE = disabled
test: export OMP_NUM_THREADS = 1
test: lint types ## Lint, types, import contracts and tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: env ## Style, format and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: env ## Static types
	$(BIN)/mypy

format: env ## Rewrite the files as `make lint` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: env ## Resolve the dependencies anew and write both lock files; takes a quarter of an hour
	$(BIN)/python -c "$$LOCK_INPUT" | $(COMPILE) --upgrade --output-file requirements.lock
	$(BIN)/python -c "$$LOCK_INPUT" dev | $(COMPILE) --upgrade --constraint requirements.lock --output-file requirements-dev.lock

clean: ## Remove .venv and tool caches; results stay in .dymu
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
