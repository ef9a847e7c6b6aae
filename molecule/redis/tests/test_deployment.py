# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment of Redis leaves its hosts as planned; clients write at write ports and read at all servers."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest
from deployed import Inventory

redis = Inventory("redis")
HOSTS = redis.hosts("master", "proxy", "parallel", "distributor", "backup", "client")
REPLICAS = ["px-oslo", "px-rome", "p1", "p2"]
SERVERS = ["m1", "m2", *REPLICAS]
POOL = redis.variable("d1", "tiers_virtual_address")
READS, WRITES = 6379, 6380


def ask(host: str, address: str, port: int, *command: str, password: str | None = None) -> str:
    """The answer of Redis to a command that a host sends it."""
    if password is None:
        password = str(redis.variable(host, "redis_password"))
    words = ["redis-cli", "-h", address, "-p", str(port), "--tls", "--cacert", "/etc/tiers/tls/ca.crt", *command]
    result = redis.connect(host).run(f"REDISCLI_AUTH={shlex.quote(password)} timeout 5 {shlex.join(words)} 2>&1")
    return str(result.stdout).strip()


def address_of(name: str) -> str:
    return str(redis.variable(name, "ansible_host"))


def endpoints(client: str) -> dict[str, Any]:
    """The endpoints of a client, as the deployment wrote them on its host."""
    content = redis.connect(client).file("/etc/tiers/endpoints.json").content_string
    return dict(json.loads(content))


@pytest.mark.parametrize("name", SERVERS)
def test_redis_runs_unprivileged_now_and_after_a_boot(name: str) -> None:
    host = redis.connect(name)
    assert redis.stays_up(name, "redis-server")
    assert set(host.check_output("ps -o user= -C redis-server").split()) == {"redis"}
    assert host.check_output("systemctl show redis-server -p NoNewPrivileges") == "NoNewPrivileges=yes"


@pytest.mark.parametrize("name", HOSTS)
def test_hosts_run_the_release_the_inventory_names(name: str) -> None:
    codename = redis.connect(name).check_output(". /etc/os-release && echo $VERSION_CODENAME")
    assert codename == redis.variable(name, "testhosts_release") == "trixie"


@pytest.mark.parametrize("name", HOSTS)
def test_no_secret_can_be_read_by_everyone(name: str) -> None:
    assert redis.exposed(name, "/etc", "/run", "/var/lib", "/tmp") == []
    running = redis.connect(name).check_output("ps -eo args")
    assert [secret for secret in redis.secrets() if secret in running] == []


@pytest.mark.parametrize("name", HOSTS)
def test_firewall_refuses_what_is_not_planned(name: str) -> None:
    assert "policy drop" in redis.connect(name).check_output("nft list chain inet tiers input")


@pytest.mark.parametrize("name", SERVERS)
def test_a_client_with_a_wrong_password_is_refused(name: str) -> None:
    assert "WRONGPASS" in ask(name, address_of(name), READS, "PING", password="wrong")


def values_of(key: str, expected: str) -> dict[str, str]:
    """The value of a key at each server, once all have the expected one, or after 20 s."""
    end = time.monotonic() + 20
    while True:
        found = {name: ask(name, address_of(name), READS, "GET", key) for name in SERVERS}
        if time.monotonic() > end or set(found.values()) == {expected}:
            return found
        time.sleep(0.5)


@pytest.mark.parametrize("client", ["c-oslo", "c-rome"])
@pytest.mark.parametrize("kind", ["write_endpoints", "write_pool"])
def test_a_write_at_each_write_port_reaches_every_server(client: str, kind: str) -> None:
    points = endpoints(client)[kind]
    assert {point["port"] for point in points} == {WRITES}
    for point in points:
        key, value = f"probe:test-{kind}", str(time.time_ns())
        assert ask(client, point["address"], WRITES, "SET", key, value) == "OK"
        assert values_of(key, value) == dict.fromkeys(SERVERS, value)
        assert ask(client, point["address"], WRITES, "DEL", key) == "1"


@pytest.mark.parametrize("client", ["c-oslo", "c-rome"])
def test_a_write_at_a_port_for_reads_is_refused(client: str) -> None:
    points = [*endpoints(client)["endpoints"], *endpoints(client)["pool"]]
    assert {point["address"] for point in points} == {address_of("px-oslo"), address_of("px-rome"), POOL}
    for point in points:
        assert "READONLY" in ask(client, point["address"], READS, "SET", "probe:test-refused", "written")


def test_a_client_of_one_proxy_cannot_reach_members_past_the_distributor() -> None:
    assert ask("c-oslo", POOL, READS, "PING") == "PONG"
    assert "PONG" not in ask("c-oslo", address_of("p1"), READS, "PING")


def test_one_master_is_active_and_refuses_writes_that_no_replica_gets() -> None:
    roles = {name: ask(name, address_of(name), READS, "ROLE").splitlines()[0] for name in SERVERS}
    assert sorted(roles[name] for name in ("m1", "m2")) == ["master", "slave"]
    assert {roles[name] for name in REPLICAS} == {"slave"}
    active = next(name for name in ("m1", "m2") if roles[name] == "master")
    assert ask(active, address_of(active), READS, "CONFIG", "GET", "min-replicas-to-write").splitlines()[1] == "1"
