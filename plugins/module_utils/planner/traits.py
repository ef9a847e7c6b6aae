# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compute what a server runs and how it serves, as fields of its slice. No other place decides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import (
    PROVIDER,
    REPLICA,
    TLS_PROTOCOLS,
    runs_product,
)


def runs_balancer(serves_as: str, proxy_mode: str | None, tls: str) -> bool:
    """Whether HAProxy runs on a server: it follows the master, balances a pool, or ends TLS for the product."""
    return serves_as != "master" or (runs_product(serves_as, proxy_mode) and tls == "terminated")


def listeners(derived: Mapping[str, Any], has_write_port: bool) -> Iterator[str]:
    """The listeners of a server's HAProxy besides those of its tier. `derived`: the fields of `traits`."""
    if derived["has_relay"]:
        yield "relay"
    if derived["terminates_tls"]:
        yield "end_of_tls"
    if derived["passes_through"]:
        yield "pass"
    if has_write_port:
        yield "write_port"


def traits(
    *,
    serves_as: str,
    state: str,
    redundancy: str | None,
    active_standby: bool,
    product_election: bool,
    proxy_mode: str | None,
    tls: str,
    protocol: str,
    watched: bool,
) -> dict[str, Any]:
    """The fields that follow from other fields of the same slice; docs/plan.md tells what each means."""
    cold = redundancy == "cold"
    runs = runs_product(serves_as, proxy_mode)
    passes_through = proxy_mode == "pass"
    uses_product_role = serves_as != "distributor" and not passes_through
    follows_master = serves_as in ("proxy", "parallel")
    # nginx, as a cache, and HAProxy, as the server itself, speak TLS without help.
    terminates_tls = runs and tls == "terminated"
    own_role = PROVIDER if serves_as == "master" else REPLICA
    answers_for_others = serves_as == "proxy" and (not runs or proxy_mode == "pooler")
    holds_data = runs and not answers_for_others
    return {
        "active_standby": active_standby,
        "product_election": product_election,
        "cold": cold,
        "promotable": active_standby or not cold,
        "kept_running": state != "down" and not cold,
        "takes_clients": state == "active" and not cold,
        # A standby has no clients, and members of the pool are disabled at the distributors.
        "refuses_clients": serves_as in ("master", "proxy") and (passes_through or not active_standby),
        "runs_product": runs,
        "holds_data": holds_data,
        "uses_product_role": uses_product_role,
        # nginx, as a cache, answers by itself.
        "watchable": uses_product_role and (watched or proxy_mode == "cache"),
        "passes_through": passes_through,
        "has_relay": follows_master and not passes_through,
        "has_balancer": runs_balancer(serves_as, proxy_mode, tls),
        "terminates_tls": terminates_tls,
        "speaks_tls": protocol in TLS_PROTOCOLS,
        "replication_role": None if answers_for_others or product_election else own_role,
    }
