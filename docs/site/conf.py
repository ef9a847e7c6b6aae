# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx builds the documentation site. Nothing in it is fetched when it is built, nor when it is read."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes

project = "distributed.tiers"
copyright = "the distributed.tiers authors, GPL-3.0-or-later"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = ["reference/environment_variables.rst"]

# The anchors of headings are those that GitHub makes.
myst_heading_anchors = 3
# The words of the examples are not all words of a language.
highlight_language = "text"
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "distributed.tiers"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["site.css"]

# What the reference says of Ansible itself is on Ansible's own site, which is not asked.
ANSIBLE = "https://docs.ansible.com/ansible/latest"
PAGES = {
    "common_return_values": f"{ANSIBLE}/reference_appendices/common_return_values.html",
    "action_plugins": f"{ANSIBLE}/plugins/action.html",
}


def lead_to_ansible(_app: Any, _env: Any, node: Any, shown: Any) -> Any:
    """A reference to a plugin of Ansible or a page of its documentation, which no page here has."""
    target = node.get("reftarget", "")
    found = re.fullmatch(r"ansible_collections\.(\w+)\.(\w+)\.(\w+)", target)
    page = f"{ANSIBLE}/collections/{'/'.join(found.groups())}.html" if found else PAGES.get(target)
    if page is None or (found and found[1] == "distributed"):
        return None
    return nodes.reference("", "", shown, internal=False, refuri=page)


def setup(app: Any) -> None:
    app.connect("missing-reference", lead_to_ansible)
