# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/rules.md and docs/inventory.md from the code, so that they cannot differ from it."""

from __future__ import annotations

import sys
from pathlib import Path

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


PAGES = {"rules.md": rules, "inventory.md": inventory}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
