# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a host: all that the files that a deployment writes on it come from."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible import constants as C

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import digest
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Unreadable
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import (
    MADE_IN_RUNS,
    PREFIX,
    TABLE,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.files import why_not
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import Template, filled_in, meta_file
from ansible_collections.distributed.tiers.plugins.plugin_utils.reading import debian_release

COLLECTION = "distributed.tiers"
# Variables of the collection that stay on the controller
STAYS_ON_THE_CONTROLLER = frozenset(
    {"tiers_ca_dir", "tiers_ca_passphrase", "tiers_ca_key", "tiers_ca_next_key", "tiers_plan_data", "tiers_plan_digest"}
)
# Those that enter files as they are. What the planner reads enters them through the plan.
WRITTEN_AS_THEY_ARE = frozenset({"tiers_service"}) | {
    one.name for one in TABLE if one.read is None and not one.asked and one.name not in STAYS_ON_THE_CONTROLLER
}
# Variables of Ansible itself, of its connections and of jobs in AWX, and what the playbook has set before
NO_INPUT = frozenset(C.INTERNAL_STATIC_VARS) | MADE_IN_RUNS | {"omit", "environment", "vars", "host_authorities"}
# Those of them that are an input if a template names them. Others differ between runs, or are paths of the controller.
INPUT_IF_NAMED = frozenset({"group_names", "inventory_hostname", "inventory_hostname_short"})
NO_INPUT_PREFIXES = ("ansible_", "awx_", "tower_")
# Role variables with paths of the controller that no file of a host comes from, or whose files are compared below
OTHER_PATHS = frozenset({"host_ca_dir", "client_export_dir", "product_service_files", "tiers_backup_file"})

TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
WORD = re.compile(r"[A-Za-z_]\w*")
# Bytes. A larger file is an archive.
MOST_OF_A_TEMPLATE = 2**20
# With these words, a template reads more than the variables of its host.
READS_MORE = frozenset({"hostvars", "groups", "tiers_plan", "lookup", "query", "q", "now", "ansible_facts", "vars"})


class HostInputs:
    """Reads the inputs of hosts. Inputs that several hosts share are read once."""

    def __init__(
        self, plan: Mapping[str, Any], hostvars: Any, template: Template, authorities: Mapping[str, Any]
    ) -> None:
        self.plan, self.hostvars, self.template, self.authorities = plan, hostvars, template, authorities
        self.raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
        self._trees: dict[str, tuple[dict[str, str], frozenset[str]]] = {}
        self._paths: dict[str, tuple[str, ...]] = {}
        self._collections: dict[str, str | None] = {}
        # Variables of a group are one object for all its hosts.
        self._values: dict[tuple[str, int], tuple[Any, str, frozenset[str]]] = {}

    def of(self, host: str) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
        """The inputs of a host by kind and name, and what cannot be compared. Both are empty if it has no slice."""
        slices = {kind: self.plan[f"{kind}s"].get(host) or {} for kind in ("server", "client", "voter")}
        if not any(slices.values()):
            return {}, ()
        raw = self.raw(host)
        role = str((slices["server"] or slices["client"]).get("product_role") or "")
        inputs: dict[str, dict[str, Any]] = {
            # The digest of a slice is of what the slice and the plan have below.
            f"slice of the {kind}": {name: value for name, value in part.items() if name != "digest"}
            for kind, part in slices.items()
            if part
        }
        inputs["plan"] = self._of_the_plan(host, slices["server"], role)
        collections = {name: self._collection(name) for name in sorted({COLLECTION, collection_of(role)} - {""})}
        inputs["collections"] = collections
        inputs["CA"] = {name: self.authorities.get(name) or "" for name in ("current", "next")}
        inputs["host"] = {"release of Debian": debian_release(raw.get("ansible_facts") or {}) or ""}
        inputs["files of the controller"], words, wrong = self._files(host, raw, role, slices["server"])
        wrong += [f"the collection {name}" for name, found in collections.items() if found is None]
        if more := READS_MORE & words:
            wrong.append(f"templates that use {', '.join(sorted(more))}")
        inputs["variables"], unknown = self._variables(host, raw, slices, words)
        return inputs, (*wrong, *unknown)

    def _of_the_plan(self, host: str, server: Mapping[str, Any], role: str) -> dict[str, Any]:
        plan, allocation = self.plan, self.plan["allocation"]
        found = {"system": plan["system"], "domain": plan["domain"]}
        if server:
            found["clients by name"] = allocation["proxies"].get(host, {}).get("clients", [])
            found["clients of its backup"] = allocation["backups"].get(host, {})
        if server.get("serves_as") == "master":
            # A product may have an entry of each server in its data.
            found["servers"] = {name: one["serves_as"] for name, one in plan["servers"].items()}
        if collection_of(role) not in ("", COLLECTION):
            # A role from elsewhere may read all of it.
            found["whole plan"] = plan["digest"]
        return found

    def _collection(self, name: str) -> str | None:
        """A digest of the files of a collection that hosts are deployed with. None: it is not installed."""
        if name not in self._collections:
            try:
                home = Path(next(iter(importlib.import_module(f"ansible_collections.{name}").__path__)))
                self._collections[name] = digest([tree(home / part) for part in ("roles", "plugins", "playbooks")])
            except (ImportError, ValueError, StopIteration):
                self._collections[name] = None
        return self._collections[name]

    # ---- variables

    def _variables(
        self, host: str, raw: Mapping[str, Any], slices: Mapping[str, Any], words: frozenset[str]
    ) -> tuple[dict[str, Any], list[str]]:
        """The variables of the host that may enter its files, and those that cannot be compared."""
        made = {f"tiers_{kind}": part for kind, part in slices.items()}
        variables = {**raw, **made, "tiers_plan": self.plan, "hostvars": self.hostvars}
        found: dict[str, Any] = {}
        wrong: list[str] = []
        names, used = [name for name in raw if is_input(name)], {*words}
        while names:
            for name in names:
                found[name], its_words = self._value(name, raw[name])
                used |= its_words
                if READS_MORE & its_words:
                    value = filled_in(self.template, host, variables, name)
                    if isinstance(value, Unreadable):
                        wrong.append(f"the variable {name}")
                    else:
                        found[name] = [found[name], digest(plain(value))]
            # Variables that enter files only because a template names them
            names = sorted((used & {*raw}) - {*found} - (NO_INPUT - INPUT_IF_NAMED))
        return found, wrong

    def _value(self, name: str, value: Any) -> tuple[str, frozenset[str]]:
        """A digest of the value as it is written, and the words in its templates."""
        key = (name, id(value))
        if key not in self._values:
            text = json.dumps(plain(value), sort_keys=True)
            self._values[key] = (value, digest(text), words_of(text))
        return self._values[key][1:]

    # ---- files of the controller

    def _files(
        self, host: str, raw: Mapping[str, Any], role: str, server: Mapping[str, Any]
    ) -> tuple[dict[str, str], frozenset[str], list[str]]:
        """The digests of the files that variables of the roles name, the words in their templates, and what cannot be
        compared."""
        places = {
            name: filled_in(self.template, host, raw, name)
            for name in self._path_variables(role)
            if raw.get(name) is not None
        }
        if role == f"{COLLECTION}.product_service":
            places |= self._of_the_description(host, raw, server)
        found: dict[str, str] = {}
        words: frozenset[str] = frozenset()
        wrong: list[str] = []
        for name, place in places.items():
            if isinstance(place, Unreadable):
                wrong.append(f"the files of {name}")
                continue
            try:
                if str(place) not in self._trees:
                    self._trees[str(place)] = (tree(Path(str(place))), words_of_files(Path(str(place))))
            except OSError as error:
                wrong.append(f"{place} ({why_not(error)})")
                continue
            files, its_words = self._trees[str(place)]
            # Without the directory, which differs between jobs of AWX
            found |= {f"{name}: {path}" if path else name: one for path, one in files.items()}
            words |= its_words
        return found, words, wrong

    def _of_the_description(self, host: str, raw: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, Any]:
        """The files that the description of a service names, each by its place in it."""
        beside = str(raw.get("inventory_dir") or ".")

        def filled(value: Any) -> Any:
            return filled_in(self.template, host, {**raw, "__part": value}, "__part")

        def directory(name: str, default: str) -> Any:
            return filled(raw[name]) if raw.get(name) is not None else os.path.join(beside, default)

        templates, files = (
            directory("product_service_templates", "templates"),
            directory("product_service_files", "files"),
        )
        described, found = raw.get("tiers_service"), {"product_service_templates": templates}
        if not isinstance(described, Mapping):
            described = filled(described)
        described = described if isinstance(described, Mapping) else {"files": Unreadable("no description")}
        parts = {name: described.get(name) for name in ("files", "install")}
        parts = {name: one if isinstance(one, (Mapping, list)) else filled(one) for name, one in parts.items()}
        entries, install = parts["files"] or [], parts["install"] or {}
        if not isinstance(entries, list) or not isinstance(install, Mapping):
            return {**found, "tiers_service": Unreadable("no description")}
        named = [(f"tiers_service.files[{place}]", one.get("src"), templates) for place, one in enumerate(entries)]
        named.append(("tiers_service.install.answers", install.get("answers"), templates))
        named.append(("tiers_service.install.wheels", install.get("wheels"), files))
        if not install.get("checksum"):  # Its checksum would be among the variables.
            named.append(("tiers_service.install.source", install.get("source"), files))
        for name, source, place in named:
            if not source:
                continue
            text = filled(source)
            if isinstance(text, Unreadable) or isinstance(place, Unreadable):
                found[name] = Unreadable("no path")
            elif "://" not in (path := str(text).replace("{version}", str(server.get("version") or ""))):
                found[name] = os.path.join(str(place), path)
        return found

    def _path_variables(self, role: str) -> tuple[str, ...]:
        """The variables of the roles of a host that are paths of the controller."""
        if role not in self._paths:
            found: set[str] = set()
            for path in (meta_file(name, "argument_specs.yml") for name in (f"{COLLECTION}.host", role) if name):
                specs = (yaml.safe_load(Path(path).read_bytes()) or {}).get("argument_specs") or {} if path else {}
                for entry in specs.values():
                    options = (entry or {}).get("options") or {}
                    found |= {name for name, option in options.items() if (option or {}).get("type") == "path"}
            self._paths[role] = tuple(sorted(found - OTHER_PATHS))
        return self._paths[role]


def is_input(name: str) -> bool:
    """Whether a variable of a host may enter its files as it is."""
    if name.startswith(PREFIX):
        return name in WRITTEN_AS_THEY_ARE
    return name not in NO_INPUT and not name.startswith(NO_INPUT_PREFIXES)


def collection_of(role: str) -> str:
    """The collection of a role's full name."""
    return role.rpartition(".")[0]


def plain(value: Any) -> Any:
    """The value as JSON has it. A vaulted value stays vaulted."""
    if (ciphertext := getattr(value, "_ciphertext", None)) is not None:
        return ["vaulted", str(ciphertext)]
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def words_of(text: str) -> frozenset[str]:
    """The words in the templates of a text."""
    return frozenset(word for found in TEMPLATE.findall(text) for word in WORD.findall(found))


def words_of_files(place: Path) -> frozenset[str]:
    """The words in the templates of a file, or of all files of a directory."""
    words: frozenset[str] = frozenset()
    for path in files_of(place):
        if path.stat().st_size <= MOST_OF_A_TEMPLATE:
            words |= words_of(path.read_bytes().decode("utf-8", "replace"))
    return words


def tree(place: Path) -> dict[str, str]:
    """The checksums of a file, or of all files of a directory, by their paths in it. Empty: there is no such file."""
    return {
        "" if path == place else str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_of(place)
    }


def files_of(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = (Path(home, name) for home, _directories, names in os.walk(place) for name in names)
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)
