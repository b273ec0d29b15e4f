# The commands of this repository. Each sets up what it needs: a virtual environment in .venv, and Debian packages
# where it may install them (else it says which).

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
MINUTES := 5
# What the tests on this host compare with, look at or build with.
HOST_PACKAGES := gcc libc6-dev linux-libc-dev \
    iproute2 iputils-ping strace tcpdump \
    fish jq man-db zsh \
    chromium mmdebstrap systemd

.NOTPARALLEL:
.PHONY: help demo docs deb generated picture test test-host test-kernel test-qemu stress lint bench setup

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="	" read -r target text; do \
	    printf '  make %-12s %s\n' "$$target" "$$text"; done

demo: $(READY)  ## see a switch in Python at work: on a userspace datapath, then on a real kernel
	@tools/debian-packages.sh $$($(PYTHON) -m dpif.lab --packages) iputils-ping \
	    || echo "Going on without: the part on a real kernel may be left out."
	@$(VENV)/bin/dpif demo

test: lint test-host test-kernel test-qemu  ## run all checks and all tests (QEMU=1: the second lane too)

test-host: $(READY)  ## run the tests that need no special rights
	@tools/debian-packages.sh $(HOST_PACKAGES) || [ "$$CI" != true ]
	@echo "== Tests on this host"
	@$(PYTHON) -m pytest -m "not kernel and not root and not lab and not qemu and not qemu_host" -rs

test-kernel: $(READY)  ## run the tests that need a real kernel, on 6.1 and the newest (KERNEL=0 leaves them out)
	@tools/kernel-lane.sh $(PYTHON)

test-qemu: $(READY)  ## run the tests that need several CPUs, on an emulated machine (QEMU=1 asks for them)
	@QEMU=$(QEMU) tools/qemu-lane.sh $(PYTHON)

stress: $(READY)  ## be hostile to a server for some minutes (MINUTES=5); a short form is among the tests
	@$(PYTHON) tests/stress/stress.py --minutes $(MINUTES)

lint: $(READY)  ## check style, types and import directions
	@echo "== Lint"
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@echo "Types (mypy, up to a minute when it is new here):"
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

bench: $(READY)  ## run the benchmarks
	@$(PYTHON) bench/run.py
	@$(PYTHON) bench/kinds.py
	@$(PYTHON) bench/start_up.py
	@$(PYTHON) bench/userspace.py
	@$(PYTHON) bench/peers.py || echo "Going on without: the package ovs could not be installed."
	@tools/debian-packages.sh user-mode-linux kmod iproute2 openvswitch-switch && $(PYTHON) bench/lab.py \
	    || echo "Going on without: what needs a real kernel was not measured."

docs: $(READY)  ## build the manual: build/man/dpif.8 and build/html/index.html
	@echo "Building the manual: half a minute"
	@mkdir -p build/man
	@$(PYTHON) docs/_extensions/man_page.py >build/man/dpif.8
	@$(VENV)/bin/sphinx-build -q -W -d build/doctrees -b html docs build/html

deb: $(READY)  ## build a Debian package: dist/dpif_VERSION_all.deb
	@$(PYTHON) tools/deb.py dist

generated: $(READY)  ## make anew the files that follow from tables of the code
	@$(PYTHON) tools/json_schema.py
	@$(PYTHON) tools/coverage_page.py

picture: $(READY)  ## draw the README's picture anew
	@$(PYTHON) tools/first_look.py

setup: $(READY)  ## only set up the virtual environment

$(READY): pyproject.toml tools/setup-venv.sh
	@tools/setup-venv.sh $(VENV)
