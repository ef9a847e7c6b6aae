"""Name what failed and why, and add up what test runners wrote as JUnit XML below a directory: N passed, N failed."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# A promise that a drill found broken, and what Ansible stopped at.
_SHOWN = re.compile(r"\bBROKEN\b|^fatal: |^failed: |\[ERROR\]")
_LINES, _LENGTH = 20, 600


def reasons(log: Path) -> Iterator[str]:
    """The last lines of a step's output that tell why it failed, each once."""
    lines = (_COLOUR.sub("", line).lstrip(" │").rstrip() for line in log.read_text(errors="replace").splitlines())
    shown = dict.fromkeys(line[:_LENGTH] for line in lines if _SHOWN.search(line))
    yield from list(shown)[-_LINES:]


results = Path(sys.argv[1])
total = failed = skipped = 0
for path in sorted(results.rglob("*.xml")):
    for case in ET.parse(path).iter("testcase"):
        why = [found for kind in ("failure", "error") if (found := case.find(kind)) is not None]
        total += 1
        failed += bool(why)
        skipped += case.find("skipped") is not None
        for found in why:
            print(f"FAILED {path.stem}: {case.get('name')}: {found.get('message', '')[-2000:]}")
for log in sorted(results.glob("*.failed")):
    print(f"FAILED {log.stem}", *reasons(log), sep="\n  ")
print(f"{total - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
