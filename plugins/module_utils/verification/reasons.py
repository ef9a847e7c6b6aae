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
    remedy = "Make them serve and run this again, or accept the loss: -e tiers_restart_confirm=true."
    return [*found["lost"], *found["missing"], remedy]
