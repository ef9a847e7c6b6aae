# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of docs/describe.md is a sound inventory, and its figures are those of the code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import Outcome
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME
from ansible_collections.distributed.tiers.tests.unit.roles import haproxy

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs/describe.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
HOSTS, SYSTEM = (yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml")
CONFIGURATION, SET_ROLE = (text for kind, text in BLOCKS if kind == "jinja")
PAIR = {"name": "m2", "port": 6379}


def test_the_example_is_planned_without_an_error(judge: Callable[..., Outcome], tmp_path: Path) -> None:
    variables = SYSTEM | {"redis_password": "x", "tiers_ca_passphrase": "x"}
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"vars": variables}} | HOSTS))
    outcome = judge(path=path)
    assert not outcome.errors
    assert outcome.plan
    assert outcome.plan["servers"]["m2"]["active_standby"]
    assert outcome.plan["servers"]["px1"]["proxy_mode"] == "pass"


def render(text: str, **server: Any) -> str:
    """A template of the example, for a server."""
    tls = {"ca": "/ca.crt", "certificate": "/server.crt", "key": "/server.key"}
    service = {"port": 6379, "data": "/var/lib/redis", "tls": tls, "upstream_host": "up", "upstream_port": 10636}
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    known = {"serves_as": "master", "name": "m1", "pair": PAIR}
    return environment.from_string(text).render(service=service, redis_password="secret", tiers_server=known | server)


@pytest.mark.parametrize("pair", [PAIR, None])
def test_the_start_script_of_the_example_is_one(pair: dict[str, Any] | None) -> None:
    script = render(SET_ROLE, pair=pair)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert f"demote) set -- {'m2 6379' if pair else 'no one'} ;;" in script


def test_members_of_the_example_replicate_the_active_master() -> None:
    assert "\nreplicaof up 10636\n" in render(CONFIGURATION, serves_as="parallel", pair=None)
    assert "\ninclude /run/redis/role.conf\n" in render(CONFIGURATION)


def test_the_lines_of_haproxy_are_those_it_gets() -> None:
    servers = [{"name": "m1", "address": "192.0.2.11", "port": 6379}]
    relay = {"name": "upstream", "bind": "127.0.0.1:10636", "balance": "first", "servers": servers}
    check = SYSTEM["tiers_service"]["check"] | {"type": "tcp"}
    check["send"] = check["send"].replace("{{ redis_password }}", "secret")
    text = haproxy.render(balancer_listeners=[relay | {"check": check}])
    (shown,) = (block for kind, block in BLOCKS if kind == "text")
    for line in shown.splitlines():
        assert re.search(re.escape(line).replace("…", "[0-9a-f]+"), text), line


def test_the_figures_are_the_defaults_of_the_roles() -> None:
    defaults: dict[str, Any] = {}
    for role in ("host", "balancer", "failover", "server", "product_service"):
        defaults |= yaml.safe_load((REPOSITORY / f"roles/{role}/defaults/main.yml").read_text(encoding="utf-8"))
    quoted = re.findall(r"`((?:balancer|failover|host|server|product_service|tiers)_\w+)` \((\d+) ?s?\)", PAGE)
    assert len({name for name, _value in quoted}) > 8
    for name, value in quoted:
        known = defaults[name] if name in defaults else BY_NAME[name].default
        assert str(known).removesuffix("s") == value, name


# What programs on a host have as constants: where it stands, and how the page tells it.
CONSTANTS = [
    (
        "roles/product_service/files/service_tool.py",
        "ASK_SECONDS = 3.0",
        "every 0.5 s, each with 3 s, a command with 15 s",
    ),
    ("roles/product_service/files/service_tool.py", "timeout=5 * ASK_SECONDS", "a command with 15 s"),
    ("roles/product_service/files/service_tool.py", "time.sleep(0.5)", "every 0.5 s"),
    ("roles/server/files/watchdog.py", "MISSES = 3", "3 checks without any answer"),
    ("roles/server/files/watchdog.py", '0.9 * settings["within"] / (MISSES + 1)', "every 4.5 s, each with 4.5 s"),
    ("roles/server/files/watchdog.py", "LOOK = 2.0", "every 2 s | 5 s"),
    ("roles/server/files/watchdog.py", "COMMAND_SECONDS = 5.0", "every 2 s | 5 s"),
    ("roles/failover/templates/keepalived.conf.j2", "    interval 1\n", "every second"),
    ("roles/failover/templates/keepalived.conf.j2", "    fall 2\n", "| 2 checks |"),
    ("roles/failover/files/failover_agent.py", "\nKILL_SECONDS = 5\n", "5 s later SIGKILL"),
    ("plugins/module_utils/probing/protocols/command.py", "LIMIT = 8 * 1024 * 1024", "More than 8 MiB"),
    ("plugins/module_utils/probing/options.py", '"timeout": {"type": "float", "default": 5}', "for 5 s at most"),
]


@pytest.mark.parametrize(("path", "code", "words"), CONSTANTS, ids=[code for _path, code, _words in CONSTANTS])
def test_the_times_are_those_of_the_programs(path: str, code: str, words: str) -> None:
    assert code in (REPOSITORY / path).read_text(encoding="utf-8")
    assert words in PAGE


def test_every_placeholder_of_a_probe_is_on_the_page() -> None:
    source = (REPOSITORY / "plugins/module_utils/probing/protocols/command.py").read_text(encoding="utf-8")
    values = source.split("def _values(")[1].split("def execute(")[0]
    names = {*re.findall(r'"(\w+)": ', values), "name", "prefix"}
    assert {name for name in names if f"`{{{name}}}`" in PAGE and f"`TIERS_{name.upper()}`" in PAGE} == names
