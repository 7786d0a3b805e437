# Every target that a person would call has a comment behind two hashes; `make help` prints them.

PYTHON ?= python3
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore

REPOS := contracts artifact-registry repo-ml repo-api scripts
READY := $(REPOS:%=%/.venv/ready)
CONTRACTS_WHEEL := contracts/dist/built
REGISTRY_WHEEL := artifact-registry/dist/built
REGISTRY_PORT ?= 8333
API_PORT ?= 8000
MODEL ?= churn@production
CONFIG ?= configs/churn.yaml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help:  ## Print this list.
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# --- environments: one per repo, from its own lock ------------------------------------------------------------------

# Two at once: installing waits for the network as much as for the processor.
.PHONY: setup
setup:  ## Create the five virtual environments from their locks.
	@$(MAKE) --silent --no-print-directory --jobs=2 $(READY)

# uv, the one that the lock of scripts/ pins: pip looks at every file that the index has of a package, not at those of the
# lock alone, which takes it minutes.
UV := .uv/bin/uv

$(UV): scripts/requirements.lock
	@rm -rf .uv
	@$(PYTHON) -m venv .uv
	@awk '/^[a-z]/ { taken = /^uv==/ } taken' $< > .uv/requirements.lock
	@.uv/bin/python -m pip install --quiet --no-compile --require-hashes --requirement .uv/requirements.lock
	@touch $@

# What is imported is compiled then; most of what is installed never is. What has no wheel is built by the setuptools of
# the lock, which is there first: an isolated build fetches one without a hash. Who has told pip alone where the packages
# are, or by which certificates, is served by pip.
locked = --quiet --no-build-isolation --require-hashes --requirement
install_locked = $(UV) pip install --python $(1)/.venv/bin/python $(locked) $(2) \
	|| $(1)/.venv/bin/python -m pip install --no-compile $(locked) $(2)

define create_environment
	@echo "== $(1): creating its environment from $(1)/requirements.lock"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	@rm -rf $(1)/.venv
	@$(PYTHON) -m venv $(1)/.venv
	@awk '/^[a-z]/ { taken = /^setuptools==/ } taken' $(1)/requirements.lock > $(1)/.venv/build-backend.txt
	@if [ -s $(1)/.venv/build-backend.txt ]; then $(call install_locked,$(1),$(1)/.venv/build-backend.txt); fi
	@$(call install_locked,$(1),$(1)/requirements.lock)
endef

define install_wheels
	@$(1)/.venv/bin/python -m pip install --quiet --no-deps --no-index --force-reinstall $(2)
endef

define install_itself
	@$(1)/.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable $(1)
	@touch $@
endef

define build_wheel
	@rm -rf $(1)/dist && mkdir -p $(1)/dist
	@$(1)/.venv/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(1)/dist ./$(1)
	@touch $@
endef

%/.venv/locked: %/requirements.lock | $(UV)
	$(call create_environment,$*)
	@touch $@

.PRECIOUS: %/.venv/locked

contracts/.venv/ready: contracts/.venv/locked contracts/pyproject.toml
	$(call install_itself,contracts)

$(CONTRACTS_WHEEL): contracts/.venv/ready $(shell find contracts/src contracts/schemas contracts/models contracts/compatibility -type f -not -name '*.pyc')
	$(call build_wheel,contracts)

artifact-registry/.venv/ready: artifact-registry/.venv/locked artifact-registry/pyproject.toml $(CONTRACTS_WHEEL)
	$(call install_wheels,artifact-registry,contracts/dist/*.whl)
	$(call install_itself,artifact-registry)

$(REGISTRY_WHEEL): artifact-registry/.venv/ready $(shell find artifact-registry/src artifact-registry/policies -type f -not -name '*.pyc')
	$(call build_wheel,artifact-registry)

repo-ml/.venv/ready: repo-ml/.venv/locked repo-ml/pyproject.toml $(REGISTRY_WHEEL)
	$(call install_wheels,repo-ml,contracts/dist/*.whl artifact-registry/dist/*.whl)
	@ln -sfn "$$(repo-ml/.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" repo-ml/.venv/packages
	$(call install_itself,repo-ml)

repo-api/.venv/ready: repo-api/.venv/locked repo-api/pyproject.toml $(REGISTRY_WHEEL)
	$(call install_wheels,repo-api,contracts/dist/*.whl artifact-registry/dist/*.whl)
	$(call install_itself,repo-api)

scripts/.venv/ready: scripts/.venv/locked scripts/pyproject.toml
	$(call install_itself,scripts)

.PHONY: wheels
wheels: $(REGISTRY_WHEEL)  ## Put the wheels that each image is built on into wheels/ beside its Dockerfile.
	@for repo in artifact-registry repo-ml repo-api; do \
		rm -rf $$repo/wheels && mkdir $$repo/wheels && cp contracts/dist/*.whl $$repo/wheels || exit; \
	done
	@for repo in repo-ml repo-api; do cp artifact-registry/dist/*.whl $$repo/wheels || exit; done

.PHONY: lock
lock: scripts/.venv/ready $(REGISTRY_WHEEL)  ## Resolve every repo's dependencies anew and rewrite its lock.
	@scripts/.venv/bin/python scripts/lock.py

# --- the system -------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: setup  ## See everything: registry, training, release, serving, the first experiment. Leaves nothing running.
	@scripts/.venv/bin/python scripts/demo.py

.PHONY: registry
registry: artifact-registry/.venv/ready  ## Run the local registry on 127.0.0.1 until Ctrl-C, and write the .env files.
	@artifact-registry/.venv/bin/edustream-registry serve --port $(REGISTRY_PORT) --data artifact-registry/data --init .

.PHONY: train
train: repo-ml/.venv/ready  ## Train, publish and promote a model, churn's by default (needs a registry).
	@cd repo-ml && .venv/bin/python train_publish.py --config $(CONFIG)

.PHONY: serve
serve: repo-api/.venv/ready  ## Serve the promoted model on 127.0.0.1 until Ctrl-C (needs a registry).
	@cd repo-api && .venv/bin/python serve_consume.py --model $(MODEL) --port $(API_PORT)

# One alone with NAME=rename-the-folder, which the environment does not decide: some systems set it to the machine's name.
# In Spanish with LANGUAGE=es, which make passes on.
NAME =

.PHONY: experiments
experiments: setup  ## Run the experiments that compare a monorepo with this one; NAME=... runs one, LANGUAGE=es is Spanish.
	@scripts/.venv/bin/python scripts/experiments/tell.py $(NAME)

.PHONY: comparison
comparison: setup  ## Run all experiments and write docs/monorepo-vs-multirepo.md, in both languages, from what they measure.
	@scripts/.venv/bin/python scripts/experiments/tell.py --record bench/experiments.json
	@scripts/.venv/bin/python scripts/experiments/compare.py

# --- proof --------------------------------------------------------------------------------------------------------------

.PHONY: lint $(REPOS:%=lint-%)
lint: $(READY)  ## Check style, types and import walls of every repo.
	@$(MAKE) --silent --no-print-directory --jobs=2 --output-sync=target $(REPOS:%=lint-%)

$(REPOS:%=lint-%): lint-%: %/.venv/ready
	@echo "== $*: style, types, import walls"
	@cd $* && .venv/bin/ruff check --quiet . && .venv/bin/ruff format --quiet --check .
	@cd $* && .venv/bin/mypy --no-error-summary
	@cd $* && .venv/bin/lint-imports --no-cache

# The largest environment first, and lint in between: neither core waits for the other at the end.
BY_SIZE = repo-ml/.venv/locked $(READY) $(OPEN_INFERENCE_CLIENTS)/.venv/locked

.PHONY: test $(REPOS:%=test-%)
test:  ## Run lint and every test of every repo; coverage of each package is enforced.
	@$(MAKE) --silent --no-print-directory --jobs=2 --output-sync=target $(BY_SIZE) $(REPOS:%=lint-%)
	@$(MAKE) --silent --no-print-directory LINTED=yes $(REPOS:%=test-%)

# One worker a core, each with servers of its own; the last ones take over what the others have not begun.
test-contracts test-repo-api: WORKERS := --numprocesses auto --maxprocesses 4 --dist worksteal
# Its tests wait for disks and for servers: a third worker takes the time that two leave on two cores.
test-artifact-registry: WORKERS := --numprocesses 3 --dist worksteal
# Few tests take most of the time: who is idle gets the next one, in the order of tests/conftest.py.
test-scripts: WORKERS := --numprocesses auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder
# Whoever needs the whole training, which takes most of the time, is in one file; the files are in the same order.
test-repo-ml: WORKERS := --numprocesses auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder

$(REPOS:%=test-%): test-%: $(if $(LINTED),%/.venv/ready,lint-%)
	@echo "== $*: tests"
	@cd $* && .venv/bin/python -m pytest --cov --cov-report=term $(WORKERS)

# Clients that others wrote bring pandas, which no environment of the consumer may hold: they have one of their own.
OPEN_INFERENCE_CLIENTS := repo-api/tests/open_inference_clients
test-repo-api: $(OPEN_INFERENCE_CLIENTS)/.venv/locked

PROVEN := contracts artifact-registry repo-ml repo-api scripts

.PHONY: prove $(PROVEN:%=prove-%)
prove: $(PROVEN:%=prove-%)  ## Run the proofs of the protocol and the attacks on it with large budgets.

$(PROVEN:%=prove-%): prove-%: %/.venv/ready
	@echo "== $*: proofs"
	@cd $* && .venv/bin/python -m pytest -m prove

# The tests of scripts/ run all repos together.
test-scripts prove-scripts: setup system-tools

test-repo-api: system-tools

.PHONY: system-tools bench-tools
system-tools:  ## Install what the tests take from Debian: Chromium, docker-compose, TypeScript, Redis.
	@scripts/system_tools.sh chromium docker-compose tsc:node-typescript redis-server

bench-tools:
	@scripts/system_tools.sh wrk taskset:util-linux

.PHONY: bench
bench: setup bench-tools  ## Measure against MLflow and an empty FastAPI endpoint; writes bench/results.json.
	@scripts/.venv/bin/python scripts/benchmarks/run.py

.PHONY: bench-serving
bench-serving: setup bench-tools  ## Measure serving against empty endpoints, other servers, scikit-learn.
	@scripts/.venv/bin/python scripts/benchmarks/run_serving.py

.PHONY: bench-training
bench-training: setup  ## Measure training against pandas and bare scikit-learn, and the memory that it takes.
	@scripts/.venv/bin/python scripts/benchmarks/run_training.py

.PHONY: bench-tables
bench-tables: scripts/.venv/ready  ## Write what the benchmarks measured last into the README.
	@scripts/.venv/bin/python scripts/benchmarks/readme_tables.py

.PHONY: picture
picture: scripts/.venv/ready  ## Draw the architecture from docs/architecture.toml.
	@scripts/.venv/bin/python scripts/draw_architecture.py

.PHONY: recording
recording: setup  ## Record `make demo` into docs/demo.cast.
	@env -u MAKEFLAGS -u MAKELEVEL scripts/.venv/bin/python scripts/record_terminal.py docs/demo.cast make demo

BASE ?= origin/main
ALLOW ?=

.PHONY: contract-diff
contract-diff: contracts/.venv/ready  ## Say what this branch changes in the contracts of models, and what breaks.
	@contracts/.venv/bin/python contracts/scripts/contract_diff.py --base "$(BASE)" $(ALLOW)

.PHONY: clean
clean:  ## Remove environments, wheels and caches; keeps the registry's data and the keys.
	@rm -rf .uv $(REPOS:%=%/.venv) $(OPEN_INFERENCE_CLIENTS)/.venv contracts/dist artifact-registry/dist $(REPOS:%=%/wheels)
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
