# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server on this host takes clients, read from what stops its traffic and from the record beside it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import execute

# An operation writes it before it stops the traffic and removes it after traffic runs again. `complete` marks a drain
# that ended: it lasts until `undrain` or a boot.
RECORD = Path("/etc/ansible/facts.d/tiers_drained.fact")
TABLE = "tiers_drain"
# A node of a pair serves only while the first of these runs that its host starts at boot. With a lease, keepalived only
# moves an address.
FAILOVER = ("tiers-failover.service", "keepalived.service")
# Debian enables keepalived, which does not start without this file. The package stays on a host that was in a pair.
CONFIG = Path("/etc/keepalived/keepalived.conf")

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The last step of a deployment writes it.
DEPLOYED = Path("/etc/ansible/facts.d/tiers.fact")

OPEN, DRAINED, INTERRUPTED, NOT_DEPLOYED = "open", "drained", "interrupted", "not deployed"


@dataclass(frozen=True)
class Traffic:
    """`state` is OPEN, DRAINED, INTERRUPTED or, where nothing stops the traffic, NOT_DEPLOYED. `why` describes the 2nd
    and the 3rd."""

    state: str
    why: str = ""


def judge(record: str | None, *, has_table: bool, failover_stopped: str, is_deployed: bool) -> Traffic:
    """The state of the traffic. `record` is the text of the record, None where there is none. `failover_stopped`
    names the program that elects this node, or holds its lease, if it was stopped."""
    operation = ""
    if record is not None:
        operation, complete = _parse(record)
        if complete:
            return Traffic(DRAINED, "this host is drained, undrain starts its traffic")
    found = [f"nftables table {TABLE}"] if has_table else []
    found += [f"{failover_stopped} is enabled and stopped"] if failover_stopped else []
    found += [f"record of an unfinished {operation}"] if operation else []
    if not found:
        return Traffic(OPEN if is_deployed else NOT_DEPLOYED)
    return Traffic(
        INTERRUPTED, f"an interrupted run left this host closed to clients ({', '.join(found)}): run deploy or undrain"
    )


def read(timeout: float) -> Traffic:
    """The state of the traffic on this host. Needs root. Raises Unavailable where nft or systemctl does not answer."""
    record = RECORD.read_text(encoding="utf-8") if RECORD.exists() else None
    return judge(
        record,
        has_table=_has_table(timeout),
        failover_stopped=_failover_stopped(timeout),
        is_deployed=DEPLOYED.exists(),
    )


def _parse(record: str) -> tuple[str, bool]:
    """The operation that wrote the record, and whether it is a drain that ended; earlier releases recorded no other."""
    try:
        fields = json.loads(record)
    except ValueError:
        fields = None  # the host lost power while it was written
    if not isinstance(fields, dict):
        return "operation", False
    return str(fields.get("operation") or "drain"), bool(fields.get("complete", True))


def _has_table(timeout: float) -> bool:
    nft = shutil.which("nft", path=_PATH)
    return bool(nft) and execute([str(nft), "list", "table", "inet", TABLE], os.environ, timeout)[0] == 0


def _failover_stopped(timeout: float) -> str:
    systemctl = shutil.which("systemctl", path=_PATH)
    if not systemctl:
        return ""
    units = FAILOVER if CONFIG.exists() else FAILOVER[:1]
    show = [systemctl, "show", "--property=Id,ActiveState,UnitFileState", *units]
    return find_stopped(execute(show, os.environ, timeout)[1])


def find_stopped(shown: str) -> str:
    """The unit of FAILOVER that decides whether this node serves, if it was stopped; else empty.

    `shown`: what `systemctl show` printed of them.
    """
    units = [dict(line.split("=", 1) for line in unit.split() if "=" in line) for unit in shown.split("\n\n")]
    states = {unit.get("Id"): unit.get("ActiveState") for unit in units if unit.get("UnitFileState") == "enabled"}
    decides = next((name for name in FAILOVER if name in states), "")
    return decides.removesuffix(".service") if states.get(decides) in ("inactive", "failed") else ""
