# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease by which a failover agent decides which node acts, seen from its product.

The agent runs the hooks of the product. They read two files here: `position` has the newest term of this node, and
`acting` exists while it acts. The agent publishes the position with the lease, and writes what the arbiter answered to
a file of its own: see docs/arbiter.md, "Positions".
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

# Terms of one lease: its holder begins one more each time it leaves its peer behind.
TERMS = 1 << 10
LOOK_SECONDS = 0.05


class Lease:
    """The files that agent and product share. `answered` is the agent's, the others are in `data`."""

    def __init__(self, answered: Path, data: Path, patience: float = 3) -> None:
        self._answered = answered
        self._position, self._acting = data / "position", data / "acting"
        # Seconds within which the agent reads a new position and publishes it.
        self._patience = patience
        self._published_term = 0
        self._written: tuple[int, bool] | None = None

    @property
    def first_term(self) -> int:
        """A term that no holder of a former lease has reached. Each lease has a larger number than the one before."""
        return int(self._read().get("epoch", 0)) * TERMS

    @property
    def is_held(self) -> bool:
        """Whether this node holds the lease, as the arbiter answered last."""
        return self._is_holder(self._read())

    @staticmethod
    def _is_holder(found: dict[str, Any]) -> bool:
        return bool(found) and found["holder"] == found["name"]

    def record(self, term: int, acting: bool) -> None:
        if (term, acting) == self._written:
            return
        new = self._position.with_suffix(".new")
        new.write_text(f"term {term}\n")
        new.replace(self._position)
        if acting:
            self._acting.touch()
        else:
            self._acting.unlink(missing_ok=True)
        self._written = (term, acting)

    def is_published(self, term: int) -> bool:
        """Whether the arbiter knows that this node holds the lease and has this term. Waits for a moment."""
        end = time.monotonic() + self._patience
        while self._published_term < term:
            found = self._read()
            if self._is_holder(found):
                self._published_term = dict(found["position"] or []).get("term", 0)
            if self._published_term >= term:
                break
            if time.monotonic() >= end:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._answered.read_text())
        except (OSError, ValueError):
            return {}
        return found
