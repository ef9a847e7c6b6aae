# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of Prometheus, one for each kind of endpoint, and the hosts of each job. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

INTERVAL = "15s"
RULES_FILE = "tiers-rules.yml"
CA_FILE = "ca.crt"
NODE_JOB, BALANCER_JOB = "tiers-node", "tiers-haproxy"


def job_of(endpoint: str) -> str:
    return f"tiers-{endpoint}"


def scraped_hosts(plan: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The slices of all hosts that are scraped, by name: not of servers that are down by the plan."""
    servers = {name: server for name, server in plan["servers"].items() if server["state"] != "down"}
    only_vote = {name: voter for name, voter in plan["voters"].items() if voter["only_votes"]}
    return dict(sorted({**servers, **only_vote}.items()))


def labels_of(plan: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, str]:
    """The labels of all metrics of a host. `pair` is there if one of two nodes serves: the name of its primary."""
    sites = {voter["name"]: voter["site"] for voter in (plan["arbiter"] or {"voters": []})["voters"]}
    labels = {
        "system": plan["system"],
        "instance": host["name"],
        "tier": host.get("tier") or "voter",
        "site": host.get("site") or sites[host["name"]],
    }
    if one_serves(host):
        labels["pair"] = host["primary"] or host["name"]
    return labels


def one_serves(host: Mapping[str, Any]) -> bool:
    """Whether the host is a node of a pair of which one serves, or accepts writes, at a time."""
    return bool(host.get("pair") and (host["active_standby"] or host["product_election"]))


def build_targets(plan: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """{job: its hosts, as `file_sd_configs` reads them}."""
    jobs: dict[str, list[dict[str, Any]]] = {}
    for host in scraped_hosts(plan).values():
        address = f"[{host['address']}]" if ":" in host["address"] else host["address"]
        for endpoint in host["metrics"]:
            target = {"targets": [f"{address}:{endpoint['port']}"], "labels": labels_of(plan, host)}
            jobs.setdefault(job_of(endpoint["name"]), []).append(target)
    return jobs


def build_config(plan: Mapping[str, Any], alertmanagers: Sequence[str]) -> dict[str, Any]:
    """The configuration of a Prometheus that scrapes this system. Paths are relative to its file."""
    paths = {job_of(point["name"]): point["path"] for host in scraped_hosts(plan).values() for point in host["metrics"]}
    config: dict[str, Any] = {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": [RULES_FILE],
        "scrape_configs": [
            {
                "job_name": job,
                "scheme": "https",
                "metrics_path": path,
                "tls_config": {"ca_file": CA_FILE},
                "file_sd_configs": [{"files": [f"{job}.json"]}],
            }
            for job, path in sorted(paths.items())
        ],
    }
    if alertmanagers:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]}
    return config
