# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is read, what comes of it is a value or a finding."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import KEYS, parse_product
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.versions import release
from ansible_collections.distributed.tiers.plugins.module_utils.planner.topology import Topology, Unreadable
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import (
    addresses_of,
    certificate_names,
    filled_in,
    fingerprint,
    load_population,
    read_inventory,
    read_product,
    with_plan,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.reading import known

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
DEEP: list[Any] = []
for _level in range(100_000):
    DEEP = [DEEP]
# Forty lines of YAML with nine aliases each.
BOMB: list[Any] = ["x"]
for _level in range(40):
    BOMB = [BOMB] * 9
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"name: caf\xe9",
        b"name: [",
        b"name: x\nport: 7",
        b"a: &a [*a]",
        b"[" * 100_000,
        b"port: " + b"9" * 5_000,
        b"!!python/object:os.system {}",
        b"a: .inf\n? [1]\n: 5",
        b"failure_detection: .inf",
        b"client_timeout: .nan",
        b"ports: [[1, 2, 3], [-5, .inf]]",
        b"name: \x00",
        b"port: !!int ''",
        b"clocks: !!bool x",
        b"version: !!timestamp x",
    ],
)
def test_a_broken_product_file_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "product.yml"
    path.write_bytes(content)
    product, problems = read_product("x", path)
    assert product is None
    assert problems and all(problems)


def test_an_incomplete_product_file_is_reported(tmp_path: Path) -> None:
    whole = (Path(__file__).parents[4] / "roles/product_openldap/meta/product.yml").read_bytes()
    path = tmp_path / "product.yml"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        product, problems = read_product("openldap", path)
        assert product is None or not problems


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), anything))
def test_no_product_makes_it_raise(data: dict[str, Any]) -> None:
    product, problems = parse_product("x", data)
    assert (product is None) == bool(problems)


@given(st.binary() | st.text())
def test_no_product_file_makes_it_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes | str) -> None:
    path = tmp_path_factory.mktemp("p") / "product.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    read_product("x", path)


@pytest.mark.parametrize("value", [CIRCLE, {"a": CIRCLE}, DEEP, BOMB, {"a": ["{{ b }}", BOMB]}])
def test_a_value_without_an_end_is_unreadable(value: Any) -> None:
    read = filled_in(lambda _host, raw, name: raw[name], "h", {"v": value}, "v")
    assert isinstance(read, Unreadable)


def test_a_template_whose_value_has_no_end_is_unreadable() -> None:
    assert isinstance(filled_in(lambda _host, _raw, _name: BOMB, "h", {"v": "{{ x }}"}, "v"), Unreadable)


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyError("x"), OSError("gone"), AnsibleError("x\ny")])
def test_each_error_of_a_template_is_reported(error: Exception) -> None:
    def template(_host: str, _raw: Any, _name: str) -> Any:
        raise error

    read = filled_in(template, "h", {"v": "{{ x }}"}, "v")
    assert isinstance(read, Unreadable) and read.reason and "\n" not in read.reason


@pytest.mark.parametrize("facts", [None, 5, "x", [], {"ansible_local": 5}, {"ansible_local": {"tiers": "half"}}])
def test_whatever_facts_are_is_read(facts: Any) -> None:
    assert known("m1", {"ansible_facts": facts}) == (isinstance(facts, dict) and facts["ansible_local"] != 5, mock.ANY)


@pytest.mark.parametrize("source", ["x" * 5_000, "a\0b", "\ud800", "/dev/zero", "/proc/self/mem", "."])
def test_a_population_that_is_no_file_is_reported(source: str, tmp_path: Path) -> None:
    (problem,) = load_population(source, str(tmp_path))[1]
    assert "cannot be read" in problem and len(problem) < 500 and problem.isprintable()


@pytest.mark.parametrize("path", ["/dev/zero", "/", "a\0b", "\ud800", "x" * 5_000])
def test_a_plan_that_is_no_file_is_reported(path: str) -> None:
    (problem,) = with_plan(Topology(), path).problems
    assert "cannot be read" in problem.message and len(problem.message) < 500 and problem.message.isprintable()


@pytest.mark.parametrize("value", [CIRCLE, DEEP, BOMB, {(1, 2): 3}, object(), float("nan"), "\ud800", b"x"])
def test_every_option_has_a_fingerprint(value: Any) -> None:
    assert fingerprint(value) == fingerprint(value)


def test_fingerprints_tell_options_apart() -> None:
    assert len({fingerprint(value) for value in (1, "1", [1], {"a": 1}, {"a": 2}, None, True)}) == 7
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


@given(st.text() | st.just("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"))
def test_a_text_that_is_no_certificate_covers_no_name(text: str) -> None:
    assert certificate_names(text) == ()


def test_names_that_a_certificate_covers() -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("m1.example"), x509.IPAddress(ipaddress.ip_address("2001:db8::1"))]
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = built.public_bytes(serialization.Encoding.PEM).decode()
    assert certificate_names(text) == ("m1.example", "2001:db8::1")
    assert certificate_names(text[: len(text) // 2]) == ()


@given(st.text(), st.text())
def test_every_version_can_be_compared(one: str, other: str) -> None:
    assert (release(one) < release(other)) + (release(one) == release(other)) + (release(one) > release(other)) == 1


def test_versions_of_any_length() -> None:
    assert release("1." + "9" * 10_000) < release("2")
    assert release("1.09") == release("1.9") < release("1.10") < release(None)


@pytest.mark.parametrize("name", ["a" * 300, "a..b", "\0", "no such host", "\ud800"])
def test_odd_names_resolve_to_nothing(name: str) -> None:
    assert addresses_of(name) == set()


VAULTED = object()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("b.example", "The value 'b.example' differs from 'a.example' of m1."),
        (VAULTED, "The value differs from that of m1."),
        ([VAULTED], "The value differs from that of m1."),
        ("{{ anything }}", "The value differs from that of m1."),
    ],
)
def test_values_of_a_vault_are_not_shown(given: Any, told: str) -> None:
    hosts = {"m1": {"tiers_domain": "a.example"}, "px1": {"tiers_domain": given}}
    opened = ["from-a-vault"] if isinstance(given, list) else "from-a-vault"
    read = read_inventory({"master": ["m1"], "proxy": ["px1"]}, hosts, lambda *_arguments: opened, None, ".")
    assert [problem.message for problem in read.problems if problem.rule == "setting-differs"] == [told]
