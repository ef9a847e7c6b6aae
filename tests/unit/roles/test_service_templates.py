# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates give systemd, nginx and people the settings of a service."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible.plugins.filter.core import FilterModule

ROLE = Path(__file__).parents[3] / "roles/product_service"
SANDBOX = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__product_service_sandbox"]
SERVER = {"tier": "backup", "serves_as": "master", "name": "m2", "port": 8443}
TLS = {"ca": "/tls/ca.crt", "certificate": "/tls/server.crt", "key": "/tls/server.key"}
SERVICE = {"data": "/var/lib/ledger", "tls": TLS, "upstream_host": "upstream.x", "upstream_port": 10636}
SERVICE["timeouts"] = {"connect": 1, "idle": 60, "keepalive": 3}


def render(name: str, secrets: dict[str, str] | None = None, **more: Any) -> str:
    described = {
        "name": "ledger",
        "tls": "product",
        "environment": {},
        "reload": None,
        "stop_timeout": 30,
        "unit": None,
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["to_json"] = FilterModule().filters()["to_json"]
    environment.globals["lookup"] = lambda _name, _key: {"secret_environment": secrets or {}}
    variables = {
        "ansible_managed": "managed",
        "service": SERVICE,
        "tiers_plan": {"system": "test"},
        "tiers_server": SERVER,
        "product_service_cache_size": "1g",
        "product_service_cache_keep": "7d",
        "__product_service": described | more.pop("described", {}),
        "__product_service_cached": False,
        "__product_service_command": "/opt/ledger/current/bin/ledgerd",
        "__product_service_front": {"check": {"path": "/.tiers/health"}},
        "__product_service_group": "ledger",
        "__product_service_os": {"nginx_user": "www-data", "nginx_cache": "/var/cache/nginx/tiers"},
        "__product_service_secret_environment": "/etc/tiers/service.env",
        "__product_service_secrets_set": bool(secrets),
        "__product_service_settings": {},
        "__product_service_tool": "/etc/tiers/service",
        "__product_service_user": "ledger",
        **more,
    }
    return environment.get_template(name).render(variables)


def test_a_unit_of_our_own_is_shut_in_and_settings_have_the_last_word() -> None:
    settings = SANDBOX | {"PrivateTmp": False, "LimitNOFILE": 20000, "ReadWritePaths": ["/srv/a", "/srv/b"]}
    lines = render("service.service.j2", __product_service_settings=settings).splitlines()
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "LimitNOFILE=20000", "ReadWritePaths=/srv/a /srv/b"} <= {
        *lines
    }
    assert not [line for line in lines if line.startswith("PrivateTmp")]
    assert "SupplementaryGroups=tiers-tls" in lines
    assert "Restart=always" in lines


def test_a_program_that_does_no_tls_cannot_read_the_key() -> None:
    assert "tiers-tls" not in render("service.service.j2", described={"tls": "terminated"})


def test_the_environment_reaches_the_program_as_it_is() -> None:
    text = render("service.service.j2", described={"environment": {"MODE": 'a %b "c" \\d'}})
    (line,) = [line for line in text.splitlines() if line.startswith("Environment=")]
    assert shlex.split(line.removeprefix("Environment="))[0].replace("%%", "%") == 'MODE=a %b "c" \\d'


def test_the_unit_contains_no_secret() -> None:
    secrets = {"PASSWORD": 'geh"eim'}
    for name in ("service.service.j2", "drop-in.conf.j2"):
        text = render(name, secrets)
        assert "EnvironmentFile=/etc/tiers/service.env" in text
        assert "eim" not in text
    assert 'PASSWORD="geh\\"eim"' in render("environment.j2", secrets)


def test_an_existing_unit_keeps_its_command_unless_one_is_given() -> None:
    assert "ExecStart=" not in render("drop-in.conf.j2", __product_service_command="").replace("ExecStartPre=", "")
    assert "\nExecStart=\nExecStart=/opt" in render("drop-in.conf.j2")


@pytest.mark.parametrize("tls", ["product", "none"])
def test_the_cache_gives_out_stale_answers_and_repeats_nothing(tls: str) -> None:
    text = render("cache.conf.j2", described={"tls": tls})
    assert "proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;" in text
    assert "proxy_cache_methods GET HEAD;" in text
    assert "non_idempotent;" not in text
    # The application alone says how long an answer may be kept.
    assert "proxy_cache_valid" not in text
    assert ("proxy_ssl_name upstream.x;" in text) == (tls == "product")
    assert ("listen [::]:8443 ipv6only=off ssl;" in text) == (tls == "product")
