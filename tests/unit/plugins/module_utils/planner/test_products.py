# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading meta/product.yml."""

from __future__ import annotations

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import (
    Port,
    beside_its_primary,
    parse_product,
    role_of,
)

SOUND = {"name": "x", "port": 700, "protocol": "tcp", "tiers": ["master"], "redundancy": {"master": ["hot"]}}


def test_a_sound_product():
    product, problems = parse_product("my.collection.product_x", SOUND)
    assert problems == []
    assert (product.name, product.role, product.port) == ("x", "my.collection.product_x", 700)
    assert product.redundancy == {"master": ("hot",)}


def test_short_names_are_roles_of_this_collection():
    assert role_of("openldap") == "distributed.tiers.product_openldap"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"port": 0}, "'port' must be a number from 1 to 65535"),
        ({"port": True}, "'port' must be a number from 1 to 65535"),
        ({"protocol": None}, "'protocol' must be a word"),
        ({"tiers": "master"}, "'tiers' must be a list of words"),
        ({"tiers": ["mistress"]}, "'tiers' holds 'mistress', allowed are master, proxy, parallel, distributor"),
        ({"redundancy": ["hot"]}, "'redundancy' must map tiers to lists of cold, warm and hot"),
        ({"redundancy": {"backup": ["hot"]}}, "'redundancy' holds 'backup', allowed are"),
        ({"redundancy": {"master": ["boiling"]}}, "'redundancy.master' holds 'boiling', allowed are cold, warm, hot"),
        ({"stateful": "yes"}, "'stateful' must be true or false"),
        ({"replication": "sometimes"}, "'replication' must be one of synchronous, asynchronous, none"),
        ({"ports": [[1024, 70000]]}, "'ports' must be a list of ranges like [1024, 65535]"),
        ({"ports": [1024, 65535]}, "'ports' must be a list of ranges like [1024, 65535]"),
        ({"ports": 636}, "'ports' must be a list of ranges like [1024, 65535]"),
        ({"votes": ["backup"]}, "'votes' holds 'backup', allowed are"),
        ({"failure_detection": "10s"}, "'failure_detection' must be a number of seconds"),
        ({"client_timeout": -1}, "'client_timeout' must be a number of seconds"),
        ({"clocks": "yes"}, "'clocks' must be true or false"),
        ({"may_differ": "x"}, "'may_differ' must be a list of words"),
        ({"tls": "yes"}, "'tls' must be one of product, terminated, none"),
        ({"local_port": 0}, "'local_port' must be a number from 1 to 65535"),
        ({"active": "all"}, "'active' must be one of both, one"),
        ({"proxy_mode": "x"}, "'proxy_mode' must be one of product, pooler, pass, cache"),
        ({"version": 1}, "'version' must be a word"),
        ({"numbers": {"product_x_ttl": "20"}}, "'numbers' must map variables to numbers"),
        ({"numbers": ["product_x_ttl"]}, "'numbers' must map variables to numbers"),
        ({"described_by": "tiers_clients"}, "'described_by' must be one of tiers_service"),
        ({"more_ports": [1]}, "'more_ports' must be a list of mappings"),
        (
            {"more_ports": [{"name": "a", "port": 0, "to": ["master"], "from": ["pair"]}]},
            "'more_ports[0]': 'port' must be a number from 1 to 65535",
        ),
        (
            {"more_ports": [{"name": "a", "port": 1, "protocol": "sctp", "to": ["x"], "from": []}]},
            "'more_ports[0]': 'to' holds 'x', allowed are",
        ),
        ({16**5000: 1}, "unknown key 'a number of more than 40 digits'"),
        ({"a\nb": 1}, r"unknown key 'a\nb'"),
        ({"tiers": ["x" * 10**6]}, "'tiers' holds 'xxxxx"),
        ({"redundancy": {16**5000: ["hot"]}}, "'redundancy' holds 'a number of more than 40 digits'"),
        ({"secret": ["a"]}, "unknown key 'secret' did you mean 'secrets'?"),
    ],
)
def test_mistakes_are_reported(wrong, message):
    product, problems = parse_product("x", {**SOUND, **wrong})
    assert product is None
    assert any(message in problem for problem in problems)
    assert all(problem.isprintable() and len(problem) < 300 for problem in problems)


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_no_mapping_is_no_product(data):
    assert parse_product("x", data) == (None, ["the file holds no mapping"])


def test_everything_wrong_comes_at_once():
    assert len(parse_product("x", {"port": "x", "tiers": 5, "colour": "red"})[1]) >= 4


def test_optional_fields_of_a_product():
    more = {"ports": [[636, 636], [1024, 65535]], "votes": ["master"], "failure_detection": 10, "clocks": True}
    product, problems = parse_product("x", {**SOUND, **more})
    assert problems == []
    assert (product.ports, product.votes, product.failure_detection) == (((636, 636), (1024, 65535)), ("master",), 10.0)
    assert product.clocks and product.client_timeout is None


def test_a_product_that_the_inventory_describes_says_less_itself():
    product, problems = parse_product("x", {"described_by": "tiers_service", "tiers": ["master"]})
    assert problems == []
    assert (product.described_by, product.port, product.protocol) == ("tiers_service", 0, "")


def test_servers_of_a_product_and_their_ports():
    port = {"name": "cluster", "port": 2380, "to": ["parallel"], "from": ["parallel", "client"]}
    product, problems = parse_product("x", {**SOUND, "proxy_mode": "cache", "more_ports": [port]})
    assert problems == []
    assert product.more_ports == (Port("cluster", 2380, "tcp", ("parallel",), ("parallel", "client")),)
    assert [product.runs_on(tier) for tier in ("master", "proxy", "parallel", "distributor")] == [
        True,
        False,
        True,
        False,
    ]


def test_a_backup_follows_its_primary_whatever_their_names():
    tiers = {"p2": ("parallel", None), "m": ("master", None), "a": ("parallel", "p1"), "p1": ("parallel", None)}
    servers = [{"name": name, "serves_as": tier, "primary": primary} for name, (tier, primary) in tiers.items()]
    assert [server["name"] for server in sorted(servers, key=beside_its_primary)] == ["m", "p1", "a", "p2"]
