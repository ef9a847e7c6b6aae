#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_files
short_description: Record the settings of a host as they were deployed
version_added: 0.1.0
author:
  - The distributed.tiers authors (@distributed-tiers)
description:
  - Writes the checksums of the settings on the host it runs on to C(/var/lib/tiers/deployed-files.json). The option
    O(distributed.tiers.tier_host#module:files) of M(distributed.tiers.tier_host) compares the files with them.
  - With O(only), the record of all other files stays as it is.
  - Runs at the end of a deployment, so a file that an interrupted run changed differs from the record.
options:
  paths:
    description: Files to record besides those of the collection itself.
    type: list
    elements: path
    default: []
  only:
    description:
      - Record these files and no other. A file that does not exist leaves the record.
      - Without a record, which a deployment writes first, nothing is recorded.
    type: list
    elements: path
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
"""

EXAMPLES = r"""
- name: Record the settings as they were deployed
  distributed.tiers.tier_files:
    paths: [/etc/ldap/ldap.conf]

- name: Record the files of the monitoring
  distributed.tiers.tier_files:
    only: [/etc/tiers-monitoring/metrics]
"""

RETURN = r"""
count:
  description: How many files were recorded.
  returned: always
  type: int
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks


def run(module: AnsibleModule) -> dict[str, Any]:
    record = host_checks.DEPLOYED_FILES
    only = module.params["only"]
    if only is None:
        checksums = host_checks.read_checksums([*host_checks.SETTINGS, *module.params["paths"]])
    elif not record.exists():
        return {"changed": False, "count": 0}
    else:
        known = json.loads(record.read_text(encoding="utf-8"))
        others = {path: checksum for path, checksum in known.items() if path not in only}
        checksums = dict(sorted({**others, **host_checks.read_checksums(only)}.items()))
    text = json.dumps(checksums, indent=2) + "\n"
    is_changed = not record.exists() or record.read_text(encoding="utf-8") != text
    if is_changed and not module.check_mode:
        record.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = record.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(text, encoding="utf-8")
        new.rename(record)
    return {"changed": is_changed, "count": len(checksums)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": []},
            "only": {"type": "list", "elements": "path"},
        },
        supports_check_mode=True,
    )
    module.exit_json(**run(module))


if __name__ == "__main__":
    main()
