# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program on each host that writes metrics: what it reads, and that nothing it asks can hold it up."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.distributed.tiers.tests.unit.roles.haproxy import make_certificate

PROGRAM = Path(__file__).parents[3] / "roles/exporters/files/metrics.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metrics_program", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


metrics = load()


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """The settings of a host on which nothing is deployed yet."""
    return {
        "file": str(tmp_path / "tiers.prom"),
        "record": str(tmp_path / "tiers.fact"),
        "drained": str(tmp_path / "drained.fact"),
        "active": "",
        "lease": str(tmp_path / "lease.json"),
        "cannot_write": str(tmp_path / "cannot-write"),
        "aside": str(tmp_path / "aside"),
        "certificates": {},
        "units": [],
        "client_ports": [],
        "connections": [str(tmp_path / "tcp")],
        "position": {},
        "check": [],
        "checked": str(tmp_path / "check.json"),
        "voter": {},
        "tls": str(tmp_path),
        "info": {"tier": "proxy", "product": 'a "quoted" one'},
        "planned": {"tiers_capacity_connections": ["Connections that this server can hold.", 2500]},
    }


def values(settings: dict[str, Any], seconds: float = 8.0) -> dict[str, float]:
    """{metric with its labels: value}, as Prometheus reads the file."""
    parts = metrics.collect(settings, seconds)
    text = "".join(part if isinstance(part, str) else part.text() for part in parts)
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_plan_of_a_server_is_part_of_its_metrics(settings: dict[str, Any]) -> None:
    found = values(settings)
    assert found[r'tiers_server_info{product="a \"quoted\" one",tier="proxy"}'] == 1
    assert found["tiers_capacity_connections"] == 2500


def test_the_file_is_replaced_in_one_step_and_says_when_it_was_written(settings: dict[str, Any]) -> None:
    path = Path(settings["file"]).with_name("metrics.json")
    path.write_text(json.dumps(settings), encoding="utf-8")
    subprocess.run([sys.executable, PROGRAM, path], check=True, timeout=30)
    text = Path(settings["file"]).read_text(encoding="utf-8")
    written = next(line for line in text.splitlines() if line.startswith("tiers_metrics_written_timestamp_seconds "))
    assert abs(float(written.split()[1]) - time.time()) < 30
    assert [found.name for found in path.parent.glob(".*")] == []


@pytest.mark.parametrize(
    ("note", "drained", "interrupted"),
    [
        (None, 0, 0),
        ({"operation": "drain", "complete": True}, 1, 0),
        ({"operation": "restart", "complete": False}, 0, 1),
    ],
)
def test_a_drain_and_an_interrupted_operation_are_different_metrics(
    settings: dict[str, Any], note: dict[str, Any] | None, drained: int, interrupted: int
) -> None:
    if note:
        Path(settings["drained"]).write_text(json.dumps(note), encoding="utf-8")
    found = values(settings)
    assert (found["tiers_drained"], found["tiers_traffic_interrupted"]) == (drained, interrupted)


@pytest.mark.parametrize(
    ("answer", "active", "promoting"),
    [("echo active; exit 0", 1, 0), ("echo promoting; exit 1", 0, 1), ("echo standby; exit 1", 0, 0)],
)
def test_the_node_that_serves_is_active(
    settings: dict[str, Any], tmp_path: Path, answer: str, active: int, promoting: int
) -> None:
    found = values(settings | {"active": script(tmp_path / "active", answer)})
    assert (found["tiers_active"], found["tiers_promoting"]) == (active, promoting)


def test_each_line_of_the_check_of_the_product_is_a_finding(settings: dict[str, Any], tmp_path: Path) -> None:
    check = script(tmp_path / "check", "echo 'archiving does not work'; echo; echo 'no synchronous standby'")
    found = values(settings | {"check": [check]})
    assert (found["tiers_product_findings"], found['tiers_metrics_probe_success{probe="check"}']) == (2, 1)


def test_the_check_of_the_product_runs_again_after_a_minute_only(settings: dict[str, Any], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    checked = settings | {"check": [script(tmp_path / "check", f"echo run >>{runs}; cat {runs}")]}
    first, second = values(checked), values(checked)
    assert (first["tiers_product_findings"], second["tiers_product_findings"]) == (1, 1)
    note = json.loads(Path(settings["checked"]).read_text(encoding="utf-8"))
    note["read"] -= 61
    Path(settings["checked"]).write_text(json.dumps(note), encoding="utf-8")
    assert values(checked)["tiers_product_findings"] == 2


def test_a_failed_check_of_the_product_is_no_result(settings: dict[str, Any], tmp_path: Path) -> None:
    found = values(settings | {"check": [script(tmp_path / "check", "echo 'PostgreSQL cannot be asked' >&2; exit 2")]})
    assert "tiers_product_findings" not in found
    assert found['tiers_metrics_probe_success{probe="check"}'] == 0


def test_a_node_that_does_not_know_whether_it_serves_has_no_such_metric(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    found = values(settings | {"active": script(tmp_path / "active", "exit 2")})
    assert "tiers_active" not in found
    assert found['tiers_metrics_probe_success{probe="active"}'] == 0


def test_a_pause_of_the_failover_and_the_age_of_the_lease_are_read_from_the_agent(settings: dict[str, Any]) -> None:
    assert "tiers_failover_paused" not in values(settings)
    lease = {"holder": "m1", "paused": True, "read": metrics.uptime() - 2, "ttl": 3}
    Path(settings["lease"]).write_text(json.dumps(lease), encoding="utf-8")
    found = values(settings)
    assert (found["tiers_failover_paused"], found["tiers_lease_ttl_seconds"]) == (1, 3)
    assert 2 <= found["tiers_lease_age_seconds"] < 10


def test_the_verdict_of_the_watchdog_is_a_metric(settings: dict[str, Any]) -> None:
    assert values(settings)["tiers_cannot_write"] == 0
    Path(settings["cannot_write"]).write_text("the disk is full", encoding="utf-8")
    found = values(settings)
    assert (found["tiers_cannot_write"], found["tiers_stepped_aside"]) == (1, 0)


def test_the_first_certificate_of_a_file_to_expire_counts(settings: dict[str, Any], tmp_path: Path) -> None:
    make_certificate(tmp_path, "m1.tiers.internal")
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", tmp_path / "server.crt"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    end = time.mktime(time.strptime(shown.strip().partition("=")[2], "%b %d %H:%M:%S %Y GMT")) - time.timezone
    both = tmp_path / "both.crt"
    later = tmp_path / "later"
    later.mkdir()
    time.sleep(1.1)
    make_certificate(later, "m1.tiers.internal")
    both.write_text((later / "server.crt").read_text() + (tmp_path / "server.crt").read_text())
    found = values(settings | {"certificates": {"server": str(tmp_path / "server.crt"), "ca": str(both)}})
    assert found['tiers_certificate_expiry_timestamp_seconds{file="server"}'] == end
    assert found['tiers_certificate_expiry_timestamp_seconds{file="ca"}'] == end


def test_connections_of_clients_are_counted_without_those_of_the_host_itself(settings: dict[str, Any]) -> None:
    head = "  sl  local_address rem_address   st"
    client, listening = "0: 0B006F0A:027C 33006F0A:C001 01", "1: 00000000:027C 00000000:0000 0A"
    own, other_port = "2: 0B006F0A:027C 0B006F0A:C002 01", "3: 0B006F0A:0016 33006F0A:C003 01"
    closing = "4: 0B006F0A:027C 33006F0A:C004 06"
    Path(settings["connections"][0]).write_text("\n".join([head, client, listening, own, other_port, closing]))
    assert values(settings | {"client_ports": [636]})["tiers_client_connections"] == 1


@pytest.mark.parametrize(
    ("output", "pattern", "found"),
    [
        ('{"position": {"commits": "19700101000010.500000Z"}}', "", {"commits": 10.5}),
        ('{"position": {"offset": "4711", "name": "no number"}}', "", {"offset": 4711}),
        (
            "contextCSN: 19700101000001.000000Z#000000#001#000000\n"
            "contextCSN: 19700101000002.250000Z#000000#002#000000",
            "^contextCSN: (?P<position>[^#]+)#[0-9a-f]+#(?P<writer>[0-9a-f]+)#",
            {"001": 1, "002": 2.25},
        ),
    ],
)
def test_a_position_is_a_number_for_each_server_that_accepts_writes(
    settings: dict[str, Any], tmp_path: Path, output: str, pattern: str, found: dict[str, float]
) -> None:
    command = [script(tmp_path / "position", f"cat <<'EOF'\n{output}\nEOF")]
    seen = values(settings | {"position": {"command": command, "pattern": pattern}})
    assert {name: value for name, value in seen.items() if name.startswith("tiers_position")} == {
        f'tiers_position{{writer="{writer}"}}': value for writer, value in found.items()
    }


def test_a_probe_that_hangs_is_left_out_and_reported_in_time(settings: dict[str, Any], tmp_path: Path) -> None:
    # It ignores SIGTERM, and its child holds the output.
    hanging = script(tmp_path / "hanging", "trap '' TERM\nsleep 60 &\nsleep 60")
    began = time.monotonic()
    found = values(settings | {"active": hanging}, seconds=1.0)
    assert time.monotonic() - began < 5
    assert found['tiers_metrics_probe_success{probe="active"}'] == 0
    assert found['tiers_metrics_probe_success{probe="traffic"}'] == 1
    assert "tiers_active" not in found


def test_a_probe_that_fails_does_not_stop_the_others(settings: dict[str, Any]) -> None:
    Path(settings["drained"]).write_text("{half", encoding="utf-8")
    found = values(settings)
    assert found['tiers_metrics_probe_success{probe="traffic"}'] == 0
    assert found["tiers_cannot_write"] == 0


def test_only_the_named_families_of_etcd_are_kept() -> None:
    text = (
        "# HELP etcd_server_has_leader Whether a leader exists.\n# TYPE etcd_server_has_leader gauge\n"
        "etcd_server_has_leader 1\n# HELP go_goroutines Number.\n# TYPE go_goroutines gauge\ngo_goroutines 9\n"
    )
    assert metrics.families_of(text, metrics.ETCD).splitlines() == text.splitlines()[:3]
