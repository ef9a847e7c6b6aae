# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment of the MQTT brokers leaves its hosts as planned, and a message passes through the tiers."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from deployed import Inventory

mqtt = Inventory("mqtt")
HOSTS = mqtt.hosts("master", "proxy", "parallel", "distributor", "backup", "client")
MASTERS = ["m1", "m2"]
LEAVES = ["px1", "px1b", "p1", "p2"]
BROKERS = [*MASTERS, *LEAVES]


def client(host: str, *command: str) -> str:
    """A client of the broker on `host`, as the account of the probes."""
    address = mqtt.variable(host, "ansible_host")
    words = " ".join(f"'{word}'" for word in command[1:])
    return str(
        mqtt.connect(host).check_output(
            f"cp -n /etc/mosquitto/client/mosquitto_sub /etc/mosquitto/client/mosquitto_pub;"
            f"XDG_CONFIG_HOME=/etc/mosquitto/client {command[0]} -h {address} -p 8883"
            f" --cafile /etc/tiers/tls/ca.crt {words}"
        )
    )


@pytest.mark.parametrize("name", BROKERS)
def test_broker_runs_unprivileged_now_and_after_a_boot(name: str) -> None:
    host = mqtt.connect(name)
    assert mqtt.stays_up(name, "mosquitto")
    assert set(host.check_output("ps -o user= -C mosquitto").split()) <= {"mosquitto", "mosquit+"}
    assert host.check_output("systemctl show mosquitto -p NoNewPrivileges") == "NoNewPrivileges=yes"


@pytest.mark.parametrize("name", HOSTS)
def test_hosts_run_the_release_the_inventory_names(name: str) -> None:
    codename = mqtt.connect(name).check_output(". /etc/os-release && echo $VERSION_CODENAME")
    assert codename == mqtt.variable(name, "testhosts_release") == "trixie"


@pytest.mark.parametrize("name", HOSTS)
def test_no_secret_can_be_read_by_everyone(name: str) -> None:
    assert mqtt.exposed(name, "/etc", "/run", "/var/lib", "/tmp") == []
    running = mqtt.connect(name).check_output("ps -eo args")
    assert [secret for secret in mqtt.secrets() if secret in running] == []


@pytest.mark.parametrize("name", HOSTS)
def test_firewall_refuses_what_is_not_planned(name: str) -> None:
    assert "policy drop" in mqtt.connect(name).check_output("nft list chain inet tiers input")


@pytest.mark.parametrize("name", BROKERS)
def test_a_client_without_a_password_is_refused(name: str) -> None:
    host = mqtt.connect(name)
    address = mqtt.variable(name, "ansible_host")
    refused = host.run(
        "mosquitto_sub -h %s -p 8883 --cafile /etc/tiers/tls/ca.crt -t '#' -C 1 -W 3 -u probe -P wrong", address
    )
    assert "not authorised" in refused.stderr.lower()


@pytest.mark.parametrize("written_at", ["m1", "m2", "px1", "p1"])
def test_a_retained_message_reaches_every_broker_once(written_at: str) -> None:
    topic, value = f"probe/test-{written_at}", str(time.time_ns())
    client(written_at, "mosquitto_pub", "-q", "1", "-r", "-t", topic, "-m", value)
    time.sleep(1)
    for name in BROKERS:
        assert client(name, "mosquitto_sub", "-t", topic, "-C", "1", "-W", "3") == value
    client(written_at, "mosquitto_pub", "-q", "1", "-r", "-n", "-t", topic)


def test_a_message_is_not_sent_in_circles() -> None:
    topic = "probe/test-circle"
    host = mqtt.connect("p1")
    listening = (
        "XDG_CONFIG_HOME=/etc/mosquitto/client timeout 6 mosquitto_sub --cafile /etc/tiers/tls/ca.crt -p 8883"
        f" -h {mqtt.variable('p1', 'ansible_host')} -t {topic} -W 4 > /run/circle 2> /dev/null & "
    )
    host.run(f"{listening} sleep 1")
    client("px1", "mosquitto_pub", "-q", "1", "-t", topic, "-m", "once")
    time.sleep(4)
    assert host.file("/run/circle").content_string.split() == ["once"]


def test_a_leaf_keeps_nothing_over_a_restart_and_gets_it_from_the_master() -> None:
    topic, value = "probe/test-restart", str(time.time_ns())
    client("px1", "mosquitto_pub", "-q", "1", "-r", "-t", topic, "-m", value)
    time.sleep(1)
    assert not mqtt.connect("px1").file("/var/lib/mosquitto/mosquitto.db").exists
    mqtt.connect("px1").check_output("systemctl restart mosquitto")
    time.sleep(4)
    assert client("px1", "mosquitto_sub", "-t", topic, "-C", "1", "-W", "3") == value
    client("m1", "mosquitto_pub", "-q", "1", "-r", "-n", "-t", topic)


def reloads(since: str) -> dict[str, float]:
    """When the proxies and members read their configuration again, by the journals of their hosts."""
    found = {}
    for name in LEAVES:
        output = mqtt.connect(name).check_output(
            "journalctl -u mosquitto -o short-unix --no-pager --since @%s -g ^Reloaded | tail -n 1", since
        )
        found[name] = float(output.split()[0])
    return found


def processes() -> list[str]:
    return [mqtt.connect(name).check_output("systemctl show mosquitto -p MainPID") for name in LEAVES]


def reloaded(**settings: Any) -> list[float]:
    """Deploy proxies and members, of which none must be restarted; when each read its configuration, in order."""
    before, since = processes(), f"{time.time():.0f}"
    deployed = mqtt.run("deploy", *LEAVES, **settings)
    assert deployed.returncode == 0, deployed.stdout
    assert processes() == before
    times = sorted(reloads(since).values())
    assert len(times) == len(LEAVES)
    return times


@pytest.mark.slow
def test_as_many_reload_at_once_as_the_inventory_allows() -> None:
    times = reloaded(mqtt_open_topics=["news/#"], tiers_reloads_at_once=1, tiers_reload_delay=3)
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 3


@pytest.mark.slow
def test_without_a_limit_they_reload_together() -> None:
    times = reloaded()
    assert times[-1] - times[0] < 3
