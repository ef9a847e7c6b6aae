# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the arguments of filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def mapping(plugin: str, what: str, value: Any) -> Mapping[str, Any]:
    """A dict, or an error that names the filter."""
    if not isinstance(value, Mapping):
        raise AnsibleFilterError(f"{plugin}: {what} must be a dict, not {type(value).__name__}")
    return value
