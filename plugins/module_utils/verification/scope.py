# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts a deployment must touch, because something changed since their last complete deployment. Pure.

The inputs of a host are all that its configuration comes from. A complete deployment records their digests. The digests
are keyed, so that a reader of the records cannot find out a password by trying.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.text import counted, enumerate_names, table

SCHEMA = 1
# The values of `tiers_scope`
ALL, CHANGED = "all", "changed"
# The end of a certificate, as openssl prints it in the C locale
CERTIFICATE_END = "%b %d %H:%M:%S %Y %Z"
UNTOUCHED = (
    "This run trusts their records and does not look at these hosts. It does not find what was changed by hand or by "
    "other programs: a run without tiers_scope does."
)

# By kind, for example `variables`: each input by its name
Inputs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RecordedHost:
    """A host of the run, as the plan and its answer have it."""

    inputs: Inputs
    # What enters its files and cannot be compared, with the reason
    incomparable: tuple[str, ...] = ()
    # Why it could not be read
    unread: str = ""
    # The records that a host of its kind lacks: of a server, of a voter
    lacks: tuple[str, ...] = ()
    # It was a voter, and the plan does not have it as one.
    former_voter: bool = False
    # An operation stopped its traffic and did not complete.
    closed: bool = False
    # It has a certificate of the system's CA, which a deployment renews so many days before its end.
    renew_days: int | None = None
    # The record of its last complete deployment
    recorded: Any = None


def seal(key: bytes, host: str, inputs: Inputs) -> dict[str, Any]:
    """The record of a complete deployment with these inputs. The short digests only tell which input has changed."""
    found = {
        kind: {name: _digest(key, [host, kind, name, value]) for name, value in sorted(named.items())}
        for kind, named in sorted(inputs.items())
    }
    return {
        "schema": SCHEMA,
        "key": _digest(key, "key")[:8],
        "digest": _digest(key, found),
        "inputs": {kind: {name: one[:8] for name, one in named.items()} for kind, named in found.items()},
    }


def reasons(host: RecordedHost, sealed: Mapping[str, Any] | None, now: datetime) -> list[str]:
    """Why a deployment must touch the host; none if it would find the same inputs as the last complete one. `sealed`:
    the record that a deployment would write; None if the system has no key for digests."""
    if host.unread:
        return [host.unread]
    if host.lacks:
        return [f"it has no record of a deployment {' and '.join(host.lacks)}"]
    why = ["it was a voter of the arbiter"] if host.former_voter else []
    if host.closed:
        why.append("an interrupted run left it closed to clients")
    if not host.inputs:
        return why
    if sealed is None:
        return [*why, "the key of the CA is not on this controller, and digests need it"]
    recorded = host.recorded
    if not isinstance(recorded, Mapping) or recorded.get("schema") != SCHEMA:
        return [*why, "no complete deployment is recorded"]
    if recorded.get("key") != sealed["key"]:
        return [*why, "the key of the CA is another one, so digests cannot be compared"]
    if host.incomparable:
        why.append(f"it depends on what cannot be compared: {enumerate_names(host.incomparable)}")
    if not hmac.compare_digest(str(recorded.get("digest")), sealed["digest"]):
        why.append(f"changed: {'; '.join(_changes(recorded.get('inputs'), sealed['inputs'])) or 'its inputs'}")
    if host.renew_days is not None:
        why += _renewal(recorded.get("certificate_ends"), host.renew_days, now)
    return why


def describe(found: Mapping[str, list[str]], scope: str) -> str:
    """The hosts that a run with tiers_scope=changed touches, each with the reasons, and what it leaves out."""
    if scope == ALL:
        return ""
    rows = [(host, "; ".join(why)) for host, why in found.items() if why]
    left = len(found) - len(rows)
    texts = [table(("HOST", "WHY IT IS DEPLOYED"), rows)] if rows else []
    if left:
        texts.append(f"{counted(left, 'host')} not touched: nothing that this run compares has changed. {UNTOUCHED}")
    return "\n\n".join(texts)


def _changes(before: Any, after: Inputs) -> Iterator[str]:
    """By kind, the names of the inputs that differ. Never their values."""
    known = before if isinstance(before, Mapping) else {}
    for kind in sorted({*known, *after}):
        old, new = known.get(kind, {}), after.get(kind, {})
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        if names:
            yield f"{kind}: {enumerate_names(names)}"


def _renewal(ends: Any, renew_days: int, now: datetime) -> Iterator[str]:
    try:
        end = datetime.strptime(str(ends), CERTIFICATE_END).replace(tzinfo=UTC)
    except ValueError:
        yield "the end of its certificate is not recorded"
        return
    if end <= now + timedelta(days=renew_days):
        yield f"its certificate ends at {end:%Y-%m-%d %H:%M} UTC (host_certificate_renew_days: {renew_days})"


def _digest(key: bytes, value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hmac.new(key, text.encode("utf-8", "backslashreplace"), hashlib.sha256).hexdigest()
