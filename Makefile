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

# On Debian, Python's venv module lives in a package of its own.
$(VENV)/.made: requirements/dev.txt
	@python3 -c 'import ensurepip, venv' 2>/dev/null || .ci/packages python3-venv
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	touch $@

$(LINK):
	@mkdir -p $(@D) && ln -sfn "$(CURDIR)" $@

.PHONY: pins
pins: ## Resolve requirements/dev.in anew into dev.txt
	@rm -rf $(CACHE)/pins && python3 -m venv $(CACHE)/pins
	$(CACHE)/pins/bin/pip install --quiet --disable-pip-version-check -r requirements/dev.in
	{ echo '# Made by `make pins` from dev.in.'; $(CACHE)/pins/bin/pip freeze; } > requirements/dev.txt
	rm -rf $(CACHE)/pins

INVENTORY := inventories/demo
SHARED := molecule/shared

.PHONY: prerequisites hosts hosts-down
prerequisites:
	@command -v podman runc mmdebstrap nft ssh-keygen >/dev/null || .ci/packages podman runc mmdebstrap nftables netavark aardvark-dns openssh-client

hosts: venv prerequisites ## Test hosts for every host of INVENTORY (inventories/demo), in containers
	@ansible-playbook -i $(INVENTORY) $(SHARED)/create.yml $(SHARED)/prepare.yml

hosts-down: venv ## Remove the test hosts
	@ansible-playbook -i $(INVENTORY) $(SHARED)/destroy.yml
