# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the inventory as a text: names, values, groups, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import (
    Allocation,
    lowering_problems,
    reading,
    rule,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.shown import shorten
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import ARBITER, GROUPS, MONITOR
from ansible_collections.distributed.tiers.plugins.module_utils.text import (
    counted,
    did_you_mean,
    ended,
    enumerate_names,
    nearest,
)

rule(
    "unknown-variable",
    ERROR,
    reason="A misspelt variable is silently ignored by Ansible, and the default is deployed instead.",
    remedy="Correct the name, or remove it. docs/inventory.md lists all variables.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_capacty: 500}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_capacity: 500}
    """,
    part=True,
)(reading("unknown-variable"))

rule(
    "bad-value",
    ERROR,
    reason="A value of the wrong type would be deployed with an unintended meaning.",
    remedy="Correct the value. docs/inventory.md describes the values of each variable.",
    fires="""
        proxy:
          hosts:
            px1: {tiers_state: drainning}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_state: draining}
    """,
    firm=True,
    part=True,
)(reading("bad-value"))

rule(
    "unreadable-value",
    ERROR,
    reason="The plan needs every value that the inventory sets.",
    remedy="Define the variables used in it, or give the vault password.",
    fires="""
        master:
          hosts:
            m1: {tiers_site: "{{ no_such_variable }}"}
    """,
    silent="""
        master:
          hosts:
            m1: {tiers_site: "{{ place }}", place: berlin}
    """,
    firm=True,
    part=True,
)(reading("unreadable-value"))

rule(
    "setting-differs",
    ERROR,
    reason="A setting of the system has one value. With two values, hosts would be configured differently.",
    remedy="Set it once, for all hosts of the system.",
    fires="""
        master:
          hosts:
            m1: {tiers_domain: one.example}
        backup:
          hosts:
            m2: {tiers_domain: another.example}
    """,
    silent="""
        all:
          vars: {tiers_domain: one.example}
    """,
    part=True,
)(reading("setting-differs"))

rule(
    "bad-population",
    ERROR,
    reason="A client that cannot be read would be left without a server.",
    remedy="Correct the list or file of clients. Columns: name, site, weight, pin, allow, deny, spread.",
    fires="""
        all:
          vars:
            tiers_clients:
              - {name: desk-1, site: berlin, weight: -3}
    """,
    silent="""
        all:
          vars:
            tiers_clients:
              - {name: desk-1, site: berlin, weight: 3}
    """,
    firm=True,
)(reading("bad-population"))


@rule(
    "lowered-rule",
    ERROR,
    reason="A rule whose severity is overridden must exist, and the plan must not depend on it.",
    remedy="Correct the name in tiers_rules, or fix what the rule reports.",
    fires="""
        all:
          vars:
            tiers_rules: {backup-same-zon: {severity: "off", why: One rack is all there is.}}
    """,
    silent="""
        all:
          vars:
            tiers_rules: {backup-same-zone: {severity: "off", why: One rack is all there is.}}
    """,
    firm=True,
    part=True,
)
def lowered_rule(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    yield from lowering_problems(topology)


rule(
    "handed-plan",
    ERROR,
    reason="A plan of other hosts or other settings would deploy something unintended.",
    remedy="Write the plan again: ansible-playbook distributed.tiers.plan -i INVENTORY -e tiers_plan_file=PATH.",
    fires="""
        all:
          vars: {tiers_plan_file: nowhere.json}
    """,
    silent="""
        all:
          vars: {tiers_plan_file: ""}
    """,
    firm=True,
    part=True,
)(reading("handed-plan"))


@rule(
    "unread-group",
    WARNING,
    reason="Hosts in a group that is not part of the topology are ignored, often because its name is misspelt.",
    remedy="Rename the group, map it with tiers_groups, or remove its hosts.",
    fires="""
        proxies:
          hosts:
            px3: {ansible_host: 192.0.2.13}
    """,
    silent="""
        proxies:
          hosts:
            px3: {ansible_host: 192.0.2.13}
        all:
          vars:
            tiers_groups: {proxy: [proxy, proxies]}
    """,
)
def unread_group(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    # With mapped names the other groups may well be another system's.
    read = {group for groups in topology.group_names.values() for group in groups}
    mapped = any(names != (tier,) for tier, names in topology.group_names.items())
    for group, hosts in topology.unread_groups.items():
        hint = did_you_mean(group, read)
        if not mapped or (hint and not another_system(group, read)):
            yield Problem(
                None,
                "tiers_groups",
                ended(f"Group '{group}' is no tier and its hosts are in none; {hint}"),
                hosts=hosts,
            )


@rule(
    "file-as-inventory",
    WARNING,
    reason="Ansible reads every file of a directory that is given as inventory, and makes a host of each line.",
    remedy="Give the inventory file itself with -i, or set ignore_extensions = .csv in section [inventory] of "
    "ansible.cfg, with the extensions of all files that are no inventory.",
    fires="""
        ungrouped:
          hosts:
            desk-1: {inventory_file: /inventory/clients.csv}
    """,
    silent="""
        ungrouped:
          hosts:
            gateway: {inventory_file: /inventory/hosts.yml}
    """,
)
def file_as_inventory(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for file, hosts in topology.made_of_lines.items():
        name = shorten(file.rpartition("/")[2])
        message = f"{name} was read as an inventory: its lines became {counted(len(hosts), 'host')} in no group."
        yield Problem(None, None, message, hosts=hosts)


@rule(
    "other-system",
    WARNING,
    reason="A run changes one system. The inventory has several, and the others are left out.",
    remedy="Run the playbook once for each system, with --limit and the hosts of that system.",
    fires="""
        other:
          vars: {tiers_groups: {master: other_masters}}
          children:
            other_masters: {hosts: {m9: {ansible_host: 192.0.2.9}}}
    """,
    silent="""
        other:
          vars: {tiers_groups: {master: other_masters}}
          children:
            other_masters: {hosts: {}}
    """,
)
def other_system(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for hosts in topology.other_systems:
        belong = "belongs" if len(hosts) == 1 else "belong"
        message = f"This run is about '{topology.name}' only. {enumerate_names(hosts)} {belong} to another system."
        yield Problem(None, "tiers_groups", message, hosts=hosts)


def another_system(group: str, read: set[str]) -> bool:
    """Whether the name of a group differs from one of this system in one word only, as those of another system do."""
    words = re.split(r"[_-]", group)
    for known in read:
        others = re.split(r"[_-]", known)
        odd = [(mine, its) for mine, its in zip(words, others) if mine != its]
        if len(words) == len(others) > len(odd) == 1 and not alike(*odd[0]):
            return True
    return False


def alike(mine: str, its: str) -> bool:
    """Whether one word may be the other one misspelt: `paris1` and `paris2` are two names, as are `a` and `b`."""
    letters = mine.strip("0123456789"), its.strip("0123456789")
    return letters[0] != letters[1] and min(map(len, letters)) > 2 and nearest(letters[0], letters[1:]) is not None


ASK_AGAIN = "Start the hosts or repair the connection, then run the playbook again."


@rule(
    "deployment-unread",
    WARNING,
    reason="The present allocation decides the next one. Clients of a server that could not be read count as new, and "
    "may move to another server.",
    remedy=ASK_AGAIN,
    fires="""
        proxy:
          hosts:
            # As `setup` answers for a host that is switched off, and for one that is not
            px1: {tiers_record_read: {unreachable: true}}
            px2: {tiers_record_read: {ansible_facts: {ansible_local: {}}}}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_record_read: {ansible_facts: {ansible_local: {}}}}
    """,
)
def deployment_unread(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    if topology.is_read():
        for host, why in topology.unread.items():
            yield Problem(host, None, ended(f"Its deployed state could not be read: {why}"))


@rule(
    "deployment-unknown",
    ERROR,
    reason="A plan computed without the deployed state would move clients for no reason.",
    remedy=ASK_AGAIN,
    fires="""
        proxy:
          hosts:
            # As `setup` answers for a host that is switched off
            px1: {tiers_record_read: {unreachable: true}}
    """,
    silent="""
        proxy:
          hosts:
            px1: {tiers_record_read: {unreachable: true}}
            px2: {tiers_record_read: {ansible_facts: {ansible_local: {}}}}
    """,
)
def deployment_unknown(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    if not topology.is_read():
        for why in sorted(set(topology.unread.values())):
            hosts = tuple(host for host, reason in topology.unread.items() if reason == why)
            yield Problem(None, None, ended(f"The deployed state could not be read on any server: {why}"), hosts=hosts)


@rule(
    "expected-hosts",
    ERROR,
    reason="An incomplete inventory looks like a smaller system, and deploying it would retire the rest.",
    remedy="Use the complete inventory, or correct tiers_expected.",
    fires="""
        all:
          vars:
            tiers_expected: {proxy: 3}
    """,
    silent="""
        all:
          vars:
            tiers_expected: {proxy: 2}
    """,
)
def expected_hosts(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for tier in GROUPS:
        expected = (topology.expected or {}).get(tier)
        found = len(topology.tier(tier))
        if tier in ("client", ARBITER, MONITOR):
            of_group = {"client": topology.clients, ARBITER: topology.arbiter_group, MONITOR: topology.monitor_group}
            found = len(of_group[tier])
        if expected is not None and expected != found:
            given = f"{expected} of tier {tier} {'is' if expected == 1 else 'are'} expected, the inventory has {found}."
            yield Problem(None, "tiers_expected", given)


@rule(
    "distinct-names",
    ERROR,
    reason="Names of hosts are the same in upper and lower case: each name would lead to the addresses of both hosts.",
    remedy="Rename all but one of these hosts.",
    fires="""
        client:
          hosts:
            PX1: {ansible_host: 192.0.2.52}
    """,
    silent="""
        client:
          hosts:
            c2: {ansible_host: 192.0.2.52}
    """,
)
def distinct_names(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    names: dict[str, list[str]] = {}
    for host in topology.hosts():
        names.setdefault(host.name.lower(), []).append(host.name)
    for alike in names.values():
        if len(alike) > 1:
            message = f"{enumerate_names(alike)} differ in upper and lower case only."
            yield Problem(None, None, message, hosts=tuple(alike))


LONGEST_NAME, LONGEST_LABEL, LONGEST_COMMON_NAME = 253, 63, 64


@rule(
    "name-length",
    ERROR,
    reason=f"DNS allows {LONGEST_LABEL} characters between two dots and {LONGEST_NAME} in a name with its domain. The "
    f"name of a host is also the common name of its certificate: {LONGEST_COMMON_NAME} characters at most.",
    remedy="Shorten the name of the host in the inventory, or tiers_domain.",
    fires="""
        all:
          vars:
            tiers_domain: "the-second-floor-of-the-building.the-servers-of-the-old-town-hall.the-northern-quarter.\\
              a-town-by-the-sea-with-a-harbour.a-county-that-nobody-has-heard-of.a-country-in-the-south.\\
              a-continent-with-many-countries.a-planet-of-this-star.a-galaxy-among-many.invalid"
    """,
    silent="""
        all:
          vars: {tiers_domain: tiers.internal}
    """,
)
def name_length(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for host in topology.hosts():
        full = f"{host.name}.{topology.domain}"
        label = max(full.split("."), key=len)
        if len(label) > LONGEST_LABEL:
            yield Problem(
                host.name, None, f"'{shorten(label)}' has {len(label)} characters, not {LONGEST_LABEL} at most."
            )
        elif len(full.rstrip(".")) > LONGEST_NAME:
            message = f"Its name with tiers_domain has {len(full.rstrip('.'))} characters, not {LONGEST_NAME} at most."
            yield Problem(host.name, "tiers_domain", message)
        elif len(host.name) > LONGEST_COMMON_NAME:
            message = f"Its name has {len(host.name)} characters, not {LONGEST_COMMON_NAME} at most."
            yield Problem(host.name, None, message)


@rule(
    "several-tiers",
    ERROR,
    reason="A host does the work of one tier; two of them would fail together and share one port.",
    remedy="Leave the host in one group.",
    fires="""
        parallel:
          hosts:
            px1:
    """,
    silent="""
        parallel:
          hosts:
            p3: {ansible_host: 192.0.2.23}
    """,
    firm=True,
    part=True,
)
def several_tiers(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for host, tiers in topology.several_tiers.items():
        yield Problem(host, "tiers_groups", f"The host is in several tiers: {', '.join(tiers)}.")


@rule(
    "missing-secret",
    ERROR,
    reason="Secrets have no default, so that no deployment runs with a known one.",
    remedy="Set it in a vault or as an extra variable.",
    fires="""
        all:
          vars: {tiers_ca_passphrase: }
    """,
    silent="""
        all:
          vars: {tiers_ca_passphrase: from-a-vault}
    """,
    part=True,
)
def missing_secret(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for host in topology.hosts():
        for secret in host.missing_secrets:
            yield Problem(host.name, secret, f"The secret {secret} is not set.")
