# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the planner needs from outside: variables out of Ansible, product roles and client files from disk."""

from __future__ import annotations

import importlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.plugins.module_utils import handed, variables
from ansible_collections.distributed.tiers.plugins.module_utils.findings import Problem
from ansible_collections.distributed.tiers.plugins.module_utils.plan import digest
from ansible_collections.distributed.tiers.plugins.module_utils.populations import read_population
from ansible_collections.distributed.tiers.plugins.module_utils.products import Product, parse_product, role_of
from ansible_collections.distributed.tiers.plugins.module_utils.topology import (
    Topology,
    Unreadable,
    group_names,
    members,
    product_names,
    read_fact,
    read_topology,
)

# (host, its variables as they stand, name of the variable) -> the value with its templates filled in
Template = Callable[[str, Mapping[str, Any], str], Any]


def read_inventory(
    groups: Mapping[str, Any],
    hostvars: Any,
    template: Template,
    tiers_groups: Any,
    basedir: str,
    plan_file: str | None = None,
) -> Topology:
    """The topology of the system whose groups `tiers_groups` names, with the plan of a file if one is handed over."""
    products: dict[str, Product] = {}
    wrong: list[Problem] = []
    hosts = members(groups, group_names(tiers_groups)[0])
    views = _Views(hostvars, template)
    seen = {host: views.view(host) for host in hosts}
    for name in product_names(groups, seen, tiers_groups):
        product, problems = load_product(name)
        wrong += [Problem(None, "tiers_product", f"{role_of(name)}: {text}", rule="product-role") for text in problems]
        if product:
            products[name] = product
            paired = {str(seen[host].get("tiers_backup_of")) for host in hosts} | {
                host for host in hosts if "backup" in hosts[host]
            }
            for host in hosts:
                views.add_secrets(host, seen[host], product.secrets)
                if host in paired and seen[host].get("tiers_product") == name:
                    seen[host][variables.OPTIONS] = views.options(host, product)
    # A plan that was made already has its clients.
    population = nobody if plan_file else lambda source: load_population(source, basedir)
    topology = read_topology(groups, seen, products, population, tiers_groups)
    retired = {}
    for host in groups.get("all") or ():
        fact = None if host in seen else local_fact(views.raw(host))[1]
        # It may be another system's.
        if isinstance(fact, Mapping) and fact.get("system") == topology.name and (deployed := read_fact(fact)):
            retired[str(host)] = deployed
    topology = replace(topology, retired=retired, problems=(*topology.problems, *wrong))
    if topology.resolve:
        topology = replace(topology, problems=(*topology.problems, *unresolved(topology)))
    return with_plan(topology, plan_file) if plan_file else topology


PLAN_SCHEMA = Path(__file__).parents[2] / "docs" / "plan.schema.json"


class _Views:
    """Of each host's variables those the planner looks at, read once; only templates are templated."""

    def __init__(self, hostvars: Any, template: Template) -> None:
        self.raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
        self.template = template
        self.variables: dict[str, Mapping[str, Any]] = {}
        # Group variables are one object for all hosts: what holds for the whole system is filled in once.
        self.shared: dict[tuple[str, int], tuple[Any, Any]] = {}

    def view(self, host: str) -> dict[str, Any]:
        raw = self.variables[host] = self.raw(host)
        view: dict[str, Any] = {}
        for name in raw:
            if name.startswith(variables.PREFIX):
                known = variables.BY_NAME.get(name)
                if known is None or known.read is None:
                    view[name] = None
                elif known.systemwide:
                    view[name] = self.systemwide(host, raw, name)
                else:
                    view[name] = filled_in(self.template, host, raw, name)
        if raw.get(variables.ANSIBLE_HOST) is not None:
            view[variables.ANSIBLE_HOST] = filled_in(self.template, host, raw, variables.ANSIBLE_HOST)
        if raw.get(variables.OWN_CERTIFICATE):
            view[variables.OWN_CERTIFICATE] = True
            certificate = filled_in(self.template, host, raw, variables.OWN_CERTIFICATE)
            if isinstance(certificate, str):
                view[variables.CERTIFICATE_FOR] = certificate_names(certificate)
        seen, fact = local_fact(raw)
        if seen:
            view[variables.LOCAL_FACT] = fact
        self.add_secrets(host, view, (variables.UNLOCKS_CA,))
        return view

    def add_secrets(self, host: str, view: dict[str, Any], names: tuple[str, ...]) -> None:
        """Whether a secret is there; never what it is. A vaulted one is not even opened."""
        raw = self.variables[host]
        for name in names:
            if isinstance(raw.get(name), str) and is_template(raw[name]):
                # A secret is one for the whole system.
                value = self.systemwide(host, raw, name)
                view[name] = not isinstance(value, Unreadable) and value not in (None, "")
            else:
                view[name] = raw.get(name) is not None and not (isinstance(raw[name], str) and raw[name] == "")

    def options(self, host: str, product: Product) -> dict[str, str]:
        """What the host gives to the product's role, as it is written; of each value only a fingerprint."""
        prefix = product.role.rsplit(".", 1)[1] + "_"
        raw = self.variables[host]
        # What is vaulted is not opened.
        return {name: fingerprint(raw[name]) for name in raw if name.startswith(prefix)}

    def systemwide(self, host: str, raw: Mapping[str, Any], name: str) -> Any:
        source = raw[name]
        key = (name, id(source))
        if key not in self.shared:
            self.shared[key] = (source, filled_in(self.template, host, raw, name))
        return self.shared[key][1]


def local_fact(raw: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether a host's local facts were gathered, and ours among them."""
    local = (raw.get("ansible_facts") or {}).get("ansible_local")
    return isinstance(local, Mapping), local.get("tiers") if isinstance(local, Mapping) else None


def fingerprint(value: Any) -> str:
    """The same for values that are written alike."""
    try:
        return digest(json.loads(json.dumps(value, default=lambda _value: "vaulted")))
    except (ValueError, TypeError, RecursionError):
        return "no plain value"


def certificate_names(text: str) -> tuple[str, ...]:
    """The names and addresses a certificate is good for; none if it is no certificate."""
    # Few need it, and loading it takes as long as planning a thousand hosts.
    from cryptography import x509

    # ansible-core brings it along, but only a system with certificates of the operator's own needs it here.

    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
    found = [*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress)]
    return tuple(str(name) for name in found)


def addresses_of(name: str) -> set[str]:
    """What a name resolves to on the controller."""
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except (OSError, ValueError):
        return set()


def unresolved(topology: Topology) -> list[Problem]:
    """Names of servers that do not lead to their addresses."""
    names = {name: f"{name}.{topology.domain}" for name in topology.servers}
    with ThreadPoolExecutor(16) as pool:
        found = dict(zip(names, pool.map(addresses_of, names.values()), strict=True))
    return [
        Problem(
            name, "tiers_address", f"{names[name]} resolves to {told}, not to {server.address}.", rule="name-resolves"
        )
        for name, server in topology.servers.items()
        if server.address not in found[name]
        for told in [", ".join(sorted(found[name])) or "nothing"]
    ]


def filled_in(template: Template, host: str, raw: Mapping[str, Any], name: str) -> Any:
    """A variable's value with its templates filled in, or the reason why it cannot be had."""
    try:
        return template(host, raw, name) if is_template(raw.get(name)) else raw.get(name)
    except RecursionError:
        return Unreadable("it contains itself, or is nested too deeply")
    except AnsibleError as error:
        return Unreadable(str(error).strip().split("\n", maxsplit=1)[0])


def is_template(value: Any) -> bool:
    """Whether there may be a template anywhere in the value, or something else that is not the plain value yet."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(is_template(key) or is_template(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(is_template(item) for item in value)
    # A vaulted value is opened where its template would be filled in.
    return not isinstance(value, (int, float, type(None)))


def load_product(name: str) -> tuple[Product | None, list[str]]:
    """The product a role stands for. A role that is not installed is no product, and not a faulty one either."""
    namespace, collection, role = role_of(name).split(".", 2)
    try:
        package = importlib.import_module(f"ansible_collections.{namespace}.{collection}")
    except (ImportError, ValueError):
        return None, []
    path = os.path.join(next(iter(package.__path__)), "roles", role.replace(".", "/"), "meta", "product.yml")
    return read_product(name, path) if os.path.exists(path) else (None, [])


def read_product(name: str, path: str | Path) -> tuple[Product | None, list[str]]:
    """The product of a role's meta/product.yml."""
    try:
        with open(path, encoding="utf-8") as file:
            data = yaml.safe_load(file)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        return None, [f"meta/product.yml cannot be read: {' '.join(str(error).split())}"]
    return parse_product(name, data)


def with_plan(topology: Topology, path: str) -> Topology:
    """The topology with the plan of a file, or with what is wrong with that."""
    try:
        plan = json.loads(Path(path).read_bytes())
        schema = json.loads(PLAN_SCHEMA.read_bytes())
        faults = handed.faults(plan, schema)
        wrong = [Problem(None, "tiers_plan_file", f"{path}: {fault}.", rule=handed.RULE) for fault in faults]
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        plan, wrong = None, [Problem(None, "tiers_plan_file", f"{path} cannot be read: {reason}", rule=handed.RULE)]
    if not wrong:
        wrong = list(handed.misfits(plan, topology))
    return replace(topology, handed=plan, handed_from=path, problems=(*topology.problems, *wrong))


def nobody(_source: Any) -> tuple[Mapping[str, Mapping[str, Any]], list[str]]:
    return {}, []


def load_population(source: Any, basedir: str) -> tuple[Mapping[str, Mapping[str, Any]], list[str]]:
    """Named clients; a relative path is taken from the inventory's directory."""
    return read_population(Path(basedir, source) if isinstance(source, str) else source)
