# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an operation must not begin, by what its check found, and what the operator can do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Ansible masks a secret wherever its characters appear in a result.
SHORTEST_PASSPHRASE = 8


def restart_reasons(found: Mapping[str, Any], loss_confirmed: bool) -> list[str]:
    """Why a server must not restart now, by what `maintenance.restart` found."""
    if loss_confirmed or not found["lost"]:
        return []
    remedy = "Start them and run this again, or accept the loss: -e tiers_restart_confirm=true."
    return [*found["lost"], *found["missing"], remedy]


def upgrade_reasons(found: Mapping[str, Any], loss_confirmed: bool) -> list[str]:
    """Why no server must be upgraded now, by what `upgrade.check_upgrade` found."""
    if found["wrong"] or loss_confirmed or not found["ill"]:
        return list(found["wrong"])
    return [*found["ill"], "Repair this first, or accept it: -e tiers_restart_confirm=true."]


def drain_reasons(found: Mapping[str, Any], loss_confirmed: bool) -> list[str]:
    """Why servers must not be drained now, by what `maintenance.drain` found."""
    return [*found["wrong"], *_loss(found, loss_confirmed)]


def undrain_reasons(found: Mapping[str, Any]) -> list[str]:
    """Why no traffic must be started, by what `maintenance.undrain` found."""
    return list(found["wrong"])


def retire_reasons(found: Mapping[str, Any], confirmed: bool) -> list[str]:
    """Why servers must not be removed now, by what `maintenance.retire` found."""
    if found["wrong"]:
        return list(found["wrong"])
    return [] if confirmed else ["This removes a server from its host. Allow it: -e tiers_retire_confirm=true."]


def replace_reasons(found: Mapping[str, Any], confirmed: bool) -> list[str]:
    """Why new machines must not be deployed now, by what `maintenance.replace` found."""
    if found["wrong"]:
        return list(found["wrong"])
    ask = (
        "Make sure that each old machine is switched off and stays off. Then confirm it: -e tiers_replace_confirm=true."
    )
    return [] if confirmed else [ask]


def switch_over_reasons(found: Mapping[str, Any]) -> list[str]:
    """Why no node must step down now, by what `maintenance.switch_over` found."""
    return list(found["wrong"])


def pause_reasons(found: Mapping[str, Any]) -> list[str]:
    """Why automatic failover must not be paused or resumed, by what `maintenance.pause_failover` found."""
    return list(found["wrong"])


def resync_reasons(found: Mapping[str, Any], confirmed: bool, loss_confirmed: bool) -> list[str]:
    """Why the data of a server must not be replaced now, by what `maintenance.resync` found."""
    ask = [] if confirmed else ["This replaces the data of a server. Allow it: -e tiers_resync_confirm=true."]
    return [*found["wrong"], *_loss(found, loss_confirmed), *ask]


def drill_reasons(confirmed: bool, clients: Sequence[str]) -> list[str]:
    """Why a drill must not begin now."""
    ask = [] if confirmed else ["A drill breaks servers on purpose. Allow it: -e tiers_drill_confirm=true."]
    return ask if clients else [*ask, "A drill needs a host in the group of clients, to put load on the servers."]


def ca_reasons(system: str, directory: str, passphrase_length: int, is_lost: bool, is_second: bool) -> list[str]:
    """Why the CA of a system must not be created now. `is_lost`: AWX removes its directory after this job.
    `is_second`: the system has another CA."""
    reasons = []
    if 0 < passphrase_length < SHORTEST_PASSPHRASE:
        characters = "1 character" if passphrase_length == 1 else f"{passphrase_length} characters"
        reasons.append(
            f"tiers_ca_passphrase has {characters}. It must have {SHORTEST_PASSPHRASE} or more: Ansible masks a secret "
            "wherever its characters appear, and those of a short one also appear in certificates, which Ansible would "
            "break."
        )
    if is_lost:
        reasons.append(
            f"The CA of {system} would be created in {directory}, which AWX removes after this job. Create the CA with "
            "openssl as docs/awx.md shows, and set tiers_ca_certificate and tiers_ca_key in awx_secrets. Or mount a "
            "persistent directory into the containers of jobs (Settings, Jobs, Paths to expose to isolated jobs), and "
            "set tiers_ca_dir to a directory in it."
        )
    if is_second:
        reasons.append(
            f"There is no CA in {directory}, but hosts of the system have certificates of a CA, or servers outside the "
            "limit could not be read. Set tiers_ca_dir, or tiers_ca_certificate and tiers_ca_key, to the existing CA. "
            "Or issue all certificates again: -e host_ca_make=true."
        )
    return reasons


def _loss(found: Mapping[str, Any], confirmed: bool) -> list[str]:
    """The service that would be lost, and the remedy, unless the operator accepts the loss."""
    if confirmed or not found["lost"]:
        return []
    return [*found["lost"], "Make another server ready first, or accept the loss: -e tiers_drain_confirm=true."]
