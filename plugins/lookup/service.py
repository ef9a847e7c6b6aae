# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of the service in the inventory, in the form that its role uses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service
author: The distributed.tiers authors (@distributed)
version_added: 0.1.0
short_description: The description of a service, filled in for this host
description:
  - Returns C(tiers_service) with its templates rendered and its defaults added. The option C(tiers_service) of the role
    P(distributed.tiers.product_service#role) describes both.
  - The templates can use the variable C(service), which is computed from the description itself.
options:
  _terms:
    description:
      - The keys of the description to return. By default all.
      - Other keys are not rendered, so they may have templates that only servers can render.
      - Three more follow from the description. V(access) returns C(tiers_probe_access) of the product contract,
        V(balancing) the parts of C(tiers_balancing) except the times, and V(watchdog) the parts of the health check
        that the watchdog does differently.
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
  description:
    - One dictionary, the description. Its key C(about) is the variable C(service) of the templates. C(check.secret) is
      true if the text of the check comes from a template or a vault.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.lookup import LookupBase

from ansible_collections.distributed.tiers.plugins.module_utils.services.health_checks import (
    balancing,
    probe_access,
    watchdog_changes,
)

try:
    from ansible.template import is_trusted_as_template, trust_as_template
except ImportError:  # ansible-core 2.18 takes every text for a template.

    def is_trusted_as_template(value: Any) -> bool:
        return True

    def trust_as_template(value: Any) -> Any:
        return value


SPECS = Path(__file__).parents[2] / "roles/product_service/meta/argument_specs.yml"
NEEDED = ("name", "port", "tls", "local_port", "version", "timeouts")
TLS = "/etc/tiers/tls"
RELAY_PORT = 10636
# What follows from the description, and from which of its keys
DERIVED: dict[str, tuple[str, ...]] = {
    "access": ("probe",),
    "balancing": ("protocol", "local_port", "check", "timeouts", "drain"),
    "watchdog": ("check", "probe"),
}
# What is sent to the service.
SENT = (("check", "send"), ("probe", "tcp", "send"))


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
    """The variable `service` of templates."""
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


def is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def with_escapes(part: Any, path: list[str]) -> Any:
    """The same part with carriage returns of what is sent as escapes: Jinja makes line feeds of them in a template."""
    if not path:
        if not (isinstance(part, str) and is_template(part) and "\r" in part):
            return part
        escaped = part.replace("\r", "\\r")
        return trust_as_template(escaped) if is_trusted_as_template(part) else escaped
    if not isinstance(part, Mapping) or path[0] not in part:
        return part
    return {**part, path[0]: with_escapes(part[path[0]], path[1:])}


def holds_secret(check: Any) -> bool:
    """Whether what a check sends may hold a secret: it is anything but a plain text in the inventory."""
    if not isinstance(check, Mapping):
        return check is not None
    sent = check.get("send")
    return sent is not None and not (isinstance(sent, str) and not is_template(sent))


def question(raw: Mapping[str, Any], fill: Callable[[Any], Any]) -> dict[str, Any]:
    """The text to send to the service over TCP or TLS, and the expected answer; empty if a connection is enough.

    Only these two keys of the check are templated: clients ask, too, and the other keys may use variables that only
    servers have.
    """
    probe, check = raw.get("probe") or {}, raw.get("check") or {}
    tcp = probe.get("tcp") if isinstance(probe, Mapping) else probe
    filled_probe = fill(probe)
    filled_tcp = filled_probe.get("tcp") if isinstance(filled_probe, Mapping) else None
    for source, given in ((tcp, filled_tcp), (check, check)):
        given = given if isinstance(given, Mapping) else fill(given)
        if isinstance(given, Mapping) and (found := {key: given[key] for key in ("send", "expect") if given.get(key)}):
            return {key: str(fill(value)) for key, value in found.items()} | {"secret": holds_secret(source)}
    return {}


class LookupModule(LookupBase):
    """The description of the service for the host whose variables these are."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        variables = variables or {}
        self.set_options(var_options=variables, direct=kwargs)
        if unknown := sorted({*terms} - {*options(), *DERIVED}):
            raise AnsibleLookupError(f"tiers_service has no key {', '.join(unknown)}")
        # Not by the name of the variable: that would fill in all of it, and `service` is needed for that.
        raw = variables.get("tiers_service")
        if isinstance(raw, str):
            raw = self._templar.template(raw)
        if not isinstance(raw, Mapping):
            raise AnsibleLookupError("tiers_service is to describe the service, see the role product_service")
        raw = {**raw, **{key: with_escapes(raw[key], path) for key, *path in SENT if key in raw}}
        head = filled(self._templar.template({key: raw[key] for key in NEEDED if key in raw}), list(NEEDED))
        relay = self._templar.template(variables.get("balancer_relay_port", RELAY_PORT))
        domain = (variables.get("tiers_plan") or {}).get("domain", "")
        server = variables.get("tiers_server") or {}
        service = about(head, server, (f"upstream.{domain}", relay))
        asked = [term for term in terms if term not in DERIVED] if terms else list(options())
        keys = sorted({*asked, *(key for term in terms for key in DERIVED.get(term, ()))})
        templar = self._templar.copy_with_new_env(available_variables={**variables, "service": service})
        found = filled(templar.template({key: raw[key] for key in keys if key in raw}), keys)
        if "check" in found:
            found["check"] = {**found["check"], "secret": holds_secret(raw.get("check"))}
        result = {key: found[key] for key in asked}
        if "access" in terms:
            result["access"] = self.access(found["probe"], question(raw, templar.template))
        if "balancing" in terms:
            result["balancing"] = balancing(found, server.get("proxy_mode") == "cache")
        if "watchdog" in terms:
            result["watchdog"] = watchdog_changes(found["check"], found["probe"], server.get("tls") or "")
        return [{**result, "about": service}]

    @staticmethod
    def access(probe: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return probe_access(probe, asked, TLS)
        except ValueError as error:
            raise AnsibleLookupError(f"tiers_service: probe: {error}") from error
