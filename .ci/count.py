"""Add up what test runners wrote as JUnit XML below a directory: N passed, N failed."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

total = failed = skipped = 0
for path in Path(sys.argv[1]).rglob("*.xml"):
    for case in ET.parse(path).iter("testcase"):
        total += 1
        failed += any(case.find(kind) is not None for kind in ("failure", "error"))
        skipped += case.find("skipped") is not None
print(f"{total - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
