# Two commands are enough on a fresh machine with Python 3.11+, make and git: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SYSTEM_PACKAGES := chromium rabbitmq-server
# proofs that take minutes, with a target of their own
APART := $(wildcard tests/test_simulate_*.py tests/test_explore*.py)
# scenarios that name the client which asks their registry
ASKING := $(wildcard scenarios/discovery_*.yaml)

.DEFAULT_GOAL := help
.PHONY: help twin setup demo test simulate knees starved matrix observes mutations mutants meshes scenarios lint lock system gallery sound peers recorder dispatch stalls queue services configmap exporter findings breakers

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: $(READY)  ## the environment in .venv and Toxiproxy in the cache; a second call does nothing
	@$(BIN)/python -m harness.stack.toxiproxy

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kato-harness needs Python 3.11 or later; name one: make setup PYTHON=python3.12")'
	@echo "setting up $(VENV) (under a minute)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^[^ ]/ {wanted = /^uv==/} wanted' requirements.lock > $(VENV)/installer.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r $(VENV)/installer.lock
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock \
		|| $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q harness tests  # where PYTHONDONTWRITEBYTECODE is set each process would compile anew
	@touch $@

demo: setup  ## two clients under the same faults, their verdicts side by side (90 s)
	@$(BIN)/python -m harness.demo

gallery: setup  ## the demo's reports again, in reports/gallery
	@mkdir -p reports/gallery; folder=$$(mktemp -d); \
	for client in guide-pybreaker reference; do \
		$(BIN)/kato-harness run demo --integration $$client --out $$folder/$$client; \
		cp $$folder/$$client/report.html reports/gallery/demo-$$client.html; done; rm -r $$folder

test: setup  ## everything that CI holds: unit and property tests, then real sockets, each on two processes
	@code=0; $(BIN)/pytest -q -n 2 -m "not sockets and not slow" $(APART:%=--ignore=%) || code=$$?; \
	$(BIN)/pytest -q -n 2 --dist loadfile -m "sockets and not slow" $(APART:%=--ignore=%) || code=$$?; exit $$code

simulate: setup  ## the simulation's own proofs, minutes of them: unmodified clients of every make in virtual time
	@$(BIN)/pytest -q $(APART)

matrix: setup  ## broken and sound clients by law, in virtual time: docs/kill-matrix.md (SEEDS=5)
	@$(BIN)/python -m tests.clients.matrix $(or $(SEEDS),5)

breakers: setup  ## breaker states inferred from outside against their listener's, 1,000 random schedules (20 min)
	@$(BIN)/python bench/breakers.py

observes: setup  ## lost and doubled observes against KATO's own memory, 10⁶ calls in virtual time (half an hour)
	@$(BIN)/python bench/observes.py --calls 1000000

findings: setup  ## the integration guide's defects, each named by its law with a witness: docs/guide-findings.md (a minute)
	@$(BIN)/python -m tests.clients.findings

sound: setup  ## every sound client of the corpus over many seeds in virtual time: docs/sound-clients.md (SEEDS=50, 30 min)
	@$(BIN)/python -m tests.clients.seeds $(or $(SEEDS),50)

services: setup  ## recommendation, chatbot and traced clients ten times each in virtual time (3 to 5 min)
	@$(BIN)/pytest -q -m slow tests/test_service_patterns.py

configmap: setup  ## what each variable of KATO's ConfigMap does, on the twin in virtual time (KATO_COMMAND: add --real)
	@$(BIN)/python bench/configmap.py --table reports/configmap.md > bench/results/configmap.json; cat reports/configmap.md

exporter: setup  ## what a collector that is gone costs a traced client (5 min)
	@$(BIN)/python bench/exporter.py > bench/results/exporter.json; cat bench/results/exporter.json

queue: setup  ## a broker killed under 10,000 messages, every fault ten times, and what publisher and collector carry (20 min)
	@$(BIN)/python bench/messages.py
	@$(BIN)/kato-harness run scenarios/queue/ten_thousand.yaml --out reports/runs/ten_thousand
	@for n in 1 2 3 4 5 6 7 8 9 10; do $(BIN)/kato-harness run scenarios/queue/all.yaml --seed $$n --out reports/runs/queue-$$n || exit $$?; done
	@! $(BIN)/kato-harness run scenarios/queue/all.yaml --env guide --out reports/runs/queue-guide

twin: setup  ## what evidence costs, and memory and predictions of the embedded KATO (2 min)
	@$(BIN)/python bench/witness.py --out bench/results/witness.json
	@$(BIN)/python bench/kato.py --sessions 100000 --out bench/results/kato.json

knees: setup  ## the capacity search against servers whose knee is known, and against the embedded KATO's service times; plans against runs (50 min)
	@PYTHONPATH=tests $(BIN)/python bench/knees.py > bench/results/knees.json
	@$(BIN)/python bench/kato_capacity.py > bench/results/kato_capacity.json
	@$(BIN)/python bench/planning.py > bench/results/planning.json

starved: setup  ## thirty starved generators, each of which must make its run invalid (8 min)
	@$(BIN)/python bench/starved.py

peers: setup  ## calls a second from one core beside wrk, k6, vegeta and Locust's own clients, where installed (2 min)
	@$(BIN)/python bench/peers.py --out bench/results/peers.json

recorder: setup  ## what a call's rows cost, and recording as a whole on another integration (1 min)
	@$(BIN)/python bench/recorder.py --out bench/results/recorder.json

dispatch: setup  ## how late calls start at 1,000/s and 200/s on one core, beside a bare sleep loop (90 s)
	@$(BIN)/python bench/dispatch.py --out bench/results/dispatch.json

stalls: setup  ## percentiles on real sockets under scripted stalls, against the server's own clock (2 min)
	@PYTHONPATH=tests $(BIN)/python bench/stalls.py --out bench/results/stalls.json

scenarios: setup  ## every shipped scenario: against the reference client, or one that asks a registry where there is one
	@code=0; $(BIN)/kato-harness run $(filter-out $(ASKING),$(wildcard scenarios/*.yaml)) --integration reference \
		--profile fast --out reports/runs || code=$$?; \
	$(BIN)/kato-harness run $(ASKING) --profile fast --out reports/runs || code=$$?; exit $$code

mutations: setup  ## 100 mutated mesh policies, predicted and observed on a real Envoy: docs/mesh-mutations.md (5 minutes)
	@$(BIN)/python -m tests.mesh_mutations $(COUNT)

mutants: setup  ## mutants of the law code before the laws' tests: docs/law-mutants.md (FAMILY=breaker, EVERY=1)
	@$(BIN)/python -m tests.mutants $(FAMILY) --every $(or $(EVERY),1)

meshes: setup  ## real runs behind meshes, registries and replicas, the guide's ways and corrected ones (8 minutes)
	@$(BIN)/pytest -q tests/test_runs_mesh.py

lint: setup  ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock:  ## resolve requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --upgrade --output-file requirements.lock

system:  ## the Debian packages that some tests need, where this is root
	@missing=""; for package in $(SYSTEM_PACKAGES); do command -v $$package > /dev/null || missing="$$missing $$package"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing > /dev/null && exit 0; fi; \
	echo "make system: not installed:$$missing - the tests that need it will be skipped; cure: apt-get install$$missing, as root" >&2
