# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment of PostgreSQL leaves its hosts as planned: clients reach the leader through PgBouncer alone."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest
from deployed import Inventory

postgresql = Inventory("postgresql")
HOSTS = postgresql.hosts("master", "proxy", "parallel", "distributor", "backup", "client")
NODES = ["m1", "m2"]
REPLICAS = ["p1", "p2"]
SERVERS = [*NODES, *REPLICAS]
PROXIES = ["px1", "px2", "px3"]
POOL = str(postgresql.variable("d1", "tiers_virtual_address"))
CLIENTS = postgresql.hosts("client")
# Proxies serve clients of their own site.
CLIENT_OF = {"px1": "c1", "px2": "c1", "px3": "c2"}
CA = "/etc/tiers/tls/ca.crt"
LEADS = "SELECT NOT pg_is_in_recovery()"


def address_of(name: str) -> str:
    return str(postgresql.variable(name, "ansible_host"))


def ask(client: str, sql: str, password: str | None = None, **settings: str) -> str:
    """The answer of a server to a client's statement, or why there is none. `settings`: of the connection."""
    if password is None:
        password = str(postgresql.variable(client, "shop_password"))
    given = {"user": "shop", "dbname": "shop", "connect_timeout": "4", **settings}
    if "service" not in given:
        given = {"sslmode": "verify-full", "sslrootcert": CA, "port": "5432", **given}
    connection = " ".join(f"{key}='{value}'" for key, value in given.items())
    words = shlex.join(["psql", "-XAtq", "-d", connection, "-c", sql])
    result = postgresql.connect(client).run(f"PGPASSWORD={shlex.quote(password)} timeout 20 {words} 2>&1")
    return str(result.stdout).strip()


def ask_locally(node: str, sql: str, database: str = "shop") -> str:
    """The answer of a node to its own superuser, who connects without a network."""
    psql = shlex.join(["psql", "-XAtq", "-h", "/var/run/postgresql", "-d", database, "-c", sql])
    return str(postgresql.connect(node).check_output(f"runuser -u postgres -- {psql}")).strip()


def leader() -> str:
    leading = [node for node in NODES if ask_locally(node, LEADS) == "t"]
    assert len(leading) == 1
    return leading[0]


def endpoints(client: str) -> dict[str, Any]:
    """The endpoints of a client, as the deployment wrote them on its host."""
    return dict(json.loads(postgresql.connect(client).file("/etc/tiers/endpoints.json").content_string))


@pytest.mark.parametrize("name", [*SERVERS, *PROXIES])
def test_the_program_runs_unprivileged_now_and_after_a_boot(name: str) -> None:
    unit, programs = ("patroni", "patroni,postgres") if name in SERVERS else ("pgbouncer", "pgbouncer")
    host = postgresql.connect(name)
    assert postgresql.stays_up(name, unit)
    assert set(host.check_output(f"ps -o user= -C {programs}").split()) == {"postgres"}
    assert host.check_output(f"systemctl show {unit} -p NoNewPrivileges") == "NoNewPrivileges=yes"


@pytest.mark.parametrize("name", HOSTS)
def test_hosts_run_the_release_the_inventory_names(name: str) -> None:
    codename = postgresql.connect(name).check_output(". /etc/os-release && echo $VERSION_CODENAME")
    assert codename == postgresql.variable(name, "testhosts_release")


@pytest.mark.parametrize("name", HOSTS)
def test_no_secret_can_be_read_by_everyone(name: str) -> None:
    assert postgresql.exposed(name, "/etc", "/run", "/var/lib", "/tmp") == []
    running = postgresql.connect(name).check_output("ps -eo args")
    assert [secret for secret in postgresql.secrets() if secret in running] == []


@pytest.mark.parametrize("name", HOSTS)
def test_firewall_refuses_what_is_not_planned(name: str) -> None:
    assert "policy drop" in postgresql.connect(name).check_output("nft list chain inet tiers input")


@pytest.mark.parametrize("node", SERVERS)
def test_a_client_cannot_reach_a_node_past_its_balancer(node: str) -> None:
    answer = ask(CLIENTS[0], "SELECT 1", host=address_of(node))
    assert "No route to host" in answer or "timeout expired" in answer


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_client_without_the_password_or_without_tls_is_refused(proxy: str) -> None:
    client, point = CLIENT_OF[proxy], address_of(proxy)
    assert ask(client, "SELECT 1", host=point) == "1"
    assert "SASL authentication failed" in ask(client, "SELECT 1", password="wrong", host=point)
    assert "SSL required" in ask(client, "SELECT 1", host=point, sslmode="disable")


@pytest.mark.parametrize("account", ["postgres", "tiers_replication", "tiers_rewind", "tiers_pooler"])
def test_no_account_of_the_servers_logs_in_by_a_password(account: str) -> None:
    refused = ask(CLIENTS[0], "SELECT 1", host=address_of(PROXIES[0]), user=account)
    assert "SASL authentication failed" in refused or "no such user" in refused


def values_of(key: str, expected: str) -> dict[str, str]:
    """The value of a key at each node, once all have the expected one, or after 20 s."""
    end = time.monotonic() + 20
    while True:
        found = {node: ask_locally(node, f"SELECT value FROM tested WHERE key = '{key}'") for node in SERVERS}
        if time.monotonic() > end or set(found.values()) == {expected}:
            return found
        time.sleep(0.5)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_write_at_each_endpoint_reaches_every_node(client: str) -> None:
    points = endpoints(client)["write_endpoints"]
    assert points[0]["name"] == ("px1" if client == "c1" else "px3")
    for point in [*points, *endpoints(client)["write_pool"]]:
        key, value = f"{client}-{point['name']}", str(time.time_ns())
        write = (
            "CREATE TABLE IF NOT EXISTS tested (key text PRIMARY KEY, value text);"
            f" INSERT INTO tested VALUES ('{key}', '{value}') ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        answer = ask(client, write, host=point["address"], port=str(point["port"]))
        assert "ERROR" not in answer and "error" not in answer
        assert values_of(key, value) == dict.fromkeys(SERVERS, value)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_connection_service_of_a_client_leads_to_the_leader(client: str) -> None:
    where = ask(client, "SELECT host(inet_server_addr()), pg_is_in_recovery()", service="shop")
    assert where == f"{address_of(leader())}|f"


@pytest.mark.parametrize("client", CLIENTS)
def test_reads_of_the_pool_are_spread_over_the_replicas(client: str) -> None:
    found = {ask(client, "SELECT host(inet_server_addr())", service="shop-reads") for _try in range(8)}
    assert found == {address_of(replica) for replica in REPLICAS}
    assert "read-only transaction" in ask(client, "CREATE TABLE refused ()", host=POOL)


def fetch(host: str, url: str) -> str:
    """The answer of a server to a host, which verifies the certificate."""
    program = (
        "import ssl, sys, urllib.request as request\n"
        "context = ssl.create_default_context(cafile=sys.argv[2])\n"
        "verified = {'context': context} if sys.argv[1].startswith('https') else {}\n"
        "print(request.urlopen(sys.argv[1], timeout=5, **verified).read().decode())\n"
    )
    return str(postgresql.connect(host).check_output(shlex.join(["python3", "-c", program, url, CA])))


def pool_members(distributor: str) -> dict[str, str]:
    """The state of each member of the pool, as HAProxy on a distributor sees it."""
    rows = [row.split(",") for row in fetch(distributor, "http://127.0.0.1:8404/stats;csv").splitlines()]
    return {row[1]: row[17] for row in rows if row[0] == "pool" and row[1] in REPLICAS}


def test_a_replica_that_lags_too_far_gets_no_client() -> None:
    """The replica receives what the leader writes, but the process that replays it is stopped."""
    first = leader()
    assert pool_members("d1") == dict.fromkeys(REPLICAS, "UP")
    ask_locally(first, "CREATE TABLE IF NOT EXISTS lagging (filler text)")
    replay = postgresql.connect("p1").check_output("pgrep -f 'postgre[s]: .*startup'")
    try:
        postgresql.connect("p1").check_output(f"kill -STOP {replay}")
        ask_locally(first, "INSERT INTO lagging SELECT repeat('x', 1000) FROM generate_series(1, 40000)")
        end = time.monotonic() + 30
        while pool_members("d1")["p1"] == "UP" and time.monotonic() < end:
            time.sleep(1)
        assert pool_members("d1") == {"p1": "DOWN", "p2": "UP"}
        found = {ask(CLIENTS[0], "SELECT host(inet_server_addr())", service="shop-reads") for _try in range(4)}
        assert found == {address_of("p2")}
    finally:
        postgresql.connect("p1").check_output(f"kill -CONT {replay}")
        ask_locally(first, "DROP TABLE lagging")
    end = time.monotonic() + 60
    while pool_members("d1")["p1"] != "UP" and time.monotonic() < end:
        time.sleep(1)
    assert pool_members("d1") == dict.fromkeys(REPLICAS, "UP")


@pytest.mark.parametrize("replica", REPLICAS)
def test_a_replica_is_never_promoted_and_no_commit_waits_for_it(replica: str) -> None:
    shown = fetch(replica, f"https://{address_of(replica)}:8008/patroni")
    assert json.loads(shown)["tags"] == {"nofailover": True, "nosync": True}


def test_one_node_leads_and_commits_wait_for_the_other() -> None:
    first = leader()
    standby = next(node for node in NODES if node != first)
    seen = ask_locally(first, "SELECT application_name, state, sync_state FROM pg_stat_replication ORDER BY 1")
    expected = [f"{standby}|streaming|sync", *(f"{replica}|streaming|async" for replica in REPLICAS)]
    assert sorted(seen.splitlines()) == sorted(expected)
    assert ask_locally(first, "SHOW synchronous_commit") == "on"
    refused = postgresql.connect(standby).run(
        "runuser -u postgres -- psql -XAtq -h /var/run/postgresql -d shop -c 'CREATE TABLE refused ()'"
    )
    assert "read-only transaction" in refused.stderr


def test_many_clients_share_few_connections_of_the_leader() -> None:
    """60 clients at once, each in a transaction of its own: no more than the pool has gets to the leader."""
    size = 20
    client, proxy = CLIENTS[0], endpoints(CLIENTS[0])["endpoints"][0]
    words = [
        "psql",
        "-XAtq",
        "-d",
        f"host={proxy['address']} user=shop dbname=shop sslmode=verify-full sslrootcert={CA}",
    ]
    one = shlex.join([*words, "-c", "SELECT pg_sleep(0.5)"])
    password = shlex.quote(str(postgresql.variable(client, "shop_password")))
    many = f"export PGPASSWORD={password}; for i in $(seq 60); do {one} >/dev/null || echo failed & done; wait"
    postgresql.connect(client).check_output("rm -f /run/many")
    counting = f"systemd-run --unit=many --collect --property=StandardOutput=file:/run/many bash -c {shlex.quote(many)}"
    postgresql.connect(client).check_output(counting)
    counted = f"SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop' AND client_addr = '{proxy['address']}'"
    at_once = []
    for _try in range(60):
        count = ask_locally(leader(), counted)
        at_once.append(int(count))
        if postgresql.connect(client).run("systemctl is-active --quiet many").rc != 0:
            break
        time.sleep(0.3)
    assert postgresql.connect(client).file("/run/many").content_string == ""
    assert 0 < max(at_once) <= size
