# Every target sets up .venv by itself, once. `make help` lists them.

PYTHON ?= python3
RUNNER ?= docker
COUNT ?= 1000000
BIN := .venv/bin
READY := .venv/.ready
DEV := .venv/.dev

# What a user gives is text, and never make's or the shell's: PORT='$$(shell id)' and PORT='$$(id)' are odd names and
# run nothing. Recipes take these from the environment; where several words are meant, `set -f` keeps * what it is.
# ARGS alone is a piece of a command line.
GIVEN := AFTER ARCH BY CASE COUNT FORCE KEEP KIND LEVEL LONG MATH NAME NEW OLD OUT PEERS_DIR PORT RECORDS RUNNER RUNS SCHEDULER SEED \
	SHARDS SINCE TIME VERB
text = $(if $(filter $(2),$(origin $(1))),$(eval override $(1) := $$(value $(1))))
$(foreach name,$(GIVEN),$(call text,$(name),command environment))
$(foreach name,ARGS LANG,$(call text,$(name),command))
export $(GIVEN)
$(if $(filter override,$(origin LANG)),$(eval export LANG))

.DEFAULT_GOAL := help
.PHONY: publish site fuzz mutants help conform new-port matrix bench render render-check junit summary diff history plan setup accuracy tolerance try shell test test-quick original lint archaeology golden golden-check check-math base doctor ports clean

help:  ## show this list
	@echo "make conform PORT=c      does the port in ports/c compute what the reference computes?"
	@echo
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 25 | sort
	@echo
	@echo "For conform: RUNNER=local (without Docker), LEVEL=6, CASE=adam/example, LONG=1 (1,000 steps), FORCE=1 (rebuild),"
	@echo "ARCH=arm64 (another processor, emulated; amd64 on one of arm64),"
	@echo "MATH=native (with the port's own exp, log, sin, cos and pow, judged within the measured tolerance),"
	@echo "and ARGS='...' for any option of '.venv/bin/conform run'."

# pip says nothing but what went wrong.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or newer is needed; $$($(PYTHON) --version) was found. Name another: make PYTHON=python3.12 ..."; exit 2; }
	@echo "setting up .venv (once)"
	@$(PYTHON) -m venv .venv || { echo "error: 'python3 -m venv' does not work here; on Debian: apt-get install python3-venv"; exit 2; }
	@$(BIN)/pip install -qq --disable-pip-version-check --editable .
	@touch $@

# What only tests, linters and some measurements need.
$(DEV): $(READY)
	@echo "setting up .venv for development (once)"
	@$(BIN)/pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

conform: $(READY)  ## build PORT in Docker, climb the ladder, report
	@$(if $(PORT),,echo "error: name a port: make conform PORT=c (make ports lists them)"; exit 2)
	@$(BIN)/conform run "$$PORT" --runner "$$RUNNER" $${LEVEL:+--level "$$LEVEL"} $${CASE:+--case "$$CASE"} $${AFTER:+--after "$$AFTER"} \
		$${LONG:+--long} $${MATH:+--math "$$MATH"} $${ARCH:+--arch "$$ARCH"} $${FORCE:+--force} $(ARGS)

# LANG is also the locale's name in the environment: only the command line counts here.
new-port: $(READY)  ## begin a port: make new-port LANG=lua
	@$(if $(filter override,$(origin LANG)),,echo "error: name a language: make new-port LANG=lua ('.venv/bin/conform new --list' names the known ones)"; exit 2)
	@$(BIN)/conform new "$$LANG" $${NAME:+--name "$$NAME"} $(ARGS)

matrix: $(READY)  ## judge every port in parallel, unchanged ones from results/; SCHEDULER=tcp://host:8786 on many machines
	@$(BIN)/conform matrix --runner "$$RUNNER" $${LONG:+--long} $${FORCE:+--force} $${SCHEDULER:+--scheduler "$$SCHEDULER"} $(ARGS)

bench: $(READY)  ## measure PORT, or all ports, beside the reference; PEERS=1 PEERS_DIR=... or SCALE=1
	@set -f; $(BIN)/conform bench $$PORT --runner "$$RUNNER" \
	  $(if $(PEERS),--peers "$${PEERS_DIR:?names the folder with the clones}") $(if $(SCALE),--scale) $(ARGS)

site: $(READY)  ## write what results/ holds as static pages to results/site/
	@$(BIN)/conform site $(ARGS)

mutants: $(READY)  ## send hundreds of known mistakes up the ladder: each must be caught
	@$(BIN)/conform mutants $(ARGS)

laws: $(READY)  ## judge PORT, or the reference, by what holds for any right GPT, with no golden value
	@$(BIN)/conform laws $(if $(PORT),"$$PORT" --runner "$$RUNNER") $(ARGS)

archaeology: $(READY)  ## measure microgpt's forebears: ARGS='--fetch --folder ~/clones'; alone, compare the presets
	@$(BIN)/conform archaeology $(ARGS)

tolerance: $(READY)  ## measure how far each quantity may be off, for ports that claim agreement `tolerance`
	@$(BIN)/python -m conformance.tolerance $${RUNS:+--runs "$$RUNS"} $${LONG:+--long} $${FORCE:+--force} $(ARGS)

accuracy: $(READY)  ## measure the own exp, log, sin, cos, pow of PORT, or of all ports, in ulps
	@set -f; $(BIN)/conform accuracy $$PORT --runner "$$RUNNER" $(ARGS)

render: $(READY)  ## write results/matrix.md, speed.md and badges again, from published records
	@$(BIN)/conform render $(ARGS)

publish: $(READY)  ## make your newest record of PORT, or of every port you judged, the published one
	@set -f; $(BIN)/conform publish $$PORT

render-check: $(READY)  ## fail if 'make render' would change anything
	@$(BIN)/conform render --check

junit: $(READY)  ## write JUnit XML of RECORDS, or of all published ones, to OUT
	@set -f; $(BIN)/conform render junit $$RECORDS --out "$${OUT:-junit.xml}"

summary: $(READY)  ## a summary of RECORDS, or of all published ones: printed, or added to GITHUB_STEP_SUMMARY
	@set -f; $(BIN)/conform render summary $$RECORDS

diff: $(READY)  ## what got better and what got worse from OLD to NEW, two folders of records
	@$(if $(OLD),,echo "error: name what to compare with: make diff OLD=before NEW=results"; exit 2)
	@$(BIN)/conform diff "$$OLD" "$${NEW:-results/published}"

history: $(READY)  ## how PORT has fared: levels, worst ulp and speed, state by state
	@$(if $(PORT),,echo "error: name a port: make history PORT=c"; exit 2)
	@$(BIN)/conform history "$$PORT"

plan: $(READY)  ## which ports a change since SINCE calls for; SHARDS=8 groups them
	@$(BIN)/conform plan $${SINCE:+--since "$$SINCE"} $${SHARDS:+--shards "$$SHARDS"} $(ARGS)

setup: $(READY)  ## set up .venv and nothing else

fuzz: $(READY)  ## ask PORT (or several) requests that nobody wrote: make fuzz PORT="c go" TIME=60 SEED=7
	@$(if $(PORT),,echo "error: name one port or several: make fuzz PORT=\"c go\" TIME=60 SEED=7"; exit 2)
	@set -f; $(BIN)/conform fuzz $$PORT --runner "$$RUNNER" $${TIME:+--time "$$TIME"} $${SEED:+--seed "$$SEED"} \
		$(if $(filter-out file,$(origin COUNT)),--count "$$COUNT") $${KIND:+--kind "$$KIND"} $${VERB:+--verb "$$VERB"} $${KEEP:+--keep} $(ARGS)

try: $(READY)  ## send one CASE to PORT and show both replies side by side
	@$(if $(and $(PORT),$(CASE)),,echo "error: name port and case: make try PORT=c CASE=adam/example"; exit 2)
	@$(BIN)/conform try "$$PORT" "$$CASE" --runner "$$RUNNER"

shell: $(READY)  ## open a shell in a container with the toolchain of PORT
	@$(if $(PORT),,echo "error: name a port: make shell PORT=c"; exit 2)
	@$(BIN)/conform shell "$$PORT"

test: $(DEV)  ## the project's own tests
	@$(BIN)/pytest -n auto --dist loadgroup $(ARGS)

test-quick: $(DEV)  ## those that need neither containers nor a browser nor much time
	@$(BIN)/pytest -n auto --dist loadgroup -m 'not slow and not docker and not browser' $(ARGS)

original: $(READY)  ## download the original program, run it, and compare what it prints with reference/witness/
	@$(BIN)/conform original $(ARGS)

lint: $(DEV)  ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

golden: $(READY)  ## write requests and golden traces again (some minutes; BY="program" lets a port compute them)
	@$(BIN)/python -m conformance.golden $${BY:+--by "$$BY"}

golden-check: $(READY)  ## fail if 'make golden' would change anything
	@$(BIN)/python -m conformance.golden --check

check-math: $(DEV)  ## compare the exact functions of PORT, or of the reference, with mpmath on COUNT arguments each
	@$(if $(PORT),$(BIN)/conform check-math "$$PORT" --runner "$$RUNNER" $(if $(filter-out file,$(origin COUNT)),--count "$$COUNT"),\
		$(BIN)/python -m conformance.check_math --count "$$COUNT") $(ARGS)

base: $(READY)  ## get the base image of all containers
	@$(BIN)/conform base

doctor: $(READY)  ## check this machine's prerequisites
	@$(BIN)/conform doctor

ports: $(READY)  ## list the ports
	@$(BIN)/conform list

clean:  ## remove .venv and .cache
	rm -rf .venv .cache
