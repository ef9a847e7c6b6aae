# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that print how far the data of a node are, with clients of the products that answer as real ones do."""

from __future__ import annotations

import datetime
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

ROOT = Path(__file__).parents[3]
OPENLDAP = ROOT / "roles/product_openldap/templates/position.j2"
REDIS = ROOT / "inventories/redis/templates/set-role.j2"


def run(tmp_path: Path, template: Path, client: str, output: str, *arguments: str, **variables: Any) -> Any:
    """The result of the program in a template if `client` prints `output`."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["quote"] = shlex.quote
    program, stand_in, answer = tmp_path / "program", tmp_path / client, tmp_path / "answer"
    text = environment.from_string(template.read_text(encoding="utf-8")).render(ansible_managed="managed", **variables)
    program.write_text(text, encoding="utf-8")
    answer.write_text(output, encoding="utf-8")
    stand_in.write_text(f"#!/bin/sh\n[ -s {answer} ] && cat {answer}\n", encoding="utf-8")
    stand_in.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return subprocess.run(["sh", program, *arguments], env=path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "moment", ["2024-02-29T23:59:59", "2000-03-01T00:00:00", "1999-12-31T23:59:59", "2026-11-30T12:50:00"]
)
def test_openldap_prints_the_last_change_of_each_master_in_microseconds(tmp_path: Path, moment: str) -> None:
    time = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC)
    digits = time.strftime("%Y%m%d%H%M%S")
    output = f"dn: dc=example\ncontextCSN: {digits}.089123Z#000000#001#000000\n"
    output += "contextCSN: 19700101000001.000000Z#000000#002#000000\n\n"
    done = run(tmp_path, OPENLDAP, "ldapsearch", output, product_openldap_suffix="dc=example")
    assert done.stdout == f"001 {int(time.timestamp()) * 1000000 + 89123}\n002 1000000\n"


def test_openldap_that_does_not_answer_has_no_position(tmp_path: Path) -> None:
    """So it fails its health check, too."""
    done = run(tmp_path, OPENLDAP, "ldapsearch", "", product_openldap_suffix="dc=example")
    assert (done.returncode != 0, done.stdout) == (True, "")


def redis(tmp_path: Path, *lines: str) -> Any:
    server = {"name": "m1", "pair": None}
    service = {"port": 6379, "tls": {"ca": "/ca.crt"}}
    output = "".join(f"{line}\r\n" for line in lines)
    return run(
        tmp_path, REDIS, "redis-cli", output, "position", tiers_server=server, service=service, redis_password="secret"
    )


@pytest.mark.parametrize("second", [15, -1])
def test_redis_prints_its_offset_in_the_present_stream_of_changes_only(tmp_path: Path, second: int) -> None:
    """A replica that copied all data of its master does not know the stream before its promotion."""
    lines = ("# Replication", "role:master", "master_replid:aa", "master_replid2:bb", "master_repl_offset:20")
    assert redis(tmp_path, *lines, f"second_repl_offset:{second}").stdout == "aa 20\n"


def test_redis_that_does_not_answer_has_no_position(tmp_path: Path) -> None:
    done = redis(tmp_path, "LOADING Redis is loading the dataset in memory")
    assert (done.returncode != 0, done.stdout) == (True, "")


@pytest.mark.parametrize(("position", "done"), [(None, "removed"), ("", "removed"), ("/etc/redis/position", "written")])
def test_service_has_the_hook_if_it_describes_a_position(position: str | None, done: str) -> None:
    tasks = yaml.safe_load((ROOT / "roles/product_service/tasks/configure.yml").read_text(encoding="utf-8"))
    of_hook = [task for task in tasks if "/position" in str(task)]
    known = {"__product_service": {"position": position}}
    due = [task for task in of_hook if template(f"{{{{ {task['when']} }}}}", known)]
    assert ["written" if "ansible.builtin.copy" in task else "removed" for task in due] == [done]
