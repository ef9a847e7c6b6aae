"""Name what failed and add up what test runners wrote as JUnit XML below a directory: N passed, N failed."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

total = failed = skipped = 0
for path in sorted(Path(sys.argv[1]).rglob("*.xml")):
    for case in ET.parse(path).iter("testcase"):
        why = [found for kind in ("failure", "error") if (found := case.find(kind)) is not None]
        total += 1
        failed += bool(why)
        skipped += case.find("skipped") is not None
        for found in why:
            print(f"FAILED {path.stem}: {case.get('name')}: {found.get('message', '')[-2000:]}")
print(f"{total - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
