# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Ansible's own loader find the collection, before any test imports it; let nothing use what Ansible deprecates."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.display import Display
from hypothesis import settings

os.environ["ANSIBLE_DEPRECATION_WARNINGS"] = "true"
init_plugin_loader([str(Path(__file__).parents[2] / ".cache" / "collections")])

from ansible_collections.distributed.tiers.tests.unit.inventories import (  # noqa: E402
    inventory_text,
    judge,
    read,
    vault,
)

__all__ = ["inventory_text", "judge", "read", "vault"]

# Continuous integration judges a change, so it gives every change the same examples; at a desk the search goes on.
# Slow machines may be slow.
settings.register_profile("collection", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("collection")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that take longest where several run at once, so that none is left for the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.parent.name not in ("roles", "playbooks"))


@pytest.fixture(autouse=True)
def nothing_deprecated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test at each deprecation of Ansible, in this process and in the commands that the test runs."""
    said: list[str] = []
    display, run = Display.display, subprocess.run

    def listen(text: Any) -> None:
        if isinstance(text, str) and "[DEPRECATION WARNING]" in text:
            said.append(text[text.index("[DEPRECATION WARNING]") :])

    def displaying(self: Display, msg: str, *arguments: Any, **options: Any) -> Any:
        listen(msg)
        return display(self, msg, *arguments, **options)

    def running(*arguments: Any, **options: Any) -> Any:
        done = run(*arguments, **options)  # pylint: disable=subprocess-run-check
        listen(done.stdout)
        listen(done.stderr)
        return done

    monkeypatch.setattr(Display, "display", displaying)
    monkeypatch.setattr(subprocess, "run", running)
    yield
    assert not said, "\n".join(said)
