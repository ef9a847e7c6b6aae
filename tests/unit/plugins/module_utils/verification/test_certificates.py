# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the certificate of a host is issued again."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.verification.certificates import (
    Installed,
    IssuedCertificate,
    Planned,
    lacks_trust,
    reasons_to_issue,
)

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SUBJECT = {"commonName": "m1", "organizationName": "demo"}
NAMES = frozenset({"DNS:m1.demo.internal", "IP:192.0.2.11"})
PLANNED = Planned(subject=SUBJECT, names=NAMES, ca="CA\n", renew_days=30)
CERTIFICATE = IssuedCertificate(
    key_digest="ab",
    subject=SUBJECT,
    names=NAMES,
    ends=NOW + timedelta(days=31),
    begins=NOW - timedelta(days=366),
    issuer=0,
)
INSTALLED = Installed(key_digest="ab", certificate=CERTIFICATE, ca="\nCA")

# What differs from the plan, and the reason that it gives.
CERTIFICATES: list[tuple[dict[str, Any], str]] = [
    ({"key_digest": "cd"}, "the certificate belongs to another key"),
    (
        {"subject": {**SUBJECT, "commonName": "m2"}},
        "the subject is commonName=m2, organizationName=demo, planned is commonName=m1, organizationName=demo",
    ),
    ({"names": frozenset({"IP:192.0.2.11"})}, "names are missing: DNS:m1.demo.internal"),
    ({"names": NAMES | {"DNS:x"}}, "names are not planned: DNS:x"),
    (
        {"ends": NOW + timedelta(days=30)},
        "the certificate ends at 2026-01-31 12:00 UTC (host_certificate_renew_days: 30)",
    ),
]


def test_a_certificate_that_matches_the_plan_stays() -> None:
    assert reasons_to_issue(INSTALLED, PLANNED, NOW) == []


def test_a_certificate_stays_until_its_last_second() -> None:
    almost = replace(CERTIFICATE, ends=NOW + timedelta(days=30, seconds=1))
    assert reasons_to_issue(replace(INSTALLED, certificate=almost), PLANNED, NOW) == []


def test_a_host_without_a_certificate_gets_one() -> None:
    assert reasons_to_issue(None, PLANNED, NOW) == ["the host has no key, certificate or CA"]
    unreadable = replace(INSTALLED, certificate=None)
    assert reasons_to_issue(unreadable, PLANNED, NOW) == ["the installed certificate cannot be read"]


def test_a_certificate_of_another_ca_is_issued_again() -> None:
    foreign = replace(INSTALLED, certificate=replace(CERTIFICATE, issuer=None))
    assert reasons_to_issue(foreign, PLANNED, NOW) == ["the CA is another one"]


def test_while_a_ca_is_replaced_a_certificate_of_either_one_stays() -> None:
    both = replace(PLANNED, ca="CA\nNEXT\n")
    for issuer in (0, 1):
        assert reasons_to_issue(replace(INSTALLED, certificate=replace(CERTIFICATE, issuer=issuer)), both, NOW) == []


def test_a_certificate_of_the_current_ca_is_issued_again_by_the_next_one() -> None:
    next_signs = replace(PLANNED, ca="CA\nNEXT\n", issuer=1)
    assert reasons_to_issue(INSTALLED, next_signs, NOW) == ["the CA that issued it is being replaced"]
    of_next = replace(INSTALLED, certificate=replace(CERTIFICATE, issuer=1))
    assert reasons_to_issue(of_next, next_signs, NOW) == []


def test_a_certificate_that_was_issued_before_the_rotation_is_issued_again() -> None:
    since = replace(PLANNED, issued_since=CERTIFICATE.begins)
    assert reasons_to_issue(INSTALLED, since, NOW) == []
    later = replace(since, issued_since=CERTIFICATE.begins + timedelta(seconds=1))
    assert reasons_to_issue(INSTALLED, later, NOW) == [
        "the certificate was issued at 2024-12-31 12:00 UTC and is rotated"
    ]


def test_a_host_lacks_trust_if_it_has_other_cas_than_planned() -> None:
    assert lacks_trust(None, PLANNED)
    assert not lacks_trust(INSTALLED, PLANNED)
    assert lacks_trust(INSTALLED, replace(PLANNED, ca="CA\nNEXT\n"))
    assert lacks_trust(replace(INSTALLED, ca="\nCA\nNEXT"), PLANNED)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_difference_gives_its_reason(count: int) -> None:
    for some in itertools.combinations(CERTIFICATES, count):
        keys = [key for change, _reason in some for key in change]
        if len({*keys}) < len(keys):
            continue  # both change the names
        certificate = CERTIFICATE
        for change, _reason in some:
            certificate = replace(certificate, **change)
        reasons = reasons_to_issue(replace(INSTALLED, certificate=certificate), PLANNED, NOW)
        assert reasons == [reason for _change, reason in some]
