# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about versions that differ, as they do during an upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import Product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology

# What comes before the release that it is called after. A single letter does so with a number behind it.
BEFORE = ("~", "dev", "snapshot", "a", "alpha", "b", "beta", "m", "milestone", "pre", "preview", "c", "cr", "rc")
# Kinds of parts, the older first: an end is newer than a preview of it, and older than what goes on.
PREVIEW, END, WORD, NUMBER, NEWEST = range(5)


def release(version: str | None) -> tuple[tuple[int, str, int, str], ...]:
    """A version to compare by; none is the newest there is."""
    if version is None:
        return ((NEWEST, "", 0, ""),)
    epoch, colon, rest = version.lower().partition(":")
    parts = re.findall(r"[a-z]*[0-9]+|[a-z]+|~", (rest if colon else epoch).removeprefix("v"))
    return (part_of_release(epoch if colon else "0"), *map(part_of_release, parts), (END, "", 0, ""))


def part_of_release(part: str) -> tuple[int, str, int, str]:
    word = part.rstrip("0123456789")
    # A number as a text of its length: it may have any number of digits.
    digits = part.removeprefix(word).lstrip("0")
    preview = word in BEFORE and (len(word) > 1 or word != part or word == "~")
    kind = PREVIEW if preview else WORD if word else NUMBER
    return kind, f"{BEFORE.index(word):02}" if preview else word, len(digits), digits


def before_master(product: Product | None, kind: str | None) -> bool:
    """Whether the product wants a tier, or the master's backup, to be upgraded before the master."""
    order = product.upgrade_order if product else ()
    return kind in order and "master" in order and order.index(kind) < order.index("master")


def apart(topology: Topology) -> Iterator[tuple[Server, bool, str]]:
    """Servers below the master of another version than it: whether the difference is allowed, and its text."""
    master = next(iter(topology.tier("master")), None)
    for server in topology.servers.values() if master else ():
        mine, its = release(server.version), release(master.version if master else None)
        product, work = topology.product_of(server), topology.serves_as(server)
        # HAProxy and nginx are of no version of the product.
        if work in ("proxy", "parallel") and mine != its and product and product.runs_on(work):
            others = master.version if master and master.version else "the newest"
            text = f"Its version is {server.version or 'the newest'}, and the master's is {others}."
            yield server, (mine > its) is before_master(product, work), text


@rule(
    "version-order",
    ERROR,
    reason="A product supports data of other versions in one direction only.",
    remedy="Follow upgrade_order in the product's meta/product.yml. Without one, the master goes first.",
    fires="""
        proxy:
          vars: {tiers_version: "2.5"}
    """,
    silent="""
        all:
          vars: {tiers_version: "2.5"}
    """,
)
def version_order(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server, allowed, text in apart(topology):
        if not allowed:
            yield Problem(server.name, "tiers_version", text)


@rule(
    "upgrade-unfinished",
    WARNING,
    reason="Different versions are normal only during an upgrade: new features need all servers upgraded.",
    remedy="Set the same tiers_version for all, or set tiers_upgrading during the upgrade.",
    fires="""
        master:
          vars: {tiers_version: "2.5"}
        backup:
          hosts:
            m2: {tiers_version: "2.5"}
        parallel:
          vars: {tiers_version: "2.6"}
        proxy:
          vars: {tiers_version: "2.6"}
    """,
    silent="""
        master:
          vars: {tiers_version: "2.5"}
        backup:
          hosts:
            m2: {tiers_version: "2.5"}
        parallel:
          vars: {tiers_version: "2.6"}
        proxy:
          vars: {tiers_version: "2.6"}
        all:
          vars: {tiers_upgrading: true}
    """,
)
def upgrade_unfinished(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server, allowed, text in apart(topology):
        if allowed and not topology.upgrading:
            yield Problem(server.name, "tiers_version", text)
