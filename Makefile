# Everything a person does here, by name. Each target makes what it needs; `make help` lists them.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The first of these that is Python 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help demo check test lint notebooks slides course site bundle explorer reproduce bench bench-gpu flower-simulation flower-deployment lab clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-18s%s\n", $$1, $$2}'

demo: $(READY) ## FedPM against regularized training on digits: an executed notebook, figures, a table
	@echo "Ten runs of 40 rounds, then one table: about five minutes on two free cores. Stopped, the same call goes on."
	$(BIN)/python -m fedsparse notebook 05_fedpm_vs_regularized to=runs/demo

check: lint ## style, types and every fast test, in two minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test: lint ## everything that CI checks: style, types, tests, notebooks
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: $(READY) ## run the notebooks whose source changed in place: refreshes their outputs and figures/
	$(BIN)/python -m fedsparse notebook all --in-place

slides: $(READY) ## every figure of the notebooks as SVG of 16:9, in build/slides/figures/, and for the decks of make course
	$(BIN)/python -m fedsparse notebook all to=build/slides

course: $(READY) ## folders for students, without solutions, and for teachers, with slides and questions: build/course/
	$(BIN)/python -m fedsparse course copies build/course

site: $(READY) ## the course as a site that needs no network, without solutions: build/site/index.html
	$(BIN)/python -m fedsparse course site build/site

bundle: $(READY) ## all that students without a network need, with every wheel: gigabytes, in build/bundle/; CPU=1: without CUDA
	$(BIN)/python -m fedsparse course bundle build/bundle $(if $(CPU),--cpu)

explorer: $(READY) ## the λ explorer as one page, figures/lambda_explorer.html, from the kept sweep
	$(BIN)/python -m fedsparse explorer figures/lambda_explorer.html

reproduce: $(READY) ## the papers' experiments: the next missing runs, then docs/reproduction.md; stop it when you like
	$(BIN)/python -m fedsparse reproduce

bench: $(READY) ## time everything; the table of benchmarks/RESULTS.md (a quarter of an hour, on a quiet machine)
	$(BIN)/python -m benchmarks

bench-gpu: $(READY) ## the papers' CIFAR-10 setting on a CUDA GPU
	$(BIN)/python -m benchmarks.gpu

flower-simulation: $(READY) ## digits, 10 clients, 5 rounds through `flwr run`: the same bytes as in one process
	$(BIN)/python -m fedsparse flower simulate rounds=5

flower-deployment: $(READY) ## a federation with TLS, node keys and a proxy on this machine, and every wrong way in tried
	$(BIN)/python flower_app/deployment/drill.py

lab: $(READY) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

clean: ## remove the environment, every run and what was built
	rm -rf $(VENV) runs build

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "fedsparse needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3"; exit 2; }
	@echo "Making $(VENV) with $$($(PYTHON) --version). With PyTorch it is some 7 gigabytes: this takes some minutes, once."
	@echo "On Linux, make CPU=1 takes PyTorch without CUDA, which saves some 6 of them."
	@$(PYTHON) -m venv $(VENV)
	@$(if $(CPU),$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --index-url https://download.pytorch.org/whl/cpu torch torchvision)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --config-settings editable_mode=compat -e '.[notebooks,flower,site,grading,dev]'
	@touch $@
	@echo "Installed. $$($(BIN)/python -c 'import torch; print("PyTorch", torch.__version__)')"
