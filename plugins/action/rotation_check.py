# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from ansible_collections.distributed.tiers.plugins.action.certificate_check import PEM, parse_certificate
from ansible_collections.distributed.tiers.plugins.module_utils.verification.rotation import (
    ANOTHER,
    CURRENT,
    ISSUE,
    NEXT,
    Authorities,
    HostCertificates,
    describe,
    list_refusals,
    needed_hosts,
    rounds_of,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction, answers_of, refusal

OWN_CERTIFICATES = (
    "Every host has a certificate of your own (host_certificate). Replace them in the inventory and run deploy."
)
NEEDS_NEXT = (
    "The CA comes from tiers_ca_certificate, so this run cannot store another one. Create the next CA as docs/awx.md "
    "shows, and set tiers_ca_next_certificate and tiers_ca_next_key."
)
NO_CA = "There is no CA on this controller. Set tiers_ca_dir, or tiers_ca_certificate and tiers_ca_key."


class ActionModule(JudgingAction):
    """Check how far a rotation of the certificates is, and whether it may go on."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "authorities": {"type": "dict", "required": True},
        "replaces_ca": {"type": "bool", "default": False},
        "hours": {"type": "float", "required": True},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan, given = options["plan"], options["authorities"]
        current, following = PEM.findall(given["current"]), PEM.findall(given["next"])
        own_ca = parse_certificate(current[0]) if current else None
        ca = Authorities(own_ca.begins if own_ca else None, bool(following), bool(given["given"]))
        now = datetime.now(UTC)
        rounds = rounds_of(ca, options["replaces_ca"], now, options["hours"])

        answers = answers_of(variables, "tiers_hosts")
        own = {host for host, text in answers.values("host_certificate", "").items() if text}
        read = answers.of("tiers_certificate_read")
        needed = [host for host in needed_hosts(plan, variables["groups"]["all"]) if host not in own]
        unread = {host: str(one.get("msg") or "no certificate") for host, one in read.items() if one.get("rc") != 0}
        states = {
            host: state
            for host in needed
            if host in read and (state := state_of(str(read[host].get("stdout", "")), current, following))
        }
        wrong = list_refusals(plan, needed, {*read}, unread, answers.recorded(), rounds != [ISSUE])
        if not needed:
            wrong = [OWN_CERTIFICATES]
        elif not current:
            wrong = [NO_CA]
        elif options["replaces_ca"] and ca.given and not ca.has_next and len(rounds) > 1:
            wrong = [NEEDS_NEXT]
        hosts = [host for host in needed if host in read]
        return {
            "rounds": rounds,
            "hosts": hosts,
            "creates_ca": len(rounds) > 1 and not ca.has_next,
            # The next CA has issued no certificate before this rotation.
            "issued_since": 1.0 if len(rounds) > 1 else (now - timedelta(hours=options["hours"])).timestamp(),
            "text": describe(states, rounds, len(hosts), ca),
            "forbidden": refusal(wrong, variables),
        }


def state_of(text: str, current: Sequence[str], following: Sequence[str]) -> HostCertificates | None:
    """The certificate of a host and the CAs it trusts, from their texts one after the other. None: no certificate."""
    found = PEM.findall(text)
    names = {pem.strip(): CURRENT for pem in current} | {pem.strip(): NEXT for pem in following}
    certificate = parse_certificate(found[0], list(names)) if found else None
    if certificate is None:
        return None
    issuer = ANOTHER if certificate.issuer is None else [*names.values()][certificate.issuer]
    trusts = dict.fromkeys(names.get(pem.strip(), ANOTHER) for pem in found[1:])
    return HostCertificates(certificate.begins, certificate.ends, issuer, tuple(trusts))
