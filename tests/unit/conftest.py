# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Ansible's own loader find the collection, before any test imports it; and let slow machines be slow."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

init_plugin_loader([str(Path(__file__).parents[2] / ".cache" / "collections")])

# Continuous integration judges a change, so it gives every change the same examples; at a desk the search goes on.
settings.register_profile("collection", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("collection")
