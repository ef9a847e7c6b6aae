#!/usr/bin/python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Patroni elected this node, the only one that accepts writes: exit code 0 if so, 1 if not, 2 if unknown."""

from __future__ import annotations

import json
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 4


def main() -> int:
    settings = json.loads(Path(f"{sys.argv[0]}.json").read_text(encoding="utf-8"))
    try:
        context = ssl.create_default_context(cafile=settings["ca"])
        with urllib.request.urlopen(settings["url"], timeout=SECONDS, context=context):
            return 0
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return 1
        print(f"Patroni answers {error.code}", file=sys.stderr)
    except OSError as error:
        print(f"Patroni does not answer: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
