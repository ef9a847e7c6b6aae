# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard of a system for Grafana. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.scrape import (
    BALANCER_JOB,
    NODE_JOB,
    one_serves,
    scraped_hosts,
)

# Of Grafana's grid: columns of a row, and the height of a panel
COLUMNS, HEIGHT = 24, 8
SOURCE = {"type": "prometheus", "uid": "${source}"}
SCHEMA = 38


class _Grid:
    """Panels from left to right and from top to bottom."""

    def __init__(self) -> None:
        self.panels: list[dict[str, Any]] = []
        self.x = self.y = 0

    def add(self, kind: str, title: str, width: int, targets: Sequence[tuple[str, str]], **more: Any) -> None:
        if self.x + width > COLUMNS:
            self.x, self.y = 0, self.y + HEIGHT
        panel = {
            "id": len(self.panels) + 1,
            "type": kind,
            "title": title,
            "datasource": SOURCE,
            "gridPos": {"h": HEIGHT, "w": width, "x": self.x, "y": self.y},
            "targets": [
                {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
                for number, (expression, legend) in enumerate(targets)
            ],
            "fieldConfig": {"defaults": more.pop("defaults", {}), "overrides": []},
            "options": more.pop("options", {}),
            **more,
        }
        self.panels.append(panel)
        self.x += width


def build_dashboard(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The dashboard: state first, then load, data and hosts. Panels of parts that the system lacks are left out."""
    system = f"system={json.dumps(plan['system'])}"
    every = f'{system},site=~"$site"'
    hosts = scraped_hosts(plan)
    jobs = {point["name"] for host in hosts.values() for point in host["metrics"]}
    grid = _Grid()
    up_or_down = [
        {"type": "value", "options": {"0": {"text": "down", "color": "red"}, "1": {"text": "up", "color": "green"}}}
    ]
    grid.add(
        "stat",
        "Alerts",
        4,
        [(f'count(ALERTS{{{system},alertstate="firing"}}) or vector(0)', "firing")],
        defaults={"thresholds": thresholds((None, "green"), (1, "red")), "color": {"mode": "thresholds"}},
    )
    grid.add(
        "stat",
        "Hosts that answer",
        4,
        [(f'sum(up{{{system},job="{NODE_JOB}"}})', f"of {len(hosts)}")],
        defaults={
            "thresholds": thresholds((None, "red"), (len(hosts), "green")),
            "color": {"mode": "thresholds"},
        },
    )
    grid.add(
        "table",
        "Firing alerts",
        16,
        [(f'ALERTS{{{system},alertstate="firing"}}', "")],
        transformations=[columns("alertname", "severity", "instance", "pair", "site")],
    )
    for target in grid.panels[-1]["targets"]:
        target |= {"format": "table", "instant": True}
    grid.add(
        "state-timeline",
        "Hosts",
        COLUMNS,
        [(f'up{{{every},job="{NODE_JOB}"}}', "{{instance}} ({{tier}}, {{site}})")],
        defaults={"mappings": up_or_down, "color": {"mode": "thresholds"}},
    )
    if any(one_serves(host) for host in hosts.values()):
        grid.add(
            "state-timeline",
            "Active nodes of pairs",
            12,
            [(f'tiers_active{{{every},pair!=""}}', "{{pair}}: {{instance}}")],
            defaults={
                "mappings": [
                    {"type": "value", "options": {"0": {"text": "standby"}, "1": {"text": "active", "color": "green"}}}
                ]
            },
        )
    grid.add(
        "timeseries",
        "Connections of clients, and capacity",
        12,
        [
            (f"tiers_client_connections{{{every}}}", "{{instance}}"),
            (f"tiers_capacity_connections{{{every}}}", "{{instance}}: capacity"),
        ],
        defaults={"unit": "short", "min": 0},
    )
    grid.add(
        "timeseries",
        "Behind the newest position",
        12,
        [
            (
                f"max by (writer) (tiers_position{{{system}}}) - on (writer) group_right () tiers_position{{{every}}}",
                "{{instance}}: {{writer}}",
            )
        ],
        defaults={"min": 0},
        description="In the terms of the product: seconds between changes for OpenLDAP. 0 is in step.",
    )
    if "patroni" in jobs:
        behind = (
            "max by (system) (patroni_xlog_location{@}) - on (system) group_right () patroni_xlog_replayed_location{@}"
        )
        grid.add(
            "timeseries",
            "PostgreSQL: bytes that a replica has not replayed",
            12,
            [(f"({behind}) and on (instance) patroni_replica{{@}} == 1".replace("@", system), "{{instance}}")],
            defaults={"unit": "bytes", "min": 0},
        )
    if BALANCER_JOB.removeprefix("tiers-") in jobs:
        grid.add(
            "timeseries",
            "Sessions in HAProxy",
            12,
            [(f'haproxy_frontend_current_sessions{{{every},proxy!~"monitor|metrics"}}', "{{instance}}: {{proxy}}")],
            defaults={"unit": "short", "min": 0},
        )
        grid.add(
            "timeseries",
            "Failed connections in HAProxy",
            12,
            [
                (
                    f"sum by (instance, proxy) (rate(haproxy_backend_connection_errors_total{{{every}}}[5m]))",
                    "{{instance}}: {{proxy}}",
                )
            ],
            defaults={"unit": "cps", "min": 0},
        )
    grid.add(
        "bargauge",
        "Days until a certificate expires",
        12,
        [(f"(tiers_certificate_expiry_timestamp_seconds{{{every}}} - time()) / 86400", "{{instance}}: {{file}}")],
        defaults={"unit": "d", "thresholds": thresholds((None, "red"), (3, "orange"), (21, "green")), "min": 0},
        options={"orientation": "horizontal", "displayMode": "gradient"},
    )
    grid.add(
        "timeseries",
        "Age of the metrics, and days since the last deployment",
        12,
        [
            (f"time() - tiers_metrics_written_timestamp_seconds{{{every}}}", "{{instance}}"),
            (f"(time() - tiers_deployed_timestamp_seconds{{{every}}}) / 86400", "{{instance}}: days"),
        ],
    )
    if plan["arbiter"]:
        grid.add(
            "timeseries",
            "Voters: leader known, and changes of the leader",
            12,
            [
                (f"etcd_server_has_leader{{{system}}}", "{{instance}}"),
                (f"increase(etcd_server_leader_changes_seen_total{{{system}}}[1h])", "{{instance}}: changes in 1 h"),
            ],
        )
    grid.add(
        "timeseries",
        "Processors in use",
        12,
        [(f'100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{{{every},mode="idle"}}[5m])))', "{{instance}}")],
        defaults={"unit": "percent", "min": 0, "max": 100},
    )
    grid.add(
        "timeseries",
        "Memory available",
        12,
        [(f"node_memory_MemAvailable_bytes{{{every}}}", "{{instance}}")],
        defaults={"unit": "bytes", "min": 0},
    )
    return {
        "uid": hashlib.sha256(f"tiers {plan['system']}".encode()).hexdigest()[:12],
        "title": f"tiers: {plan['system']}",
        "tags": ["distributed.tiers"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source_variable(), site_variable(sorted(plan["sites"]))]},
        "panels": grid.panels,
    }


def thresholds(*steps: tuple[int | None, str]) -> dict[str, Any]:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def columns(*names: str) -> dict[str, Any]:
    """A transformation of a table: only these columns, in this order."""
    return {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}}


def source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def site_variable(sites: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "site",
        "label": "Site",
        "type": "custom",
        "query": ",".join(sites),
        "options": [{"text": site, "value": site, "selected": False} for site in sites],
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
    }
