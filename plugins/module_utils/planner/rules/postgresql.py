# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the settings of Patroni, PgBouncer and PostgreSQL that must fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.distributed.tiers.plugins.module_utils.planner.findings import ERROR, WARNING, Problem
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Allocation, rule
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Server, Topology
from ansible_collections.distributed.tiers.plugins.module_utils.text import counted

PRODUCT = "postgresql"
TTL, LOOP_WAIT, RETRY_TIMEOUT = (f"product_postgresql_{name}" for name in ("ttl", "loop_wait", "retry_timeout"))
QUERY_WAIT = "product_postgresql_query_wait_seconds"
CONNECTIONS, POOL = "product_postgresql_max_connections", "product_postgresql_pool_connections"
DATABASES = "product_postgresql_databases"
# Patroni refuses, or replaces, smaller values: its documentation of dynamic settings.
LEAST = {TTL: 20, LOOP_WAIT: 1, RETRY_TIMEOUT: 3}
# Seconds from the promotion until PgBouncer has connections again: 4 were measured.
PROMOTION = 10
# Connections of superusers, Patroni, probes and PgBouncer's look-up of passwords
OWN_CONNECTIONS = 20


def work(topology: Topology, tier: str) -> list[Server]:
    """The servers of PostgreSQL that do the work of a tier, backups too."""
    return [
        server
        for server in topology.servers.values()
        if (product := topology.product_of(server)) and product.name == PRODUCT and topology.serves_as(server) == tier
    ]


@rule(
    "patroni-times",
    ERROR,
    reason="A leader whose lease can end before it has given up renewing it is replaced without a failure. Patroni has "
    "least values: ttl 20 s, loop_wait 1 s, retry_timeout 3 s.",
    remedy="Make product_postgresql_ttl at least 20, and at least product_postgresql_loop_wait plus twice "
    "product_postgresql_retry_timeout.",
    fires="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_retry_timeout: 10
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
    silent="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_retry_timeout: 10
            product_postgresql_ttl: 30
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
)
def patroni_times(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    for server in work(topology, "master"):
        for name, least in LEAST.items():
            if server.numbers[name] < least:
                yield Problem(server.name, name, f"It is {server.numbers[name]:g} s, less than Patroni's {least} s.")
        ttl, loop_wait, retry = (server.numbers[name] for name in (TTL, LOOP_WAIT, RETRY_TIMEOUT))
        if ttl < loop_wait + 2 * retry:
            message = f"It is {ttl:g} s, less than loop_wait and twice retry_timeout: {loop_wait + 2 * retry:g} s."
            yield Problem(server.name, TTL, message)


@rule(
    "pooler-wait",
    WARNING,
    reason="PgBouncer holds queries while no leader accepts connections, and fails those that wait for longer than its "
    "limit. A failover takes up to the ttl, a round of Patroni and the promotion.",
    remedy="Raise product_postgresql_query_wait_seconds, or lower product_postgresql_ttl.",
    fires="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_query_wait_seconds: 15
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
    silent="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_query_wait_seconds: 40
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
)
def pooler_wait(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    failover = max((m.numbers[TTL] + m.numbers[LOOP_WAIT] + PROMOTION for m in work(topology, "master")), default=0)
    for proxy in work(topology, "proxy"):
        # 0 waits without a limit.
        if 0 < proxy.numbers[QUERY_WAIT] < failover:
            message = f"Queries wait for {proxy.numbers[QUERY_WAIT]:g} s, and a failover can take {failover:g} s."
            yield Problem(proxy.name, QUERY_WAIT, message)


@rule(
    "pools-exceed-connections",
    WARNING,
    reason="If all proxies fill their pools, the leader refuses further connections, also those of Patroni's probes.",
    remedy="Raise product_postgresql_max_connections, or lower product_postgresql_pool_connections.",
    fires="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_pool_connections: 100
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
    silent="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_pool_connections: 90
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
)
def pools_exceed_connections(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    pools = [proxy.numbers[POOL] * max(1, proxy.numbers[DATABASES]) for proxy in work(topology, "proxy")]
    needed = sum(pools) + OWN_CONNECTIONS
    for master in work(topology, "master"):
        if pools and needed > master.numbers[CONNECTIONS]:
            message = (
                f"It accepts {master.numbers[CONNECTIONS]:g} connections. The pools of "
                f"{counted(len(pools), 'PgBouncer')} have {sum(pools):g}, and the servers need {OWN_CONNECTIONS}."
            )
            yield Problem(master.name, CONNECTIONS, message)


@rule(
    "backup-repository",
    ERROR,
    reason="The repository of backups is on the host of a server that has no data itself: the failure of one host must "
    "not take both. pgBackRest also runs there under the role of the product.",
    remedy="Set tiers_backup_repository to a server that runs the product without data, for PostgreSQL a proxy.",
    fires="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_backup_passphrase: from-a-vault
            tiers_backup_repository: m1
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
    silent="""
        all:
          vars:
            tiers_product: postgresql
            product_postgresql_probe_password: from-a-vault
            product_postgresql_backup_passphrase: from-a-vault
            tiers_backup_repository: px1
        parallel: !remove
        distributor: !remove
        backup: {hosts: {d2: !remove }}
    """,
)
def backup_repository(topology: Topology, _allocation: Allocation) -> Iterator[Problem]:
    name = topology.backup_repository
    if not name:
        return
    server = topology.servers.get(name)
    product = topology.product_of(server) if server else None
    why = ""
    if server is None:
        why = f"{name} is no server of the system."
    elif product is None or product.repository_port is None:
        why = f"The product {server.product} of {name} has no repository of backups."
    elif server.state == "down":
        why = f"{name} is down."
    elif (tier := topology.serves_as(server)) and not (tier == "proxy" and product.proxy_mode == "pooler"):
        why = f"{name} has the data itself."
    if why:
        yield Problem(None, "tiers_backup_repository", why)
