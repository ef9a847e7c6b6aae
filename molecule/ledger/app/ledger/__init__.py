# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Named rows over HTTP. Masters, in a pair, hold them; members keep sessions and ask the active master for rows."""

from __future__ import annotations
