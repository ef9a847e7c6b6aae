# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory describes as the service, as its role uses it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service
author: The distributed.tiers authors (@distributed)
version_added: 0.1.0
short_description: The description of a service, filled in for this host
description:
  - Gives C(tiers_service) with its templates filled in and its defaults added, both as the option of that name in the
    argument specs of the role P(distributed.tiers.product_service#role) says.
  - In the templates the variable C(service) is in reach, which the description itself is needed for.
options:
  _terms:
    description:
      - The keys of the description that are wanted. Without any it is all of them.
      - What is not wanted is not looked at, so it may hold templates that only servers can fill in.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show how the service is started on this host
  ansible.builtin.debug:
    msg: "{{ lookup('distributed.tiers.service', 'command').command }}"
"""

RETURN = r"""
_raw:
  description: One dictionary, the description. Its key C(about) is what templates see as C(service).
  type: list
  elements: dict
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.lookup import LookupBase

SPECS = Path(__file__).parents[2] / "roles/product_service/meta/argument_specs.yml"
NEEDED = ("name", "port", "tls", "local_port", "version", "timeouts")
TLS = "/etc/tiers/tls"
RELAY_PORT = 10636


@lru_cache(maxsize=1)
def options() -> dict[str, Any]:
    """The options of the description, each as an argument spec."""
    specs = yaml_load(SPECS.read_text(encoding="utf-8"))["argument_specs"]
    result: dict[str, Any] = specs["install"]["options"]["tiers_service"]["options"]
    return result


def filled(description: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    """The keys of the description with the defaults of those that are missing; complains of all that is wrong."""
    known = options()
    result = ArgumentSpecValidator({key: known[key] for key in keys}).validate(
        {key: value for key, value in description.items() if key in keys}
    )
    if result.error_messages:
        raise AnsibleLookupError(f"tiers_service: {'; '.join(result.error_messages)}")
    return dict(result.validated_parameters)


def about(head: Mapping[str, Any], server: Mapping[str, Any], upstream: tuple[str, Any]) -> dict[str, Any]:
    """What templates see as `service`."""
    name = head["name"]
    terminated = head["tls"] == "terminated"
    return {
        "name": name,
        "version": server.get("version") or head["version"] or "",
        "release": f"/opt/{name}/current",
        "config": f"/etc/{name}",
        "data": f"/var/lib/{name}",
        # Where the program itself listens.
        "port": head["local_port"] if terminated else server.get("port") or head["port"],
        "bind": "127.0.0.1" if terminated else "",
        "upstream_host": upstream[0],
        "upstream_port": upstream[1],
        "tls": {"ca": f"{TLS}/ca.crt", "certificate": f"{TLS}/server.crt", "key": f"{TLS}/server.key"},
        "timeouts": head["timeouts"],
    }


class LookupModule(LookupBase):
    """The description of the service for the host whose variables these are."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        if unknown := sorted(set(terms) - set(options())):
            raise AnsibleLookupError(f"tiers_service has no key {', '.join(unknown)}")
        # Not by the name of the variable: that would fill in all of it, and `service` is needed for that.
        raw = variables.get("tiers_service")
        if isinstance(raw, str):
            raw = self._templar.template(raw)
        if not isinstance(raw, Mapping):
            raise AnsibleLookupError("tiers_service is to describe the service, see the role product_service")
        head = filled(self._templar.template({key: raw[key] for key in NEEDED if key in raw}), list(NEEDED))
        relay = self._templar.template(variables.get("common_relay_port", RELAY_PORT))
        domain = (variables.get("tiers_plan") or {}).get("domain", "")
        service = about(head, variables.get("tiers_server") or {}, (f"upstream.{domain}", relay))
        keys = list(terms) or list(options())
        templar = self._templar.copy_with_new_env(available_variables={**variables, "service": service})
        return [{**filled(templar.template({key: raw[key] for key in keys if key in raw}), keys), "about": service}]
