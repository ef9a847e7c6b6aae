# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that every module takes which speaks a product's protocol; documented in doc_fragments/probing.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols import PROTOCOLS
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import OPERATIONS

ACCESS_SPEC: dict[str, Any] = {
    "access": {
        "type": "dict",
        "default": {},
        "options": {
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "base": {"type": "str"},
            "rows": {"type": "str"},
            "ca_path": {"type": "path"},
            "certificate_path": {"type": "path"},
            "key_path": {"type": "path", "no_log": False},
            "http": {
                "type": "dict",
                "options": {
                    "read": {"type": "str"},
                    "write": {
                        "type": "dict",
                        "options": {
                            "method": {"type": "str", "default": "PUT"},
                            "path": {"type": "str", "required": True},
                            "body": {"type": "raw"},
                        },
                    },
                    "names": {"type": "str"},
                    "remove": {"type": "str"},
                    "status": {"type": "str"},
                    "headers": {"type": "dict"},
                    "user": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                    "token": {"type": "str", "no_log": True},
                },
            },
            "commands": {
                "type": "dict",
                "options": {
                    **{operation: {"type": "list", "elements": "str"} for operation in OPERATIONS},
                    "user": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                },
            },
            "tcp": {
                "type": "dict",
                "options": {
                    "send": {"type": "str"},
                    "send_hex": {"type": "str", "no_log": False},
                    "send_secret": {"type": "str", "no_log": True},
                    "expect": {"type": "str"},
                },
            },
        },
    },
    "timeout": {"type": "float", "default": 5},
}

# Only the directory's own socket is found without.
ADDRESS_NEEDED = [("protocol", protocol, ("address", "port")) for protocol in PROTOCOLS if protocol != "ldapi"]

# A server as the modules that read and write rows take it.
ENDPOINT: dict[str, Any] = {
    "options": {
        "name": {"type": "str", "required": True},
        "address": {"type": "str"},
        "port": {"type": "int"},
        "protocol": {"type": "str", "choices": list(PROTOCOLS), "required": True},
    },
    "required_if": ADDRESS_NEEDED,
}
