# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the certificate of a host matches the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class IssuedCertificate:
    """The planned properties of a certificate. Names are written as in a request: DNS:m1.example, IP:192.0.2.1."""

    key_digest: str  # SHA-256 of the public key, in hexadecimal
    subject: Mapping[str, str]
    names: frozenset[str]
    ends: datetime
    begins: datetime
    # Which of the CAs that the host must trust has issued it, by their places in that text. None: none of them.
    issuer: int | None


@dataclass(frozen=True)
class Installed:
    """The files of a host under /etc/tiers/tls."""

    key_digest: str
    certificate: IssuedCertificate | None  # None if the file cannot be read as a certificate
    ca: str  # the texts after the first certificate


@dataclass(frozen=True)
class Planned:
    """The certificate that a host must have."""

    subject: Mapping[str, str]
    names: frozenset[str]
    ca: str  # all CAs that the host must trust
    renew_days: int  # issued again when the certificate ends within so many days
    issuer: int | None = None  # the place of the CA that must have issued it; None: any of them
    issued_since: datetime | None = None  # an earlier certificate is issued again


def lacks_trust(installed: Installed | None, planned: Planned) -> bool:
    """Whether the host trusts other CAs than planned."""
    return installed is None or installed.ca.split() != planned.ca.split()


def reasons_to_issue(installed: Installed | None, planned: Planned, now: datetime) -> list[str]:
    """Why a certificate must be issued for the host, none if the installed one matches the plan."""
    if installed is None:
        return ["the host has no key, certificate or CA"]
    if installed.certificate is None:
        return ["the installed certificate cannot be read"]
    found, reasons = installed.certificate, []
    if found.issuer is None:
        reasons.append("the CA is another one")
    elif planned.issuer is not None and found.issuer != planned.issuer:
        reasons.append("the CA that issued it is being replaced")
    if planned.issued_since and found.begins < planned.issued_since:
        reasons.append(f"the certificate was issued at {found.begins:%Y-%m-%d %H:%M} UTC and is rotated")
    if found.key_digest != installed.key_digest:
        reasons.append("the certificate belongs to another key")
    if found.subject != planned.subject:
        reasons.append(f"the subject is {_written(found.subject)}, planned is {_written(planned.subject)}")
    if missing := planned.names - found.names:
        reasons.append(f"names are missing: {', '.join(sorted(missing))}")
    if surplus := found.names - planned.names:
        reasons.append(f"names are not planned: {', '.join(sorted(surplus))}")
    if found.ends <= now + timedelta(days=planned.renew_days):
        limit = f"host_certificate_renew_days: {planned.renew_days}"
        reasons.append(f"the certificate ends at {found.ends:%Y-%m-%d %H:%M} UTC ({limit})")
    return reasons


def _written(subject: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(subject.items()))
