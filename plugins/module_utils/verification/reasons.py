# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an operation must not begin, by what its check found, and what the operator can do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def restart_reasons(found: Mapping[str, Any], loss_confirmed: bool) -> list[str]:
    """Why a server must not restart now, by what `maintenance.restart` found."""
    if loss_confirmed or not found["lost"]:
        return []
    remedy = "Start them and run this again, or accept the loss: -e tiers_restart_confirm=true."
    return [*found["lost"], *found["missing"], remedy]


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


def switch_over_reasons(found: Mapping[str, Any]) -> list[str]:
    """Why no node must step down now, by what `maintenance.switch_over` found."""
    return list(found["wrong"])


def resync_reasons(found: Mapping[str, Any], confirmed: bool, loss_confirmed: bool) -> list[str]:
    """Why the data of a server must not be replaced now, by what `maintenance.resync` found."""
    ask = [] if confirmed else ["This replaces the data of a server. Allow it: -e tiers_resync_confirm=true."]
    return [*found["wrong"], *_loss(found, loss_confirmed), *ask]


def _loss(found: Mapping[str, Any], confirmed: bool) -> list[str]:
    """The service that would be lost, and the remedy, unless the operator accepts the loss."""
    if confirmed or not found["lost"]:
        return []
    return [*found["lost"], "Make another server ready first, or accept the loss: -e tiers_drain_confirm=true."]
