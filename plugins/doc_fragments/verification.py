# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several filters take that ask a deployed system, or judge its answers."""

from __future__ import annotations


class ModuleDocFragment:
    PLAN = r"""
options:
  plan:
    description: The plan, as M(distributed.tiers.topology_validate) returns it.
    type: dict
    required: true
"""

    OFFERS = r"""
options:
  offers:
    description: What the product offers to probes, see P(distributed.tiers.probe_offers#filter). Else it is all.
    type: list
    elements: str
"""

    PROTOCOL = r"""
options:
  protocol:
    description: The protocol to speak in place of the plan's, where the product's role says so.
    type: str
"""

    ANSWERS = r"""
options:
  _input:
    description:
      - For each server, what M(distributed.tiers.tier_probe) returned there about itself. A host that did not answer
        may have no edges.
    type: dict
    required: true
"""
