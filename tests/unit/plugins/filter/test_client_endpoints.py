# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as a playbook meets it: through templating."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.distributed.tiers.tests.unit.plugins.filter.templating import template

ALLOCATION: dict[str, Any] = {
    "proxies": {"pp": {"clients": ["a", "b"]}, "pt": {"clients": ["é,c"]}},
    "backups": {"pp": {"pt": ["a"]}, "pt": {"pt-b": ["é,c"]}},
    "unplaced": {"z": "no room on any proxy it may use"},
}
VARIABLES = {
    "allocation": ALLOCATION,
    "addresses": {"pp": "192.0.2.1", "pt-b": "2001:db8::1"},
    "shared": {"pt": "192.0.2.9", "pt-b": "192.0.2.9"},
    "writes": {"pp": "192.0.2.1:6380", "pt": "192.0.2.9:6380", "pt-b": "192.0.2.9:6380"},
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("'a'", ["pp", "pt"]),
        ("'b'", ["pp"]),
        ("'é,c'", ["pt", "pt-b"]),
        ("'z'", []),
        ("client='a', addresses=addresses", ["192.0.2.1", "pt"]),
        ("client='é,c', addresses=shared", ["192.0.2.9"]),
        ("addresses=shared", {"a": ["pp", "192.0.2.9"], "b": ["pp"], "z": [], "é,c": ["192.0.2.9"]}),
        ("", {"a": ["pp", "pt"], "b": ["pp"], "z": [], "é,c": ["pt", "pt-b"]}),
        ("export='csv'", 'client,proxy,backup\na,pp,pt\nb,pp,\nz,,\n"é,c",pt,pt-b\n'),
        (
            "export='csv', addresses=addresses",
            'client,proxy,backup\na,192.0.2.1,pt\nb,192.0.2.1,\nz,,\n"é,c",pt,2001:db8::1\n',
        ),
        ("'a', write_addresses=writes", {"read": ["pp", "pt"], "write": ["192.0.2.1:6380", "192.0.2.9:6380"]}),
        ("'a', write_addresses={'pt': 'x:1'}", {"read": ["pp", "pt"], "write": ["x:1"]}),
        (
            "export='csv', write_addresses=writes",
            "client,proxy,backup,proxy_writes,backup_writes\na,pp,pt,192.0.2.1:6380,192.0.2.9:6380\n"
            'b,pp,,192.0.2.1:6380,\nz,,,,\n"é,c",pt,pt-b,192.0.2.9:6380,\n',
        ),
    ],
)
def test_endpoints(arguments: str, expected: Any) -> None:
    assert template(f"{{{{ allocation | distributed.tiers.client_endpoints({arguments}) }}}}", VARIABLES) == expected


def test_json_export_says_the_same() -> None:
    text = template("{{ allocation | distributed.tiers.client_endpoints(export='json') | to_json }}", VARIABLES)
    everything = template("{{ allocation | distributed.tiers.client_endpoints }}", VARIABLES)
    assert json.loads(json.loads(text)) == everything


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("allocation | distributed.tiers.client_endpoints('nobody')", "the allocation knows no client 'nobody'"),
        ("allocation | distributed.tiers.client_endpoints(export='xml')", "export must be csv or json, not 'xml'"),
        ("allocation | distributed.tiers.client_endpoints('a', export='csv')", "only one of client and export"),
        ("allocation | distributed.tiers.client_endpoints(addresses=['x'])", "addresses must be a dictionary"),
        ("{} | distributed.tiers.client_endpoints", "this is no result of allocate_clients"),
        (
            "allocation | distributed.tiers.client_endpoints(addresses={'pp': ['x']})",
            "what to write for 'pp' must be a text",
        ),
        (
            "{'proxies': {'p': {'clients': 'abc'}}, 'backups': {}, 'unplaced': {}} "
            "| distributed.tiers.client_endpoints('b')",
            "the clients at 'p' are no list of names",
        ),
        (
            "{'proxies': {}, 'backups': [], 'unplaced': {}} | distributed.tiers.client_endpoints",
            "'backups' in it is no",
        ),
        (
            "{'proxies': {'p': {'clients': []}}, 'backups': {'p': {'q': ['a']}}, 'unplaced': {}} | "
            "distributed.tiers.client_endpoints",
            "'a' has a backup and no proxy",
        ),
        ("'x' | distributed.tiers.client_endpoints('a')", "this is no result of allocate_clients"),
    ],
)
def test_mistakes_are_errors_of_the_filter(expression: str, message: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(f"{{{{ {expression} }}}}", VARIABLES)
    assert message in str(caught.value)
