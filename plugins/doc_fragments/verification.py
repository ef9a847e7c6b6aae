# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the filters that return probes of a deployed system."""

from __future__ import annotations


class ModuleDocFragment:
    PROTOCOL = r"""
options:
  protocol:
    description: The protocol to speak in place of the plan's, where the product's role says so.
    type: str
"""
