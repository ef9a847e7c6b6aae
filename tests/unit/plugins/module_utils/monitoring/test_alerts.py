# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert fires for what it is about and for nothing else, as Prometheus itself evaluates the rules."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.action.monitoring_files import make_files
from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.alerts import ALERTS, selected
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome

REPOSITORY = Path(__file__).parents[5]
WATCH = "monitor: {hosts: {watch: {ansible_host: 192.0.2.71}}}"
# A pair of which one node serves, by the lease of three voters
PAIR = """
    all: {vars: {tiers_failover: lease, tiers_product: example.simple.product, tiers_clients: !remove }}
    proxy: !remove
    parallel: !remove
    distributor: !remove
    client: !remove
    backup: {hosts: {d2: !remove }}
    arbiter: {hosts: {m1: , m2: , v1: {ansible_host: 192.0.2.61, tiers_zone: rack-c}}}
"""
POSTGRESQL = """
    all: {vars: {tiers_product: postgresql, product_postgresql_probe_password: p, tiers_clients: !remove }}
    parallel: !remove
    distributor: !remove
    backup: {hosts: {d2: !remove }}
"""
SYSTEMS = {"openldap": "{}", "pair": PAIR, "postgresql": POSTGRESQL}
Plans = Mapping[str, Mapping[str, Any]]
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed here")


@dataclass(frozen=True)
class Case:
    """Series for which an alert fires, and series for which it does not, after `minutes`. In a series, `@` stands for
    the labels of m1, `@m2` for those of its backup."""

    fires: tuple[tuple[str, str], ...]
    silent: tuple[tuple[str, str], ...]
    minutes: int = 5
    system: str = "openldap"
    # Between two values of a series, and between two evaluations
    step: str = "15s"


UP = ('up{@,job="tiers-node"}', "1x99")
UP_M2 = ('up{@m2,job="tiers-node"}', "1x99")
CASES = {
    "TiersHostDown": Case((('up{@,job="tiers-node"}', "0x99"),), (UP, ('up{@,job="tiers-haproxy"}', "0x99"))),
    "TiersEndpointDown": Case(
        (UP, ('up{@,job="tiers-haproxy"}', "0x99")),
        (('up{@,job="tiers-node"}', "0x99"), ('up{@,job="tiers-haproxy"}', "0x99")),
    ),
    "TiersMetricsStale": Case(
        (UP, ("tiers_metrics_written_timestamp_seconds{@}", "0x99")),
        (UP, ("tiers_metrics_written_timestamp_seconds{@}", "0+15x99")),
    ),
    "TiersProbeFailed": Case(
        (('tiers_metrics_probe_success{@,probe="units"}', "0x99"),),
        (('tiers_metrics_probe_success{@,probe="units"}', "0 1x99"),),
        10,
    ),
    "TiersUnitDown": Case(
        (('tiers_unit_active{@,unit="slapd.service"}', "0x99"),),
        (('tiers_unit_active{@,unit="slapd.service"}', "0 0 1x99"),),
    ),
    "TiersDiskFull": Case(
        (
            ('node_filesystem_avail_bytes{@,mountpoint="/",fstype="ext4"}', "9x99"),
            ('node_filesystem_size_bytes{@,mountpoint="/",fstype="ext4"}', "100x99"),
        ),
        (
            ('node_filesystem_avail_bytes{@,mountpoint="/",fstype="ext4"}', "11x99"),
            ('node_filesystem_size_bytes{@,mountpoint="/",fstype="ext4"}', "100x99"),
            ('node_filesystem_avail_bytes{@,mountpoint="/run",fstype="tmpfs"}', "0x99"),
            ('node_filesystem_size_bytes{@,mountpoint="/run",fstype="tmpfs"}', "100x99"),
        ),
        10,
    ),
    "TiersCertificateExpires": Case(
        (('tiers_certificate_expiry_timestamp_seconds{@,file="server"}', f"{20 * 86400}x99"),),
        (('tiers_certificate_expiry_timestamp_seconds{@,file="server"}', f"{30 * 86400}x99"),),
        90,
        step="5m",
    ),
    "TiersCertificateExpiresSoon": Case(
        (('tiers_certificate_expiry_timestamp_seconds{@,file="server"}', f"{2 * 86400}x99"),),
        (('tiers_certificate_expiry_timestamp_seconds{@,file="server"}', f"{20 * 86400}x99"),),
        10,
    ),
    "TiersNoActiveNode": Case(
        # One node is a standby, the other one is down.
        (UP, ("tiers_active{@}", "0x99"), ('up{@m2,job="tiers-node"}', "0x99")),
        (('up{@,job="tiers-node"}', "0x99"), UP_M2, ("tiers_active{@m2}", "1x99")),
        system="pair",
    ),
    "TiersTwoActiveNodes": Case(
        (("tiers_active{@}", "1x99"), ("tiers_active{@m2}", "1x99")),
        # A switchover: one scrape still has the former active node.
        (("tiers_active{@}", "1 1 0x99"), ("tiers_active{@m2}", "0 1 1x99")),
        system="pair",
    ),
    "TiersCannotWrite": Case((("tiers_cannot_write{@}", "1x99"),), (("tiers_cannot_write{@}", "0 1 0x99"),)),
    "TiersProductFinding": Case(
        (("tiers_product_findings{@}", "2x99"),),
        (("tiers_product_findings{@}", "2 2 0x99"),),
        10,
    ),
    "TiersDataLagging": Case(
        (('tiers_position{@,writer="001"}', "100+15x99"), ('tiers_position{@m2,writer="001"}', "100x99")),
        # It is always one scrape behind.
        (('tiers_position{@,writer="001"}', "100+15x99"), ('tiers_position{@m2,writer="001"}', "100 100+15x99")),
        10,
    ),
    "TiersReplicaLagging": Case(
        (
            ("patroni_xlog_location{@}", "100+15x99"),
            ("patroni_xlog_replayed_location{@m2}", "100x99"),
            ("patroni_replica{@m2}", "1x99"),
        ),
        (
            ("patroni_xlog_location{@}", "100+15x99"),
            ("patroni_xlog_replayed_location{@}", "0x99"),
            ("patroni_replica{@}", "0x99"),
            ("patroni_xlog_replayed_location{@m2}", "100 100+15x99"),
            ("patroni_replica{@m2}", "1x99"),
        ),
        10,
        "postgresql",
    ),
    "TiersOverCapacity": Case(
        (("tiers_client_connections{@}", "101x99"), ("tiers_capacity_connections{@}", "100x99")),
        (("tiers_client_connections{@}", "100x99"), ("tiers_capacity_connections{@}", "100x99")),
        10,
    ),
    "TiersServerDownForBalancer": Case(
        (('haproxy_server_status{@,proxy="upstream",server="m1",state="DOWN"}', "1x99"),),
        (
            ('haproxy_server_status{@,proxy="upstream",server="m1",state="DOWN"}', "0x99"),
            ('haproxy_server_status{@,proxy="upstream",server="m1",state="UP"}', "1x99"),
        ),
    ),
    "TiersNoServerForBalancer": Case(
        (('haproxy_backend_status{@,proxy="upstream",state="DOWN"}', "1x99"), ("tiers_active{@}", "1x99")),
        (('haproxy_backend_status{@,proxy="service",state="DOWN"}', "1x99"), ("tiers_active{@}", "0x99")),
    ),
    "TiersDrained": Case((("tiers_drained{@}", "1x99"),), (("tiers_drained{@}", "1x20 0x99"),), 300, step="5m"),
    "TiersOperationInterrupted": Case(
        (("tiers_traffic_interrupted{@}", "1x99"),), (("tiers_traffic_interrupted{@}", "1x4 0x99"),), 40, step="5m"
    ),
    "TiersFailoverPaused": Case(
        (("tiers_failover_paused{@}", "1x99"),), (("tiers_failover_paused{@}", "1x4 0x99"),), 70, "pair", "5m"
    ),
    "TiersLeaseWithoutAnswer": Case(
        (("tiers_lease_age_seconds{@}", "0+15x99"), ("tiers_lease_ttl_seconds{@}", "3x99")),
        (("tiers_lease_age_seconds{@}", "1x99"), ("tiers_lease_ttl_seconds{@}", "3x99")),
        system="pair",
    ),
    "TiersVoterDown": Case(
        (('tiers_metrics_probe_success{@,probe="voter"}', "0x99"),),
        (('tiers_metrics_probe_success{@,probe="voter"}', "1x99"),),
        system="pair",
    ),
    "TiersArbiterWithoutMajority": Case(
        (("etcd_server_has_leader{@}", "1x99"), ("etcd_server_has_leader{@m2}", "0x99")),
        (("etcd_server_has_leader{@}", "1x99"), ("etcd_server_has_leader{@m2}", "1x99")),
        system="pair",
    ),
    "TiersArbiterFull": Case(
        (
            ("etcd_mvcc_db_total_size_in_bytes{@}", "81x99"),
            ("etcd_server_quota_backend_bytes{@}", "100x99"),
        ),
        (
            ("etcd_mvcc_db_total_size_in_bytes{@}", "79x99"),
            ("etcd_server_quota_backend_bytes{@}", "100x99"),
        ),
        10,
        "pair",
    ),
}


@pytest.fixture(scope="module")
def plans(judge: Callable[..., Outcome]) -> Plans:
    found = {}
    for name, patch in SYSTEMS.items():
        outcome = judge(patch, WATCH)
        assert not outcome.errors
        found[name] = outcome.plan or {}
    return found


@pytest.fixture
def written(plans: Plans, tmp_path: Path) -> Mapping[str, Path]:
    """The directory of the files of each system."""
    for name, plan in plans.items():
        directory = tmp_path / name
        directory.mkdir()
        options = {
            "plan": plan,
            "ca": "A CA",
            "alertmanagers": ["127.0.0.1:9093"],
            "runbooks": "",
            "disk_percent": 90.0,
        }
        for file, text in make_files(options).items():
            (directory / file).write_text(text, encoding="utf-8")
    return {name: tmp_path / name for name in plans}


def promtool(*arguments: Any) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def with_labels(series: str, plan: Mapping[str, Any]) -> str:
    """The labels of a host in the place of `@`, or of `@` and its name."""
    pair = ',pair="m1"' if plan["servers"]["m1"]["active_standby"] or plan["servers"]["m1"]["product_election"] else ""

    def labels(found: re.Match[str]) -> str:
        return f'system="{plan["system"]}",instance="{found[1] or "m1"}",tier="master",site="berlin"{pair}'

    return re.sub(r"@(m2)?", labels, series)


def test_of(alert: str, case: Case, plan: Mapping[str, Any], fires: bool) -> dict[str, Any]:
    return {
        "name": f"{alert} {'fires' if fires else 'is silent'}",
        "interval": case.step,
        "input_series": [
            {"series": with_labels(series, plan), "values": values}
            for series, values in (case.fires if fires else case.silent)
        ],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": f"{case.minutes}m",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }


test_of.__test__ = False  # type: ignore[attr-defined]


def test_every_alert_has_a_case() -> None:
    assert {alert.name for alerts in ALERTS.values() for _applies, alert in alerts} == set(CASES)


@needs_promtool
@pytest.mark.parametrize("system", SYSTEMS)
def test_alerts_fire_for_their_reason_and_not_without_it(
    system: str, plans: Plans, written: Mapping[str, Path]
) -> None:
    plan = plans[system]
    names = {alert.name for _theme, alert in selected(plan)}
    cases = {name: case for name, case in CASES.items() if case.system == system}
    assert set(cases) <= names
    rules = {rule["alert"]: rule for group in rules_of(plan) for rule in group["rules"]}
    files = []
    # A file for each alert: promtool evaluates all rules of a file at each step.
    for name, case in cases.items():
        tests = [test_of(name, case, plan, fires) for fires in (True, False)]
        alone = {"groups": [{"name": name, "rules": [rules[name]]}]}
        (written[system] / f"{name}.rules.yml").write_text(yaml.safe_dump(alone), encoding="utf-8")
        files.append(written[system] / f"{name}.tests.yml")
        step = {"rule_files": [f"{name}.rules.yml"], "evaluation_interval": case.step, "tests": tests}
        files[-1].write_text(yaml.safe_dump(step), encoding="utf-8")
    promtool("test", "rules", *files)


@needs_promtool
@pytest.mark.parametrize("system", SYSTEMS)
def test_prometheus_takes_the_configuration(system: str, written: Mapping[str, Path]) -> None:
    promtool("check", "config", written[system] / "prometheus.yml")


def test_the_standby_of_a_pair_is_no_server_that_haproxy_must_find_up(plans: Plans) -> None:
    rules = {rule["alert"]: rule["expr"] for group in rules_of(plans["postgresql"]) for rule in group["rules"]}
    assert 'server!~"m1|m2"' in rules["TiersServerDownForBalancer"]


def rules_of(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    options = {"plan": plan, "ca": "", "alertmanagers": [], "runbooks": "", "disk_percent": 90.0}
    groups: list[dict[str, Any]] = yaml.safe_load(make_files(options)["tiers-rules.yml"])["groups"]
    return groups


def test_the_runbook_of_every_alert_is_a_heading_of_the_documentation() -> None:
    for alerts in ALERTS.values():
        for _applies, alert in alerts:
            page, _hash, anchor = alert.runbook.partition("#")
            text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
            anchors = {re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-") for line in headings(text)}
            assert not anchor or anchor in anchors, f"{alert.name}: {alert.runbook}"


def headings(text: str) -> list[str]:
    return [line.lstrip("#") for line in text.splitlines() if line.startswith("#")]


def test_the_page_lists_every_alert() -> None:
    page = (REPOSITORY / "docs/monitoring.md").read_text(encoding="utf-8")
    for alerts in ALERTS.values():
        for _applies, alert in alerts:
            assert f"| `{alert.name}` | {alert.severity} |" in page
