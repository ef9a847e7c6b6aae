# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployment of the demo leaves its hosts as planned. The playbook `verify` shows that it serves."""

from __future__ import annotations

import base64
import json
import tarfile
from pathlib import Path

import pytest
from deployed import INVENTORIES, Inventory

demo = Inventory("demo")
SERVERS = demo.hosts("master", "proxy", "parallel", "distributor", "backup")
CLIENTS = demo.hosts("client")
DISTRIBUTORS = ["d1", "d2"]
DIRECTORIES = [host for host in SERVERS if host not in DISTRIBUTORS]
REPLICAS = [host for host in DIRECTORIES if host not in ("m1", "m2")]


@pytest.mark.parametrize(
    ("name", "unit"),
    [(host, "slapd") for host in DIRECTORIES]
    + [(host, "haproxy") for host in REPLICAS + DISTRIBUTORS]
    + [(host, "keepalived") for host in DISTRIBUTORS],
)
def test_service_runs_now_and_after_a_boot(name: str, unit: str) -> None:
    assert demo.stays_up(name, unit)


@pytest.mark.parametrize("name", DIRECTORIES)
def test_directory_does_not_run_as_root(name: str) -> None:
    users = demo.connect(name).check_output("ps -o user= -C slapd").split()
    assert users == ["openldap"]


@pytest.mark.parametrize("name", SERVERS + CLIENTS)
def test_firewall_refuses_what_is_not_planned(name: str) -> None:
    # The unit loads them at boot, before there is a network.
    shown = demo.connect(name).check_output("nft list chain inet tiers input && systemctl is-enabled tiers-firewall")
    assert "policy drop" in shown
    assert shown.splitlines()[-1] == "enabled"


@pytest.mark.parametrize("name", SERVERS + CLIENTS)
def test_private_key_is_for_its_readers_only(name: str) -> None:
    shown = demo.connect(name).check_output(
        "cd /etc/tiers/tls && stat --format '%U %G %a' server.key && openssl verify -CAfile ca.crt server.crt"
    )
    assert shown.splitlines() == ["root tiers-tls 640", "server.crt: OK"]


@pytest.mark.parametrize("name", DIRECTORIES)
@pytest.mark.parametrize(("version", "answer"), [("tls1_1", "Cipher is (NONE)"), ("tls1_2", "New, TLSv1.2")])
def test_connections_below_tls_1_2_are_refused(name: str, version: str, answer: str) -> None:
    # At level 0 the client would speak the old one.
    handshake = "openssl s_client -connect %s:636 -CAfile /etc/tiers/tls/ca.crt -cipher DEFAULT@SECLEVEL=0 -%s 2>&1"
    output = demo.connect(name).run(f"{handshake} < /dev/null", demo.variable(name, "ansible_host"), version)
    assert answer in output.stdout


@pytest.mark.parametrize("name", SERVERS + CLIENTS)
def test_no_secret_can_be_read_by_everyone(name: str) -> None:
    assert demo.exposed(name, "/etc", "/var/lib", "/tmp") == []


@pytest.mark.parametrize("name", SERVERS)
def test_server_records_what_it_is(name: str) -> None:
    record = json.loads(demo.connect(name).file("/etc/ansible/facts.d/tiers.fact").content_string)
    assert record["server"] == name
    assert record["system"] == "demo"
    assert name in demo.hosts(record["tier"])


def test_every_client_has_one_proxy() -> None:
    served = [
        client
        for name in demo.hosts("proxy")
        for client in json.loads(demo.connect(name).file("/etc/ansible/facts.d/tiers.fact").content_string)["clients"]
    ]
    population = (INVENTORIES / "demo/clients.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(served) == len(set(served)) == len(population) + len(CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_client_knows_its_servers(name: str) -> None:
    host = demo.connect(name)
    written = json.loads(host.file("/etc/tiers/endpoints.json").content_string)
    assert written["client"] == name
    assert written["endpoints"]
    first = written["endpoints"][0]["address"]
    assert first in [demo.variable(proxy, "ansible_host") for proxy in demo.hosts("proxy")]
    # The shell's file says the same
    shown = host.check_output(". /etc/tiers/endpoints.env; echo $TIERS_ENDPOINTS")
    assert shown.split()[0] == f"ldaps://{first}:{written['endpoints'][0]['port']}"


def test_the_archive_for_a_support_case_has_no_secret(tmp_path: Path) -> None:
    done = demo.run("support_bundle", tiers_report_dir=str(tmp_path))
    assert done.returncode == 0, done.stdout
    (path,) = tmp_path.glob("support-*.tar.gz")
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        parts = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert {name.split("/")[1] for name in parts} >= {*SERVERS, *CLIENTS, "README.txt", "plan.json", "status.txt"}
    for secret in demo.secrets():
        for form in (secret.encode(), secret.encode().hex().encode(), base64.b64encode(secret.encode())):
            assert [name for name, text in parts.items() if form in text] == []
    assert [name for name, text in parts.items() if b"PRIVATE KEY" in text] == []


def test_one_distributor_holds_the_virtual_address() -> None:
    address = demo.variable("d1", "tiers_virtual_address")
    holders = [name for name in DISTRIBUTORS if f" {address}/" in demo.connect(name).check_output("ip -4 -o address")]
    assert len(holders) == 1
