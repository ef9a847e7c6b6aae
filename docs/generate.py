# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/rules.md and docs/inventory.md from the code and docs/plan.md from its schema, so that they agree."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / ".cache" / "collections"))

from ansible_collections.distributed.tiers.plugins.module_utils.rules import EXAMPLE, REGISTRY, Rule  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.variables import TABLE, Variable  # noqa: E402

MADE = "<!-- Made by `make docs`. -->"

RULES_HEAD = f"""\
# Rules

{MADE}

Every inventory is held to these rules before a host is touched; all findings come at once. An error ends the run, a
warning does not. `ansible-playbook distributed.tiers.validate -i INVENTORY` applies them without any connection.

A rule can be made milder, with a reason, which every run prints:

```yaml
tiers_rules:
  backup-same-zone: {{severity: warning, why: One rack is all there is.}}
  loss-fits: {{severity: "off", why: The spare proxy arrives in May.}}
```

Those marked *firm* cannot: without them there is no plan.

Each example below is laid over this inventory, which no rule complains about (`!remove` takes an entry out):

```yaml
{EXAMPLE}```
"""

INVENTORY_HEAD = """\
# The inventory

{made}

The inventory is the only input. Its groups tell the tier of a host: `master`, `proxy`, `parallel`, `distributor`,
`backup`, `client`. Other groups may serve for anything else. A host is in one tier. Where the groups are called
otherwise, or one inventory holds several systems, `tiers_groups` tells which are read; several systems are told apart
by running with one `tiers_groups` each (as a group variable together with `--limit`, or as an extra variable).

The smallest sensible one:

```yaml
all:
  vars: {{tiers_product: openldap}}
master:
  hosts:
    m1: {{ansible_host: 192.0.2.1, tiers_zone: rack-a}}
backup:
  hosts:
    m2: {{ansible_host: 192.0.2.2, tiers_zone: rack-b, tiers_backup_of: m1}}
proxy:
  hosts:
    px1: {{ansible_host: 192.0.2.11, tiers_site: paris}}
client:
  hosts:
    c1: {{ansible_host: 192.0.2.51, tiers_site: paris}}
```

Secrets belong into a vault: `tiers_ca_passphrase` and those of the product.

## Variables

*Where* tells on which hosts a variable is looked at: `all` is one value for the whole system, the same wherever it is
given.
Names that start with `tiers_` and are not listed here are errors.

| variable | where | takes | default | meaning |
|---|---|---|---|---|
{rows}

## Named clients

`tiers_clients` lists clients that are no inventory hosts: in the inventory, or in a CSV, JSON or YAML file beside it
(a million rows are fine). A CSV has a head line with these columns, of which only the first two are needed:

| column | meaning |
|---|---|
| `name` | name of the client, unique |
| `site` | where it is; its networks are in `tiers_site_networks` |
| `weight` | its connections, 1 if empty |
| `pin` | the one proxy it must use |
| `allow`, `deny` | selectors of proxies it may, or must not, use, separated by a vertical bar |
| `spread` | clients of one spread group sit on different proxies |
"""


def rules() -> str:
    return "\n".join([RULES_HEAD, index(), *(section(rule) for _name, rule in sorted(REGISTRY.items()))])


def index() -> str:
    rows = [f"| [{name}](#{name}) | {kind(rule)} | {rule.reason} |" for name, rule in sorted(REGISTRY.items())]
    return "\n".join(["| rule | severity | reason |", "|---|---|---|", *rows, ""])


def kind(rule: Rule) -> str:
    return f"{rule.severity}, firm" if rule.firm else rule.severity


def section(rule: Rule) -> str:
    return f"""\
## {rule.name}

*{kind(rule).capitalize()}.* {rule.reason}

Remedy: {rule.remedy}

Speaks with

```yaml
{rule.fires.rstrip()}
```

and is silent with

```yaml
{rule.silent.rstrip()}
```
"""


def inventory() -> str:
    return INVENTORY_HEAD.format(made=MADE, rows="\n".join(row(variable) for variable in TABLE))


def row(variable: Variable) -> str:
    takes = ", ".join(f"`{choice}`" for choice in variable.choices) or variable.kind
    return f"| `{variable.name}` | {variable.where} | {takes} | {variable.default or '-'} | {variable.meaning} |"


PLAN_HEAD = """\
# The plan as data

{made}

The plan is one JSON document. Every playbook computes it anew, unless it is given one:

```console
ansible-playbook distributed.tiers.plan -i INVENTORY -e tiers_plan_file=plan.json      # writes it
ansible-playbook distributed.tiers.deploy -i INVENTORY -e tiers_plan_file=plan.json    # takes it
```

So a plan can be looked at, kept, and carried out as it was approved; and a run which sees only a part of the inventory
(a slice, a constructed inventory, one site) works from the plan of the whole. Then only the rules that look at each
host by itself are applied; `tiers_expected` is about the whole and is left to the run that planned. The plan is
refused, with a finding, when

- it is of another schema, of another system, or damaged: its digest is checked;
- a host of the inventory is not in it, or its tier, primary, address, port, product, version, site, zone, state,
  capacity or weight is another in the inventory than in the plan.

A plan holds no secret.

[plan.schema.json](plan.schema.json) is the same description for programs (JSON Schema 2020-12). The number `schema`
grows with every change of the structure.
"""


def plan() -> str:
    schema = json.loads((HERE / "plan.schema.json").read_text(encoding="utf-8"))
    parts = [("The plan", schema), *((f"`{name}`", part) for name, part in schema["$defs"].items())]
    return "\n".join([PLAN_HEAD.format(made=MADE), *(structure(title, part) for title, part in parts)])


def structure(title: str, part: dict[str, Any]) -> str:
    rows = []
    for key, value in part["properties"].items():
        optional = "" if key in part["required"] else ", optional"
        rows.append(f"| `{key}` | {kind_of(value)}{optional} | {value['description']} |")
    head = [f"## {title}", "", part["description"], "", "| key | type | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def kind_of(value: dict[str, Any]) -> str:
    """A type of the schema, in words."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name})"
    if "anyOf" in value:
        return " or ".join(kind_of(choice) for choice in value["anyOf"])
    if "enum" in value or "const" in value:
        choices = value.get("enum", [value.get("const")])
        return ", ".join(f"`{json.dumps(choice).strip(chr(34))}`" for choice in choices)
    kinds = value["type"] if isinstance(value["type"], list) else [value["type"]]
    if kinds == ["array"]:
        return f"list of {kind_of(value['items'])}"
    if kinds == ["object"] and isinstance(value.get("additionalProperties"), dict):
        return f"names to {kind_of(value['additionalProperties'])}"
    return " or ".join(kinds)


PAGES = {"rules.md": rules, "inventory.md": inventory, "plan.md": plan}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
