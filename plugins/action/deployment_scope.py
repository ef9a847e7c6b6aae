# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.utils.vars import load_extra_vars

from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import OWN_CERTIFICATE
from ansible_collections.distributed.tiers.plugins.module_utils.verification.scope import (
    ALL,
    CHANGED,
    RecordedHost,
    describe,
    reasons,
    seal,
)
from ansible_collections.distributed.tiers.plugins.plugin_utils.host_inputs import HostInputs
from ansible_collections.distributed.tiers.plugins.plugin_utils.inventory import filled_in
from ansible_collections.distributed.tiers.plugins.plugin_utils.judging import PLAN, JudgingAction
from ansible_collections.distributed.tiers.plugins.plugin_utils.reading import (
    READ,
    known,
    local_fact,
    why_unread,
)

RENEW_DAYS = "host_certificate_renew_days"


class ActionModule(JudgingAction):
    """Find the hosts that a deployment must touch, and the record that each gets when its deployment is complete."""

    arguments: ClassVar[Mapping[str, Any]] = {
        **PLAN,
        "scope": {"type": "str", "choices": [ALL, CHANGED], "default": ALL},
        "authorities": {"type": "dict", "required": True},
        "renew_days": {"type": "int", "default": 30},
    }

    def judge(self, options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        hostvars = variables["hostvars"]
        raw_of = getattr(hostvars, "raw_get", hostvars.__getitem__)
        # Without the variables of plays and tasks, by which a playbook sets a scope of its own
        scope = raw_of(str(variables["inventory_hostname"])).get("tiers_scope")
        if scope is not None and scope != load_extra_vars(self._loader).get("tiers_scope"):
            raise AnsibleActionFail(
                "No host was touched. tiers_scope is set in the inventory, and it belongs to one run. Remove it there, "
                "and give it to the run: -e tiers_scope=changed."
            )
        templar = self._templar.copy_with_new_env()

        def template(_host: str, raw: Mapping[str, Any], name: str) -> Any:
            templar.available_variables = raw
            return templar.template(raw[name])

        plan, authorities = options["plan"], options["authorities"]
        hosts = [str(host) for host in variables["ansible_play_hosts_all"]]
        key = self.key(authorities, template, str(variables["inventory_hostname"]), raw_of) if hosts else None
        inputs = HostInputs(plan, hostvars, template, authorities)
        records: dict[str, dict[str, Any]] = {}
        found: dict[str, list[str]] = {}
        for host in hosts:
            raw = raw_of(host)
            its_inputs, incomparable = inputs.of(host)
            if key and its_inputs:
                records[host] = seal(key, host, its_inputs)
            facts = known(host, raw)[1]
            is_former = host not in plan["voters"] and is_voter_of(facts, plan["system"])
            if not its_inputs and not is_former:
                continue
            days = filled_in(template, host, raw, RENEW_DAYS) if raw.get(RENEW_DAYS) is not None else None
            one = RecordedHost(
                inputs=its_inputs,
                incomparable=incomparable,
                unread=why_unread(raw.get(READ)),
                lacks=tuple(lacking(plan, host, facts)),
                former_voter=is_former,
                closed=is_closed(local_fact(facts, "tiers_drained")),
                renew_days=None if raw.get(OWN_CERTIFICATE) else whole(days, options["renew_days"]),
                recorded=local_fact(facts, "tiers_inputs"),
            )
            found[host] = reasons(one, records.get(host), datetime.now(UTC))
        selected = [host for host, why in found.items() if why or options["scope"] == ALL]
        return {
            # Too much to be shown with -v
            "_ansible_verbose_override": True,
            "hosts": selected,
            "records": records,
            "reasons": {host: why for host, why in found.items() if why},
            "text": describe(found, options["scope"]),
        }

    @staticmethod
    def key(authorities: Mapping[str, Any], template: Any, host: str, raw_of: Any) -> bytes | None:
        """The key of the digests: made of the key of the CA, which no host has. None: this controller has none."""
        if authorities.get("given"):
            raw = raw_of(host)
            text = filled_in(template, host, raw, "tiers_ca_key") if raw.get("tiers_ca_key") is not None else None
            secret = text.encode() if isinstance(text, str) else b""
        else:
            path = Path(str(authorities.get("directory") or ""), "ca.key")
            secret = path.read_bytes() if path.is_file() else b""
        return hashlib.sha256(b"distributed.tiers inputs\0" + secret).digest() if secret.strip() else None


def lacking(plan: Mapping[str, Any], host: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """The records that the host lacks, by what the plan has for it."""
    if host in plan["servers"] and local_fact(facts, "tiers") is None:
        yield "as a server"
    if host in plan["voters"] and local_fact(facts, "tiers_voter") is None:
        yield "as a voter"


def is_voter_of(facts: Mapping[str, Any], system: str) -> bool:
    record = local_fact(facts, "tiers_voter")
    return isinstance(record, Mapping) and record.get("system") == system


def whole(value: Any, default: int) -> int:
    """The whole number that a value stands for, or else the default."""
    text = str(value)
    return int(text) if text.isdecimal() else default


def is_closed(drained: Any) -> bool:
    """Whether an operation stopped the traffic of the server and did not complete."""
    return drained is not None and not (isinstance(drained, Mapping) and drained.get("complete", True))
