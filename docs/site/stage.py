# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out what Sphinx reads: the pages of docs/, and the READMEs of the roles as pages beside them.

A link out of docs/ leads to a page of the site where there is one, else to the file in the repository. A link to
something that is not there is an error. Addresses outside are listed in external.txt and not fetched.

Usage: stage.py DIRECTORY
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

import yaml

DOCS = Path(__file__).resolve().parents[1]
REPOSITORY = DOCS.parent
BROWSE = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
# [text](target#anchor), and what is shown as code, in which nothing is a link.
LINK = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|(?<=\]\()(?P<target>[^)\s]+)(?=\))", re.DOTALL)


def places() -> dict[str, str]:
    """Which file of the repository becomes which page."""
    pages = {f"docs/{path.relative_to(DOCS)}": str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    pages["docs/site/index.md"] = "index.md"
    return pages | {f"roles/{path.parent.name}/README.md": f"roles/{path.parent.name}.md" for path in roles()}


def roles() -> list[Path]:
    return sorted(REPOSITORY.glob("roles/*/README.md"))


def stage(directory: Path) -> list[str]:
    """Write the pages, and tell what is wrong with their links."""
    pages = places()
    problems: list[str] = []
    outside: set[str] = set()

    def lead(source: str, page: str, link: str) -> str:
        target, hash_sign, anchor = link.partition("#")
        if "://" in target:
            outside.add(link)
            return link
        if not target:
            return link
        # The page that the site begins with lies among its pages.
        base = "docs" if page == "index.md" else posixpath.dirname(source)
        path = posixpath.normpath(posixpath.join(base, target))
        if path in pages:
            return posixpath.relpath(pages[path], posixpath.dirname(page) or ".") + hash_sign + anchor
        if not (REPOSITORY / path).exists():
            problems.append(f"{source}: {link} leads nowhere")
        if (REPOSITORY / path).suffix in (".svg", ".png"):
            copy = directory / "pictures" / posixpath.basename(path)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / path, copy)
            return posixpath.relpath(f"pictures/{copy.name}", posixpath.dirname(page) or ".")
        return f"{BROWSE}/blob/main/{path}{hash_sign}{anchor}"

    for source, page in pages.items():
        text = (REPOSITORY / source).read_text(encoding="utf-8")

        def led(match: re.Match[str], source: str = source, page: str = page) -> str:
            return match["code"] or lead(source, page, match["target"])

        path = directory / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LINK.sub(led, text), encoding="utf-8")
    (directory / "external.txt").write_text("".join(f"{link}\n" for link in sorted(outside)), encoding="utf-8")
    return problems


if __name__ == "__main__":
    if found := stage(Path(sys.argv[1])):
        sys.exit("\n".join(found))
