# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The input of the planner: variables of Ansible, product roles and files of clients."""

from __future__ import annotations

import importlib
import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ansible.template
import yaml
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.plugins.module_utils.planner import handed, variables
from ansible_collections.distributed.tiers.plugins.module_utils.planner.description import (
    MOST_PARTS,
    MOST_PARTS_OF_ALL,
    Options,
    check_parts,
    complete,
    is_template,
    options_of,
    read_description,
    with_planned,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import digest
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import (
    DESCRIPTIONS,
    Product,
    parse_product,
    role_of,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import (
    Topology,
    Unreadable,
    group_names,
    members,
    product_names,
    read_fact,
    read_topology,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import MONITOR
from ansible_collections.distributed.tiers.plugins.module_utils.text import ended
from ansible_collections.distributed.tiers.plugins.plugin_utils.files import check_has_end, why_not
from ansible_collections.distributed.tiers.plugins.plugin_utils.populations import read_population
from ansible_collections.distributed.tiers.plugins.plugin_utils.reading import (
    Reading,
    debian_release,
    known,
    local_fact,
)

# (host, variables as they stand, name of one of them) -> its value with the templates filled in
Template = Callable[[str, Mapping[str, Any], str], Any]
# (host, its variables) -> whether it was asked what is deployed on it, and the facts it answered
Record = Callable[[str, Mapping[str, Any]], tuple[bool, Any]]


def read_inventory(
    groups: Mapping[str, Any],
    hostvars: Any,
    template: Template,
    tiers_groups: Any,
    basedir: str,
    plan_file: str | None = None,
    plan: Any = None,
    part: bool = False,
    record: Record = known,
) -> Topology:
    """The topology of the system whose groups `tiers_groups` names, with the plan if the run received one.

    Such a plan stands in a file or comes as data; with `part` it may have more hosts than the inventory. `record` has
    the deployed state.
    """
    products: dict[str, Product] = {}
    wrong: list[Problem] = []
    hosts = members(groups, group_names(tiers_groups)[0])
    views = _Views(hostvars, template, record)
    seen = {host: views.view(host) for host in hosts}
    for name in product_names(groups, seen, tiers_groups):
        product, problems = load_product(name)
        wrong += [
            Problem(None, "tiers_product", ended(f"{role_of(name)}: {text}"), rule="product-role") for text in problems
        ]
        if product:
            product, undescribed = described(
                product, {host: seen[host] for host in hosts if seen[host].get("tiers_product") == name}
            )
            wrong += undescribed
            products[name] = product
            primaries = [seen[host].get("tiers_backup_of") for host in hosts]
            paired = {str(name) for name in primaries if isinstance(name, str)}
            paired |= {host for host in hosts if "backup" in hosts[host]}
            for host in hosts:
                views.add_secrets(host, seen[host], product.secrets + product.repository_secrets)
                if product.numbers and seen[host].get("tiers_product") == name:
                    seen[host][variables.NUMBERS] = views.numbers(host, product)
                if host in paired and seen[host].get("tiers_product") == name:
                    seen[host][variables.OPTIONS] = views.options(host, product)
    # A plan that was made already has its clients.
    population = no_population if plan_file or plan else lambda source: load_population(source, basedir)
    topology = read_topology(groups, seen, products, population, tiers_groups)
    retired = {}
    lines: dict[str, list[str]] = {}
    for host in groups.get("all") or ():
        if host in seen:
            continue
        variables_of_it = views.raw(host)
        if file := made_of_line(str(host), variables_of_it):
            lines.setdefault(file, []).append(str(host))
        fact = local_fact(record(str(host), variables_of_it)[1], "tiers")
        # It may be another system's.
        if isinstance(fact, Mapping) and fact.get("system") == topology.name and (deployed := read_fact(fact)):
            retired[str(host)] = deployed
    made_of_lines = {file: tuple(sorted(found)) for file, found in sorted(lines.items())}
    topology = replace(topology, retired=retired, made_of_lines=made_of_lines, problems=(*topology.problems, *wrong))
    if topology.resolve:
        topology = replace(topology, problems=(*topology.problems, *unresolved(topology)))
    if plan:
        return with_plan_data(topology, plan, plan_file, part)
    return with_plan(topology, plan_file, part) if plan_file else topology


def made_of_line(host: str, variables_of_it: Mapping[str, Any]) -> str:
    """The file that is no inventory and whose line became this host; empty for a host of an inventory."""
    file = variables_of_it.get("inventory_file")
    if not isinstance(file, str):
        return ""
    return file if "," in host or file.endswith(NO_INVENTORIES) else ""


@dataclass(frozen=True)
class System:
    """A system that hosts of the inventory belong to: its `tiers_groups`, and its hosts with their tiers."""

    tiers_groups: Any
    hosts: Mapping[str, list[str]]

    def servers(self) -> list[str]:
        return [host for host, tiers in self.hosts.items() if tiers not in (["client"], [MONITOR])]

    def connected(self) -> list[str]:
        """The hosts that playbooks connect to: all but those that only scrape metrics."""
        return [host for host, tiers in self.hosts.items() if tiers != [MONITOR]]


def systems_of(hosts: Iterable[str], groups: Mapping[str, Any], hostvars: Any, template: Template) -> list[System]:
    """The systems that these hosts belong to, by the names of the hosts. Each host names the groups of its own.

    Ansible gives the hosts of several groups in another order in each run.
    """
    raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
    # Group variables are one object for all hosts: of many hosts in no system few values are looked at.
    seen: dict[int, tuple[Any, System]] = {}
    found: list[System] = []
    for host in sorted(hosts):
        if any(host in system.hosts for system in found):
            continue
        variables = raw(host)
        written = variables.get("tiers_groups")
        if id(written) not in seen:
            named = filled_in(template, host, variables, "tiers_groups")
            seen[id(written)] = (written, System(named, members(groups, group_names(named)[0])))
        system = seen[id(written)][1]
        if host in system.hosts:
            found.append(system)
    return found


def home(systems: Sequence[System], hostvars: Any) -> str | None:
    """The directory of the inventory that has the master of the first system. Other hosts may stand in others."""
    raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
    masters = [host for host, tiers in systems[0].hosts.items() if "master" in tiers] if systems else []
    found = raw(masters[0]).get("inventory_dir") if masters else None
    return found if isinstance(found, str) else None


def in_run(
    topology: Topology, hosts: Iterable[str], systems: Iterable[System], reading: Reading, judges: bool = False
) -> Topology:
    """The topology with what it is in a run on these hosts: who could not be read, and who is of another system.

    `judges`: the run only reports, so it is no error that no server could be read.
    """
    mine = {host.name for host in topology.hosts()}
    others = [system.hosts for system in systems]
    run = [host for host in hosts if host not in mine]
    milder = {"deployment-unknown": {"severity": WARNING, "why": "this playbook reports what does not answer"}}
    return replace(
        topology,
        lowered={**milder, **topology.lowered} if judges else topology.lowered,
        unread={host: why for host, why in reading.unread.items() if host in topology.servers},
        other_systems=tuple(odd for other in others if (odd := tuple(host for host in run if host in other))),
    )


# Files that lie beside an inventory: of clients, templates and what a service is made of
NO_INVENTORIES = (
    ".csv",
    ".tsv",
    ".j2",
    ".txt",
    ".md",
    ".conf",
    ".cfg",
    ".service",
    ".env",
    ".xml",
    ".pem",
    ".crt",
    ".key",
)
NESTED = "it contains itself, is nested too deeply, or stands for too many values"
BROKEN_YAML = (
    OSError,
    ValueError,
    RecursionError,
    yaml.YAMLError,
    # What PyYAML raises of numbers without digits, dates that are none and the like.
    LookupError,
    AttributeError,
    TypeError,
)


class _Views:
    """The variables of each host that the planner reads, each read once; only templates are templated."""

    def __init__(self, hostvars: Any, template: Template, record: Record) -> None:
        self.raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
        self.template = template
        self.record = record
        self.variables: dict[str, Mapping[str, Any]] = {}
        # Group variables are one object for all hosts: what holds for the whole system is filled in once.
        self.shared: dict[tuple[str, int], tuple[Any, Any]] = {}

    def view(self, host: str) -> dict[str, Any]:
        raw = self.variables[host] = self.raw(host)
        view: dict[str, Any] = {}
        for name in raw:
            if name.startswith(variables.PREFIX):
                known = variables.BY_NAME.get(name)
                if known and known.asked and raw[name] == "":
                    continue  # a question of a survey that was left empty
                if known is None or known.read is None:
                    view[name] = None
                elif name in DESCRIPTIONS:
                    view[name] = self.description(host, raw, name)
                elif known.systemwide:
                    view[name] = self.systemwide(host, raw, name)
                    if view[name] is not raw[name]:
                        # From a vault, or from a template that may take something out of one.
                        view[variables.OPENED] = (*view.get(variables.OPENED, ()), name)
                else:
                    view[name] = filled_in(self.template, host, raw, name)
        for name in variables.OF_THE_LOGIN:
            if raw.get(name) is not None:
                view[name] = filled_in(self.template, host, raw, name)
        if raw.get(variables.OWN_CERTIFICATE):
            view[variables.OWN_CERTIFICATE] = True
            certificate = filled_in(self.template, host, raw, variables.OWN_CERTIFICATE)
            if isinstance(certificate, str):
                view[variables.CERTIFICATE_FOR] = certificate_names(certificate)
        seen, facts = self.record(host, raw)
        if seen:
            view[variables.LOCAL_FACT] = local_fact(facts, "tiers")
            view[variables.VOTER_FACT] = local_fact(facts, "tiers_voter")
            view[variables.DEBIAN] = debian_release(facts)
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
        """The variables of the host for the role of the product; only a fingerprint of each value."""
        prefix = product.role.rsplit(".", 1)[1] + "_"
        raw = self.variables[host]
        # What is vaulted is not opened.
        return {name: fingerprint(raw[name]) for name in raw if name.startswith(prefix)}

    def numbers(self, host: str, product: Product) -> dict[str, Any]:
        """The values of the variables of the product's role that rules compare, as far as the host has them."""
        raw = self.variables[host]
        return {name: self.systemwide(host, raw, name) for name in product.numbers if raw.get(name) is not None}

    def systemwide(self, host: str, raw: Mapping[str, Any], name: str) -> Any:
        source = raw[name]
        key = (name, id(source))
        if key not in self.shared:
            self.shared[key] = (source, filled_in(self.template, host, raw, name, MOST_PARTS_OF_ALL))
        return self.shared[key][1]

    def description(self, host: str, raw: Mapping[str, Any], name: str) -> Any:
        """A description, with those templates filled in that the planner has to understand."""
        source = raw[name]
        if not isinstance(source, Mapping):
            return self.systemwide(host, raw, name)
        key = (name, id(source))
        if key not in self.shared:

            def fill(part: Any) -> Any:
                return filled_in(self.template, host, {**raw, name: part}, name)

            try:
                check_parts(source)
                self.shared[key] = (source, with_planned(source, fill))
            except RecursionError:
                self.shared[key] = (source, Unreadable(NESTED))
        return self.shared[key][1]


def fingerprint(value: Any) -> str:
    """The same for values that are written alike."""
    try:
        check_parts(value)
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
    """The addresses to which a name resolves on the controller."""
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
            name,
            "tiers_address",
            f"{names[name]} resolves to {addresses}, not to {server.address}.",
            rule="name-resolves",
        )
        for name, server in topology.servers.items()
        if server.address not in found[name]
        for addresses in [", ".join(sorted(found[name])) or "nothing"]
    ]


def filled_in(template: Template, host: str, raw: Mapping[str, Any], name: str, most_parts: int = MOST_PARTS) -> Any:
    """A variable's value with its templates filled in, or the reason why it cannot be had."""
    try:
        if not is_template(raw.get(name), most_parts):
            return raw.get(name)
        value = finished(raw[name], template(host, raw, name))
        check_parts(value, most_parts)
        return value
    except RecursionError:
        return Unreadable(NESTED)
    except Exception as error:  # whatever the filters and lookups in it raise
        reason = str(error).strip().partition("\n")[0]
        return Unreadable(shorten(reason or type(error).__name__, 300))


def finished(written: Any, value: Any) -> Any:
    """The result of a template. Before core 2.19, it may be a vaulted text, or the text of an undefined variable."""
    if hasattr(ansible.template, "trust_as_template"):
        return value
    if getattr(value, "__ENCRYPTED__", False):
        return str(value)
    if isinstance(value, str) and value == written and is_template(value) and not hasattr(value, "__UNSAFE__"):
        raise AnsibleError("a variable in it is not defined")
    if isinstance(value, Mapping) and isinstance(written, Mapping):
        return {key: finished(written.get(key), item) for key, item in value.items()}
    if isinstance(value, list) and isinstance(written, list):
        return [finished(*pair) for pair in zip(written, value, strict=True)]
    return value


def described(product: Product, views: Mapping[str, Mapping[str, Any]]) -> tuple[Product, list[Problem]]:
    """The product as the inventory describes it on the hosts that run it, if it is one that is described there."""
    variable = product.described_by
    if variable is None:
        return product, []
    rule = "service-description"
    text = f"{product.name} is described by {variable}, which the host does not have."
    problems = [Problem(h, variable, text, rule=rule) for h, view in views.items() if view.get(variable) is None]
    given = next((view[variable] for view in views.values() if isinstance(view.get(variable), Mapping)), None)
    if given is None:
        return product, problems
    description, faults = read_description(given, load_options(product.role, variable))
    problems += [Problem(None, variable, ended(f"'{where}' {text}"), rule=rule) for where, text in faults]
    return complete(product, description), problems


def load_options(role: str, variable: str) -> Options:
    """The structure of a variable, as the role's argument specs have it."""
    path = meta_file(role, "argument_specs.yml")
    try:
        return options_of(yaml.safe_load(Path(path).read_bytes()) if path else None, variable)
    except BROKEN_YAML:
        return {}


def load_product(name: str) -> tuple[Product | None, list[str]]:
    """The product a role stands for. A role that is not installed is no product, and not a faulty one either."""
    path = meta_file(role_of(name), "product.yml")
    return read_product(name, path) if path else (None, [])


def meta_file(full_name: str, file: str) -> str | None:
    """A file of a role's meta directory, if there is such a role and file."""
    namespace, collection, role = full_name.split(".", 2)
    try:
        package = importlib.import_module(f"ansible_collections.{namespace}.{collection}")
    except (ImportError, ValueError):
        return None
    path = os.path.join(next(iter(package.__path__)), "roles", role.replace(".", "/"), "meta", file)
    return path if os.path.exists(path) else None


def read_product(name: str, path: str | Path) -> tuple[Product | None, list[str]]:
    """The product of a role's meta/product.yml."""
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except BROKEN_YAML as error:
        return None, [f"meta/product.yml cannot be read: {why_not(error)}"]
    return parse_product(name, data)


def with_plan(topology: Topology, path: str, part: bool = False) -> Topology:
    """The topology with the plan of a file, or with what is wrong with that."""
    try:
        check_has_end(path)
        plan = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        message = ended(f"{shorten(path, 200)} cannot be read: {shorten(why_not(error), 200)}")
        wrong = [Problem(None, "tiers_plan_file", message, rule=handed.RULE)]
        return replace(topology, handed_from=path, problems=(*topology.problems, *wrong))
    return with_handed_plan(topology, plan, path, Problem(None, "tiers_plan_file", path, rule=handed.RULE), part)


def with_plan_data(topology: Topology, data: Any, path: str | None = None, part: bool = False) -> Topology:
    """The topology with a plan that comes as data, or with what is wrong with that."""
    name = "an earlier job"
    wrong = Problem(None, "tiers_plan_data", "It", rule=handed.RULE)
    if path:
        problem = replace(wrong, message="tiers_plan_file is set too; give the plan once.")
        return replace(topology, handed_from=name, problems=(*topology.problems, problem))
    try:
        # Values out of Ansible are of classes of its own.
        plan = json.loads(json.dumps(data))
    except (ValueError, TypeError, RecursionError):
        plan = None
    return with_handed_plan(topology, plan, name, wrong, part)


def with_handed_plan(topology: Topology, plan: Any, source: str, wrong: Problem, part: bool) -> Topology:
    """The topology with this plan, or with its faults, each reported like `wrong`."""
    try:
        faults = handed.list_faults(plan)
    except RecursionError:
        faults = ["it holds no plan"]
    problems = [replace(wrong, message=ended(f"{wrong.message}: {fault}")) for fault in faults]
    if not faults:
        problems = list(handed.misfits(plan, topology, part))
    return replace(topology, handed=plan, handed_from=source, problems=(*topology.problems, *problems))


def no_population(_source: Any) -> tuple[Mapping[str, Mapping[str, Any]], list[str]]:
    """No named clients: a handed plan has its own."""
    return {}, []


def load_population(source: Any, basedir: str) -> tuple[Mapping[str, Mapping[str, Any]], list[str]]:
    """Named clients; a relative path is taken from the inventory's directory, else from where the run was started.

    AWX keeps the inventory apart from the project, and starts jobs in the project.
    """
    if not isinstance(source, str):
        return read_population(source)
    beside = os.path.join(basedir, source)
    return read_population(Path(beside if os.path.exists(beside) or not os.path.exists(source) else source))
