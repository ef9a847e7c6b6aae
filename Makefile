SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
CACHE := .cache
LINK := $(CACHE)/collections/ansible_collections/distributed/tiers
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(VENV)/.made $(LINK) ## Python environment with pinned tools, and this repository as an installed collection

# On Debian, Python's venv module lives in a package of its own. Of the thousands of modules in collections few are used:
# they are compiled when they are.
$(VENV)/.made: requirements/dev.txt
	@python3 -c 'import ensurepip, venv' 2>/dev/null || .ci/packages python3-venv
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements/dev.txt
	$(BIN)/python -m compileall -q -j 0 -x /ansible_collections/ $(VENV)/lib
	touch $@

$(LINK):
	@mkdir -p $(@D) && ln -sfn "$(CURDIR)" $@

# What does not get on with the rest has an environment of its own.
$(CACHE)/%/.made: requirements/%.txt $(VENV)/.made
	@rm -rf $(@D)
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

.PHONY: pins
pins: ## Resolve requirements/*.in again into pinned *.txt
	@for name in dev importer bench release site; do
	  rm -rf $(CACHE)/pins && python3 -m venv $(CACHE)/pins
	  $(CACHE)/pins/bin/pip install --quiet --disable-pip-version-check -r requirements/$$name.in
	  { echo "# Made by \`make pins\` from $$name.in."; $(CACHE)/pins/bin/pip freeze; } > requirements/$$name.txt
	done
	rm -rf $(CACHE)/pins

# ---- Test hosts

INVENTORY := inventories/demo
INTERRUPTED := tests/interruptions/inventory
SHARED := molecule/shared

# netavark and iptables: what podman needs for a network, and only recommends.
.PHONY: prerequisites
prerequisites:
	@[ "$$(id -u)" = 0 ] || { echo 'Test hosts run systemd in containers, which needs root: run the same command with sudo.' >&2; exit 1; }
	missing=()
	while read -r command packages; do
	  command -v "$$command" >/dev/null || missing+=($$packages)
	done <<'LIST'
	podman podman netavark aardvark-dns
	iptables iptables
	runc runc
	mmdebstrap mmdebstrap
	nft nftables
	ssh-keygen openssh-client
	ip iproute2
	LIST
	[ $${#missing[@]} = 0 ] || .ci/packages "$${missing[@]}"

.PHONY: secrets
secrets: venv
	@for example in {inventories/*,$(INTERRUPTED)}/secrets.example.yml; do
	  python3 .ci/make_secrets.py "$$example" "$${example%/*}/group_vars/all/secrets.yml"
	done

# The application of inventories/ledger, with what it depends on: hosts install it without an index.
.PHONY: wheels
wheels: $(CACHE)/ledger/.made

# What the vendor of inventories/vendor ships
.PHONY: vendor
vendor:
	@python3 molecule/vendor/package/make.py $(CACHE)/vendor gauge-1.0.sh gauge-2.0.sh gauge-3.0.tar gauge-3.1.tar

# Built from a copy: setuptools leaves things in the tree it builds from.
$(CACHE)/ledger/.made: $(shell find molecule/ledger/app -name '*.py' -o -name '*.toml') $(VENV)/.made
	@rm -rf $(CACHE)/ledger $(CACHE)/wheels
	cp -r molecule/ledger/app $(CACHE)/ledger
	$(BIN)/pip wheel --quiet --disable-pip-version-check --wheel-dir $(CACHE)/wheels $(CACHE)/ledger
	touch $@

# Of every release that an inventory or a scenario names
.PHONY: images
images: venv prerequisites ## Images of the test hosts of all scenarios, which else come with the first hosts
	@export RELEASE=$$(grep -rhoP '^\s*(\S+ )?testhosts_release[:=] *\K\w+' inventories molecule/*/*.ini | sort -u | xargs)
	ansible-playbook -i $(INVENTORY) $(SHARED)/create.yml --tags images

.PHONY: hosts
hosts: venv prerequisites ## Test hosts in containers, one for every host of INVENTORY
	@ansible-playbook -i $(INVENTORY) $(SHARED)/create.yml $(SHARED)/prepare.yml

.PHONY: hosts-down
hosts-down: venv ## Remove the test hosts
	@ansible-playbook -i $(INVENTORY) $(SHARED)/destroy.yml

.PHONY: all-hosts-down
all-hosts-down: venv
	@for own in {inventories/*,$(INTERRUPTED)}/group_vars/all/testhosts.yml; do
	  $(MAKE) --no-print-directory hosts-down INVENTORY="$${own%/group_vars/*}"
	done

.PHONY: demo
demo: ## All four tiers on thirteen test hosts: deploy, verify, break, report
	@began=$$SECONDS
	step() {
	  local started=$$SECONDS
	  printf '\n==== %s\n' "$$1"
	  shift
	  "$$@" || { echo "==== failed after $$((SECONDS - started)) s"; exit 1; }
	  echo "==== $$((SECONDS - started)) s"
	}
	play() { ansible-playbook -i inventories/demo "distributed.tiers.$$1"; }
	step 'Prepare Python and the test hosts' $(MAKE) --no-print-directory secrets hosts
	step 'Deploy' play deploy
	step 'Verify every edge of the plan' play verify
	step 'Drill: break servers and measure' play drill
	step 'Write the report' play report
	printf '\n'
	cat $(CACHE)/demo/summary.txt
	printf '\nReport: %s\nTotal: %d min %d s\n' $(CACHE)/demo/report.html $$(((SECONDS - began) / 60)) $$(((SECONDS - began) % 60))

SEED := 1
MINUTES := 30
.PHONY: drill-campaign
drill-campaign: venv ## Random faults of the deployed hosts of INVENTORY, chosen by SEED, for MINUTES. ARGS: for ansible-playbook
	@ansible-playbook -i $(INVENTORY) distributed.tiers.drill -e 'tiers_drill_experiments=*' \
	  -e tiers_drill_seed=$(SEED) -e tiers_drill_minutes=$(MINUTES) $(ARGS)

# ---- Tests

.PHONY: test
test: venv ## Lint, units (what runs Ansible also with its oldest release), sanity, site and release, then scenarios
	@.ci/test

.PHONY: test-all
test-all: venv ## What `test` does and all that takes longer: every ansible-core, twenty network splits, twenty killed runs
	@.ci/test all

.PHONY: quick
quick: venv ## Lint of the changed files and the unit tests that touch them. BASE: what they are compared with
	@python3 .ci/quick.py

.PHONY: lint
lint: venv ## ansible-lint, yamllint, ruff, mypy and the changelog's fragments
	@ruff check
	ruff format --check
	mypy -p ansible_collections.distributed.tiers.plugins
	yamllint --strict .
	antsibull-changelog lint
	python3 .ci/fragments.py
	ansible-lint

# Most unit tests wait for programs that they start, so four run at once on two processors. The tests of a file share fixtures.
WORKERS := -n 4 --dist loadfile --no-loadscope-reorder

.PHONY: unit
unit: venv ## Unit tests. ARGS: for pytest
	@# HAProxy itself reads the configurations rendered; without root that test is passed over.
	command -v haproxy >/dev/null || [ "$$(id -u)" != 0 ] || .ci/packages haproxy
	# Chromium shows the report; without root these tests are passed over, too.
	command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || .ci/packages chromium
	# Prometheus evaluates the alerts; without root these tests are passed over, too.
	command -v promtool >/dev/null || [ "$$(id -u)" != 0 ] || .ci/packages prometheus prometheus-alertmanager prometheus-node-exporter
	pytest $(WORKERS) --junitxml=$(CACHE)/results/unit.xml $(ARGS)

.PHONY: awx-test
awx-test: venv ## The playbook awx against a stand-in of AWX, and every template as AWX runs it. ARGS: for pytest
	@pytest --junitxml=$(CACHE)/results/awx.xml tests/awx $(ARGS)

.PHONY: sanity
sanity: venv ## ansible-test sanity. ARGS: for ansible-test
	@.ci/sanity $(ARGS)

.PHONY: importer
importer: venv $(CACHE)/importer/.made ## Build the archive and import it as Galaxy does, without a warning
	@archive=$$(.ci/archive)
	cd $(CACHE)/archive
	unset ANSIBLE_CONFIG
	PATH=$(CURDIR)/$(CACHE)/importer/bin:$$PATH GALAXY_IMPORTER_CONFIG=$(CURDIR)/.ci/importer.cfg \
	  python3 -m galaxy_importer.main "$$archive" 2>&1 | tee $(CURDIR)/$(CACHE)/importer.log
	# It gives ansible-lint three minutes, too few on a busy machine; `make lint` has waited for the same.
	! grep '^\(WARNING\|ERROR\)' $(CURDIR)/$(CACHE)/importer.log | grep --invert-match 'Timeout on call to ansible-lint'

.PHONY: install-test
install-test: venv ## Build the archive, install it into an empty path, validate the demo from there
	@.ci/install-test

.PHONY: cores
cores: venv $(CACHE)/release/.made ## Units and sanity on every ansible-core. ARGS: for nox, such as --tags=units-2.18
	@PYTEST_ADDOPTS='$(WORKERS)' $(CACHE)/release/bin/nox --envdir $(CACHE)/nox $(ARGS)

.PHONY: release
release: importer install-test $(CACHE)/release/.made ## Archive, bill of materials and signature in dist/. KEY: who signs
	@command -v gpg >/dev/null || .ci/packages gnupg
	.ci/release
	pytest --junitxml=$(CACHE)/results/release.xml tests/release

# Mitogen halves what a deployment takes. It looks at host keys by Ansible's setting alone.
MITOGEN = ANSIBLE_STRATEGY_PLUGINS=$(CURDIR)/molecule/shared/strategy:$$(echo $(CURDIR)/$(VENV)/lib/python3*/site-packages/ansible_mitogen/plugins/strategy) \
  ANSIBLE_STRATEGY=mitogen_linear ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_TIMEOUT=60
NAME := default
TESTS :=
.PHONY: scenario
scenario: secrets prerequisites wheels vendor ## Molecule scenario NAME (default: the demo, from bare hosts to the drill). TESTS: which, for pytest
	@mkdir -p $(CACHE)/results
	export PYTEST_ADDOPTS="$(TESTS)"
	# The scenario default runs as operators run it.
	[ $(NAME) = default ] || export $(MITOGEN)
	COLUMNS=200 molecule test --scenario-name $(NAME) 2>&1 | tee $(CACHE)/results/$(NAME).log
	# Molecule counts a step that has no playbook as passed.
	! grep 'Missing playbook' $(CACHE)/results/$(NAME).log

SEEDS := 1-20
.PHONY: interruptions
interruptions: INVENTORY := $(INTERRUPTED)
interruptions: hosts secrets ## Kill runs at random points on nine test hosts, deploy once, verify. SEEDS: which, such as 1-20
	@export $(MITOGEN)
	TIERS_SEEDS=$(SEEDS) pytest --junitxml=$(CACHE)/results/interruptions.xml tests/interruptions $(ARGS)

.PHONY: split
split: venv prerequisites ## OpenLDAP through a network split with writes on both sides. ARGS: for pytest, such as -m slow
	@pytest --junitxml=$(CACHE)/results/split.xml tests/split $(ARGS)

# ---- House

.PHONY: docs
docs: venv ## Write the generated pages: rules, inventory, plan, operations, figures, AWX
	@python3 docs/generate.py

.PHONY: site
site: venv $(CACHE)/site/.made ## Build the documentation site in .cache/site/html, without a network
	@.ci/site

.PHONY: bench
bench: venv $(CACHE)/bench/.made ## Measure again: allocation, large inventories, files of clients and load, into benchmarks/results
	@$(CACHE)/bench/bin/python benchmarks/allocation.py
	$(MAKE) --no-print-directory bench-load
	python3 benchmarks/inventory.py
	python3 benchmarks/populations.py

.PHONY: bench-load
bench-load: venv $(CACHE)/bench/.made ## Measure what distributor and proxy cost, and how even shares are
	@for command in haproxy wrk; do
	  command -v "$$command" >/dev/null || .ci/packages "$$command"
	done
	python3 benchmarks/load.py
	$(CACHE)/bench/bin/python benchmarks/plots.py

.PHONY: changelog
changelog: venv ## Write CHANGELOG.rst from the fragments
	@copy=$$(.ci/copy $(CACHE)/changelog)
	cd "$$copy"
	antsibull-changelog release --update-existing --refresh --reload-plugins
	cp CHANGELOG.rst $(CURDIR)/
	cp changelogs/changelog.yaml $(CURDIR)/changelogs/

.PHONY: clean
clean: ## Remove the test hosts, their images and everything made
	@[ ! -x $(BIN)/ansible-playbook ] || ! command -v podman >/dev/null || $(MAKE) --no-print-directory all-hosts-down
	! command -v podman >/dev/null || podman images --quiet 'localhost/tiers-testhost*' | sort -u | xargs --no-run-if-empty podman rmi
	rm -rf $(VENV) $(CACHE) dist .ansible .hypothesis .mypy_cache .pytest_cache .ruff_cache
