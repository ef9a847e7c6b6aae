# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a host is read correctly, and a wrong one is reported."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from ansible_collections.distributed.tiers.plugins.action.certificate_check import parse_certificate, parse_installed

KEY = ec.generate_private_key(ec.SECP256R1())
ENDS = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


def issue(*names: x509.GeneralName) -> str:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "demo"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "servers"),
            x509.NameAttribute(NameOID.COMMON_NAME, "m1"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
        ]
    )
    began = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), 1, began, ENDS)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_a_certificate_is_read() -> None:
    names = [x509.DNSName("m1.demo.internal"), x509.IPAddress(ipaddress.ip_address("2001:db8::1"))]
    found = parse_certificate(issue(*names))
    assert found
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found.key_digest == hashlib.sha256(public).hexdigest()
    assert found.subject == {
        "organizationName": "demo",
        "organizationalUnitName": "servers",
        "commonName": "m1",
        "2.5.4.6": "FR",
    }
    assert found.names == {"DNS:m1.demo.internal", "IP:2001:db8::1"}
    assert found.ends == ENDS


def test_a_certificate_without_names_has_none() -> None:
    found = parse_certificate(issue())
    assert found and found.names == frozenset()


def test_other_kinds_of_names_are_no_planned_ones() -> None:
    found = parse_certificate(issue(x509.RFC822Name("m1@demo.internal")))
    assert found and found.names == {"RFC822Name:m1@demo.internal"}


@pytest.mark.parametrize("text", ["", "x", issue()[:200], issue().replace("M", "x", 3)])
def test_a_text_without_a_certificate_has_none(text: str) -> None:
    assert parse_certificate(text) is None


def test_a_host_has_its_key_its_certificate_and_its_ca() -> None:
    pem, ca = issue(x509.DNSName("m1")), issue()
    found = parse_installed(f"abcd  -\n{pem}{ca}".strip())
    assert found and found.certificate
    assert (found.key_digest, found.certificate.names, found.ca.strip()) == ("abcd", {"DNS:m1"}, ca.strip())


@pytest.mark.parametrize("text", ["", "\n", " \n"])
def test_a_host_without_a_key_has_nothing(text: str) -> None:
    assert parse_installed(text) is None


def test_a_file_that_holds_no_certificate_is_unreadable() -> None:
    found = parse_installed("abcd  -\nrubbish\n")
    assert found and found.certificate is None
