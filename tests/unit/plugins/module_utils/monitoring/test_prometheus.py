# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the metrics of a host to an alert: the programs themselves, with the files of the role and of the playbook."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.action.monitoring_files import make_files
from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.metrics_settings import (
    build_metrics_settings,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome
from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

ROLE = Path(__file__).parents[5] / "roles/exporters"
PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")
SECONDS = 60
WATCH = "monitor: {hosts: {watch: {ansible_host: 192.0.2.71}}}"

pytestmark = pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason="Prometheus is not installed here")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def running(*command: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as found:
        return json.loads(found.read())


def becomes(condition: Callable[[], bool]) -> float:
    """Seconds until the condition holds; fails after SECONDS."""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        with contextlib.suppress(OSError):
            if condition():
                return time.monotonic() - began
        time.sleep(0.2)
    pytest.fail(f"not within {SECONDS} s")


def make_host(directory: Path, plan: Mapping[str, Any]) -> list[Any]:
    """The certificate, the metrics and the settings of the host m1 in a directory; the command of its exporter."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-subj", "/CN=m1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "90"]
        + ["-keyout", directory / "server.key", "-out", directory / "server.crt"],
        check=True,
        capture_output=True,
    )
    shutil.copy(directory / "server.crt", directory / "ca.crt")
    names = ("record", "voter_record", "drained", "lease", "cannot_write", "aside", "checked")
    host = {name: str(directory / name) for name in names}
    host |= {"file": str(directory / "tiers.prom"), "active": "/bin/true", "tls": str(directory)}
    settings = build_metrics_settings(plan["servers"]["m1"], {}, [], {}, {}, [], host) | {"units": []}
    (directory / "metrics.json").write_text(json.dumps(settings), encoding="utf-8")
    subprocess.run([sys.executable, ROLE / "files/metrics.py", directory / "metrics.json"], check=True, timeout=30)
    variables = {"ansible_managed": "managed", "__exporters_tls": str(directory)}
    web = template(f"{{{{ lookup('ansible.builtin.template', '{ROLE / 'templates/web.yml.j2'}') }}}}", variables)
    (directory / "web.yml").write_text(str(web), encoding="utf-8")
    address = f"127.0.0.1:{plan['servers']['m1']['metrics'][0]['port']}"
    files = f"--collector.textfile.directory={directory}"
    return [
        "prometheus-node-exporter",
        f"--web.listen-address={address}",
        f"--web.config.file={directory}/web.yml",
        files,
    ]


def test_an_alert_fires_while_a_host_is_down_and_clears_when_it_is_back(
    judge: Callable[..., Outcome], tmp_path: Path
) -> None:
    plan = dict(judge(WATCH).plan or {})
    endpoint = {"name": "node", "port": free_port(), "path": "/metrics"}
    plan["servers"] = {"m1": {**plan["servers"]["m1"], "address": "127.0.0.1", "metrics": [endpoint]}}
    exporter = make_host(tmp_path, plan)
    at, alerts_at = (f"127.0.0.1:{free_port()}" for _program in range(2))
    options = {"plan": plan, "ca": (tmp_path / "ca.crt").read_text(), "alertmanagers": [alerts_at]}
    for name, text in make_files(options | {"runbooks": "", "disk_percent": 100.0}).items():
        # A second stands for the 15 and the 30 of operation.
        quick = text.replace("_interval: 15s", "_interval: 1s").replace("for: 30s", "for: 2s")
        (tmp_path / name).write_text(quick, encoding="utf-8")
    receivers = {"route": {"receiver": "nobody", "group_wait": "0s"}, "receivers": [{"name": "nobody"}]}
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(receivers), encoding="utf-8")

    def value(metric: str) -> list[str]:
        found = answer(f"http://{at}/api/v1/query?query={urllib.parse.quote(metric)}")["data"]["result"]
        return [one["value"][1] for one in found]

    def is_firing() -> bool:
        found = answer(f"http://{alerts_at}/api/v2/alerts?active=true")
        return "TiersHostDown" in [one["labels"]["alertname"] for one in found]

    with (
        running(
            "prometheus-alertmanager",
            f"--config.file={tmp_path}/alertmanager.yml",
            f"--storage.path={tmp_path}/alerts",
            f"--web.listen-address={alerts_at}",
            "--cluster.listen-address=",
        ),
        running(
            "prometheus",
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address={at}",
        ),
    ):
        with running(*exporter):
            becomes(lambda: value('tiers_active{instance="m1"}') == ["1"])
            assert value('tiers_server_info{instance="m1",serves_as="master"}') == ["1"]
            assert value('node_textfile_scrape_error{instance="m1"}') == ["0"]
            becomes(lambda: not is_firing())
        becomes(is_firing)
        with running(*exporter):
            becomes(lambda: not is_firing())
