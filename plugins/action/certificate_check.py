# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.distributed.tiers.plugins.module_utils.verification.certificates import (
    Installed,
    IssuedCertificate,
    Planned,
    lacks_trust,
    reasons_to_issue,
)

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
OPTIONS: dict[str, Any] = {
    "installed": {"type": "str", "required": True},
    "subject": {"type": "dict", "required": True},
    "names": {"type": "list", "elements": "str", "required": True},
    "ca": {"type": "str", "required": True},
    "renew_days": {"type": "int", "required": True},
    "issuer": {"type": "int"},
    "issued_since": {"type": "float"},
}


class ActionModule(ActionBase):
    """Report why a host needs another certificate."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if not HAS_CRYPTOGRAPHY:
            raise AnsibleActionFail("The Python package cryptography is missing on the controller.")
        _checked, options = self.validate_argument_spec(argument_spec=OPTIONS)
        planned = Planned(
            subject={str(name): str(value) for name, value in options["subject"].items()},
            names=frozenset(options["names"]),
            ca=options["ca"],
            renew_days=options["renew_days"],
            issuer=options["issuer"],
            issued_since=None if (since := options["issued_since"]) is None else datetime.fromtimestamp(since, UTC),
        )
        installed = parse_installed(options["installed"], PEM.findall(planned.ca))
        return result | {
            "changed": False,
            "reasons": reasons_to_issue(installed, planned, datetime.now(UTC)),
            "lacks_trust": lacks_trust(installed, planned),
        }


def parse_installed(text: str, authorities: Sequence[str] = ()) -> Installed | None:
    """The certificates of a host, from the digest of its key and the texts of its certificate and its CA.
    `authorities`: the CAs that it must trust."""
    digest, _blank, pems = text.partition("\n")
    if not digest.strip():
        return None
    found = PEM.search(pems)
    end = found.end() if found else len(pems)
    return Installed(digest.split()[0], parse_certificate(found.group() if found else "", authorities), pems[end:])


def parse_certificate(pem: str, authorities: Sequence[str] = ()) -> IssuedCertificate | None:
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        names = names_of(found)
    except ValueError:
        return None
    issuers = [
        place for place, ca in enumerate(authorities) if has_issued(x509.load_pem_x509_certificate(ca.encode()), found)
    ]
    key = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # cryptography before 42 knows only the form without a time zone.
    aware = getattr(found, "not_valid_after_utc", None)
    aware_begin = getattr(found, "not_valid_before_utc", None)
    return IssuedCertificate(
        key_digest=hashlib.sha256(key).hexdigest(),
        subject={name_of(attribute.oid): str(attribute.value) for attribute in found.subject},
        names=names,
        ends=aware or found.not_valid_after.replace(tzinfo=UTC),
        begins=aware_begin or found.not_valid_before.replace(tzinfo=UTC),
        issuer=issuers[0] if issuers else None,
    )


def has_issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether a CA is the one that a certificate names as its issuer, by name and, where both have it, by key. Services
    verify the signature; this only distinguishes two CAs."""
    if certificate.issuer != authority.subject:
        return False
    try:
        named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return True
    return named is None or named == own


def name_of(oid: x509.ObjectIdentifier) -> str:
    """The name of an attribute as the plan has it, the number of any other."""
    known = {
        x509.NameOID.ORGANIZATION_NAME: "organizationName",
        x509.NameOID.ORGANIZATIONAL_UNIT_NAME: "organizationalUnitName",
        x509.NameOID.COMMON_NAME: "commonName",
    }
    return known.get(oid, oid.dotted_string)


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    kinds: dict[type, str] = {x509.DNSName: "DNS", x509.IPAddress: "IP"}
    return frozenset(f"{kinds.get(type(name), type(name).__name__)}:{name.value}" for name in extension.value)
