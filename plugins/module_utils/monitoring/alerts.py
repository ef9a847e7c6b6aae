# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules of a system, each with a link to its runbook. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.scrape import (
    BALANCER_JOB,
    NODE_JOB,
    job_of,
    one_serves,
    scraped_hosts,
)

CRITICAL, WARNING = "critical", "warning"
RUNBOOKS = "https://github.com/distributed-tiers/distributed.tiers/blob/main/docs"
DAY = 86400
# Days before its end at which a certificate is reported; `deploy` renews it 30 days before.
WARNING_DAYS, CRITICAL_DAYS = 21, 3
# Seconds after which the metrics of a host count as old: eight times their interval.
STALE_SECONDS = 120
# Of a server whose position is behind the newest one so long ago
LAG = "2m"


@dataclass(frozen=True)
class Alert:
    """One alert. In `expression`, `@` stands for the selector of the system's series, as in `up{@}`."""

    name: str
    severity: str
    # How long the condition must hold
    lasts: str
    expression: str
    summary: str
    description: str
    # A page of the documentation, and the heading on it
    runbook: str


def always(_plan: Mapping[str, Any]) -> bool:
    return True


def has_pair(plan: Mapping[str, Any]) -> bool:
    return any(one_serves(host) for host in scraped_hosts(plan).values())


def has_arbiter(plan: Mapping[str, Any]) -> bool:
    return plan["arbiter"] is not None


def has_lease(plan: Mapping[str, Any]) -> bool:
    return any(server["failover"] == "lease" for server in plan["servers"].values())


def has_job(name: str) -> Callable[[Mapping[str, Any]], bool]:
    def is_scraped(plan: Mapping[str, Any]) -> bool:
        return any(name == job_of(point["name"]) for host in scraped_hosts(plan).values() for point in host["metrics"])

    return is_scraped


PATRONI_JOB = job_of("patroni")
# {theme: (condition on the plan, alerts)}
ALERTS: dict[str, list[tuple[Callable[[Mapping[str, Any]], bool], Alert]]] = {
    "hosts": [
        (
            always,
            Alert(
                "TiersHostDown",
                CRITICAL,
                "30s",
                f'up{{@,job="{NODE_JOB}"}} == 0',
                "{{ $labels.instance }} does not answer",
                "The node exporter of {{ $labels.instance }} ({{ $labels.tier }}, {{ $labels.site }}) does not answer.",
                "runbooks.md#failed-server",
            ),
        ),
        (
            always,
            Alert(
                "TiersEndpointDown",
                WARNING,
                "2m",
                f'up{{@,job=~"tiers-.+",job!="{NODE_JOB}"}} == 0 and on (instance) up{{@,job="{NODE_JOB}"}} == 1',
                "{{ $labels.job }} of {{ $labels.instance }} gives no metrics",
                "{{ $labels.instance }} is up, and its endpoint of {{ $labels.job }} gives no metrics.",
                "monitoring.md#missing-metrics",
            ),
        ),
        (
            always,
            Alert(
                "TiersMetricsStale",
                WARNING,
                "1m",
                f"time() - tiers_metrics_written_timestamp_seconds{{@}} > {STALE_SECONDS} or "
                f'(up{{@,job="{NODE_JOB}"}} == 1 unless on (instance) tiers_metrics_written_timestamp_seconds{{@}})',
                "{{ $labels.instance }} no longer writes its metrics",
                "tiers-metrics.service on {{ $labels.instance }} has not written the metrics of the server for "
                f"{STALE_SECONDS} s. Alerts about its role, its data and its certificates do not work.",
                "monitoring.md#missing-metrics",
            ),
        ),
        (
            always,
            Alert(
                "TiersProbeFailed",
                WARNING,
                "5m",
                "tiers_metrics_probe_success{@} == 0",
                "{{ $labels.instance }} cannot read {{ $labels.probe }}",
                "The probe {{ $labels.probe }} on {{ $labels.instance }} has no answer.",
                "monitoring.md#missing-metrics",
            ),
        ),
        (
            always,
            Alert(
                "TiersUnitDown",
                CRITICAL,
                "1m",
                "tiers_unit_active{@} == 0",
                "{{ $labels.unit }} does not run on {{ $labels.instance }}",
                "{{ $labels.unit }} must run on {{ $labels.instance }} and is not active.",
                "runbooks.md#hanging-program",
            ),
        ),
        (
            always,
            Alert(
                "TiersDiskFull",
                WARNING,
                "5m",
                '100 * (1 - node_filesystem_avail_bytes{@,fstype!~"tmpfs|ramfs|squashfs"} / '
                'node_filesystem_size_bytes{@,fstype!~"tmpfs|ramfs|squashfs"}) > %disk%',
                "{{ $labels.mountpoint }} of {{ $labels.instance }} is {{ $value | printf `%.0f` }} % full",
                "A server that cannot write steps aside for its peer, or refuses writes.",
                "runbooks.md#full-disk",
            ),
        ),
        (
            always,
            Alert(
                "TiersCertificateExpires",
                WARNING,
                "1h",
                f"tiers_certificate_expiry_timestamp_seconds{{@}} - time() < {WARNING_DAYS} * {DAY}",
                "A certificate of {{ $labels.instance }} expires in {{ $value | humanizeDuration }}",
                "Run deploy, which renews the certificate in {{ $labels.file }}.crt of {{ $labels.instance }}.",
                "runbooks.md#expired-certificate",
            ),
        ),
        (
            always,
            Alert(
                "TiersCertificateExpiresSoon",
                CRITICAL,
                "5m",
                f"tiers_certificate_expiry_timestamp_seconds{{@}} - time() < {CRITICAL_DAYS} * {DAY}",
                "A certificate of {{ $labels.instance }} expires in {{ $value | humanizeDuration }}",
                "Connections to {{ $labels.instance }} fail once the certificate in {{ $labels.file }}.crt expires.",
                "runbooks.md#expired-certificate",
            ),
        ),
    ],
    "service": [
        (
            has_pair,
            Alert(
                "TiersNoActiveNode",
                CRITICAL,
                "1m",
                'sum by (system, pair) (tiers_active{@,pair!=""} or on (instance) '
                f'(up{{@,job="{NODE_JOB}",pair!=""}} * 0)) == 0',
                "No node of the pair {{ $labels.pair }} serves",
                "Neither {{ $labels.pair }} nor its backup is the active node.",
                "runbooks.md#pair-without-an-active-node",
            ),
        ),
        (
            has_pair,
            Alert(
                "TiersTwoActiveNodes",
                CRITICAL,
                "45s",
                'sum by (system, pair) (tiers_active{@,pair!=""}) > 1',
                "Both nodes of the pair {{ $labels.pair }} serve",
                "{{ $labels.pair }} and its backup both call themselves the active node.",
                "runbooks.md#split-brain",
            ),
        ),
        (
            always,
            Alert(
                "TiersCannotWrite",
                CRITICAL,
                "30s",
                "tiers_cannot_write{@} == 1",
                "{{ $labels.instance }} cannot write",
                "The watchdog of {{ $labels.instance }} found that the server cannot write: its disk is full, it "
                "reaches no master, or its product refuses writes. status prints the reason.",
                "runbooks.md#full-disk",
            ),
        ),
        (
            always,
            Alert(
                "TiersProductFinding",
                WARNING,
                "5m",
                "tiers_product_findings{@} > 0",
                "The check of the product on {{ $labels.instance }} has findings",
                "The product's own check on {{ $labels.instance }} has {{ $value }} finding(s), such as backups or an "
                "archive that do not work, or no synchronous standby. status prints each with its remedy.",
                "runbooks.md#finding-of-the-product",
            ),
        ),
        (
            always,
            Alert(
                "TiersDataLagging",
                WARNING,
                "1m",
                f"tiers_position{{@}} < on (writer) group_left () max by (writer) (tiers_position{{@}} offset {LAG})",
                "{{ $labels.instance }} lags behind",
                "{{ $labels.instance }} lacks changes of the writer {{ $labels.writer }} that another server had "
                f"{LAG} ago.",
                "runbooks.md#lagging-data",
            ),
        ),
        (
            has_job(PATRONI_JOB),
            Alert(
                "TiersReplicaLagging",
                WARNING,
                "1m",
                "(patroni_xlog_replayed_location{@} and on (instance) patroni_replica{@} == 1) "
                f"< on (system) group_left () max by (system) (patroni_xlog_location{{@}} offset {LAG})",
                "{{ $labels.instance }} lags behind",
                f"{{{{ $labels.instance }}}} has not replayed what the leader had {LAG} ago.",
                "runbooks.md#lagging-data",
            ),
        ),
        (
            always,
            Alert(
                "TiersOverCapacity",
                WARNING,
                "5m",
                "tiers_client_connections{@} > on (instance) group_left () tiers_capacity_connections{@}",
                "{{ $labels.instance }} has more clients than its capacity",
                "{{ $labels.instance }} has {{ $value }} connections, more than its tiers_capacity.",
                "allocation.md",
            ),
        ),
        (
            has_job(BALANCER_JOB),
            Alert(
                "TiersServerDownForBalancer",
                WARNING,
                "1m",
                'haproxy_server_status{@,state="DOWN"%no_pairs%} == 1',
                "HAProxy on {{ $labels.instance }} reports {{ $labels.server }} DOWN",
                "HAProxy on {{ $labels.instance }} routes no client of {{ $labels.proxy }} to {{ $labels.server }}.",
                "runbooks.md",
            ),
        ),
        (
            has_job(BALANCER_JOB),
            Alert(
                "TiersNoServerForBalancer",
                CRITICAL,
                "30s",
                'haproxy_backend_status{@,state="DOWN",proxy!="monitor"} == 1 '
                "unless on (instance) tiers_active{@} == 0",
                "HAProxy on {{ $labels.instance }} has no server for {{ $labels.proxy }}",
                "Clients of {{ $labels.proxy }} at {{ $labels.instance }} are refused.",
                "runbooks.md#proxy-without-a-master",
            ),
        ),
    ],
    "operations": [
        (
            always,
            Alert(
                "TiersDrained",
                WARNING,
                "4h",
                "tiers_drained{@} == 1",
                "{{ $labels.instance }} has been drained for four hours",
                "An operator drained {{ $labels.instance }}. Run undrain, or keep it in mind: it does not serve.",
                "runbooks.md#drain-a-server-for-maintenance",
            ),
        ),
        (
            always,
            Alert(
                "TiersOperationInterrupted",
                WARNING,
                "30m",
                "tiers_traffic_interrupted{@} == 1",
                "{{ $labels.instance }} was left without traffic",
                "An operation stopped the traffic of {{ $labels.instance }} and has not ended.",
                "runbooks.md#interrupted-operation",
            ),
        ),
        (
            has_lease,
            Alert(
                "TiersFailoverPaused",
                WARNING,
                "1h",
                "tiers_failover_paused{@} == 1",
                "Automatic failover of {{ $labels.pair }} is paused",
                "While it is paused, no node is promoted if the active node of {{ $labels.pair }} fails.",
                "runbooks.md#pause-automatic-failover",
            ),
        ),
    ],
    "arbiter": [
        (
            has_lease,
            Alert(
                "TiersLeaseWithoutAnswer",
                CRITICAL,
                "30s",
                "tiers_lease_age_seconds{@} > on (instance) tiers_lease_ttl_seconds{@}",
                "{{ $labels.instance }} gets no answer of the arbiter",
                "A node that cannot renew its lease stops serving.",
                "runbooks.md#arbiter-without-a-majority",
            ),
        ),
        (
            has_arbiter,
            Alert(
                "TiersVoterDown",
                WARNING,
                "1m",
                'tiers_metrics_probe_success{@,probe="voter"} == 0',
                "The voter on {{ $labels.instance }} does not answer",
                "etcd on {{ $labels.instance }} does not answer. If more voters fail, no lease is granted.",
                "runbooks.md#failed-voter",
            ),
        ),
        (
            has_arbiter,
            Alert(
                "TiersArbiterWithoutMajority",
                CRITICAL,
                "30s",
                "(count(etcd_server_has_leader{@} == 1) or vector(0)) < %majority%",
                "The arbiter has no majority",
                "Fewer than %majority% voters have a leader. No lease is granted or renewed.",
                "runbooks.md#arbiter-without-a-majority",
            ),
        ),
        (
            has_arbiter,
            Alert(
                "TiersArbiterFull",
                WARNING,
                "5m",
                "100 * etcd_mvcc_db_total_size_in_bytes{@} / on (instance) etcd_server_quota_backend_bytes{@} > 80",
                "The data of the voter {{ $labels.instance }} take {{ $value | printf `%.0f` }} % of their limit",
                "At the limit etcd refuses writes and grants no lease.",
                "runbooks.md#full-arbiter",
            ),
        ),
    ],
}


def selected(plan: Mapping[str, Any]) -> Iterator[tuple[str, Alert]]:
    """The alerts for what the plan has, each with its theme."""
    for theme, alerts in ALERTS.items():
        for applies, alert in alerts:
            if applies(plan):
                yield theme, alert


def build_rules(plan: Mapping[str, Any], runbooks: str = RUNBOOKS, disk_percent: float = 90.0) -> dict[str, Any]:
    """The rule file of Prometheus. `runbooks`: the URL of the pages of the documentation."""
    groups: dict[str, list[dict[str, Any]]] = {}
    values = {
        "disk": f"{disk_percent:g}",
        "no_pairs": excluded_servers(plan),
        "majority": str(majority_of(plan)),
    }
    for theme, alert in selected(plan):
        rule = {
            "alert": alert.name,
            "expr": filled(alert.expression, values).replace("@", f"system={json.dumps(plan['system'])}"),
            "for": alert.lasts,
            "labels": {"severity": alert.severity, "system": plan["system"]},
            "annotations": {
                "summary": alert.summary,
                "description": filled(alert.description, values),
                "runbook_url": f"{runbooks.rstrip('/')}/{alert.runbook}",
            },
        }
        groups.setdefault(theme, []).append(rule)
    return {"groups": [{"name": f"tiers {plan['system']} {theme}", "rules": rules} for theme, rules in groups.items()]}


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with `%name%` replaced by the values."""
    for name, value in values.items():
        text = text.replace(f"%{name}%", value)
    return text


def excluded_servers(plan: Mapping[str, Any]) -> str:
    """A selector without the nodes of pairs of which one serves: the checks of HAProxy find the other one down."""
    names = sorted(name for name, host in scraped_hosts(plan).items() if one_serves(host))
    return f",server!~{json.dumps('|'.join(name.replace('.', '[.]') for name in names))}" if names else ""


def majority_of(plan: Mapping[str, Any]) -> int:
    return len((plan["arbiter"] or {"voters": []})["voters"]) // 2 + 1
