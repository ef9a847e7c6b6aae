# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the hosts that scrape metrics, and the ports at which they do."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import NODE_METRICS
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.voters import choose_voters
from ansible_collections.distributed.tiers.plugins.module_utils.planner.writes import write_port
from ansible_collections.distributed.tiers.plugins.module_utils.text import enumerate_names


@rule(
    "monitor-port",
    ERROR,
    reason=f"The node exporter listens at port {NODE_METRICS.port} of every server and voter of a system with a group "
    "monitor.",
    remedy="Give the server, the product or the arbiter another port, or remove the group monitor.",
    fires="""
        all:
          vars: {tiers_port: 9100}
        monitor:
          hosts:
            watch: {ansible_host: 192.0.2.71}
    """,
    silent="""
        all:
          vars: {tiers_port: 9101}
        monitor:
          hosts:
            watch: {ansible_host: 192.0.2.71}
    """,
)
def monitor_port(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    port = NODE_METRICS.port
    if not topology.monitors():
        return
    for server in topology.servers.values():
        product = topology.product_of(server)
        further = [product.local_port, *(port.port for port in product.more_ports)] if product else []
        if port in (server.port, write_port(topology, server), *further):
            yield Problem(server.name, "tiers_port", f"Port {port} is the one of the node exporter.")
    ports = {
        "tiers_arbiter_client_port": topology.arbiter_client_port,
        "tiers_arbiter_peer_port": topology.arbiter_peer_port,
    }
    for variable, chosen in ports.items() if choose_voters(topology) else ():
        if chosen == port:
            yield Problem(None, variable, f"Port {port} is the one of the node exporter.")


@rule(
    "monitor-on-server",
    WARNING,
    reason="If a host fails that is a server and the only one that scrapes metrics, nothing reports the failure.",
    remedy="Add a host to the group monitor that is no server of the system.",
    fires="""
        monitor:
          hosts:
            m1:
    """,
    silent="""
        monitor:
          hosts:
            m1:
            watch: {ansible_host: 192.0.2.71}
    """,
)
def monitor_on_server(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    names = tuple(host.name for host in topology.monitors())
    if names and all(name in topology.servers for name in names):
        message = f"Only servers of the system scrape metrics: {enumerate_names(names)}."
        yield Problem(None, None, message, hosts=names)
