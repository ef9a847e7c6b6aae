# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the pages and tables that follow from the code, the plan's schema and playbooks/meta, so that they agree."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
PLAYBOOKS = HERE.parent / "playbooks"
sys.path.insert(0, str(HERE.parent / ".cache" / "collections"))

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import survey  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.operations.operation import Operation, parse_operation  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import EXAMPLE, REGISTRY, Rule  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import TABLE, Variable  # noqa: E402

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
    cells = (f"`{variable.name}`", variable.where, takes, variable.default or "-", in_page(variable.meaning))
    return f"| {' | '.join(cells)} |"


PLAN_HEAD = """\
# The plan as data

{made}

The plan is one JSON document. Every playbook computes it again, unless it is given one:

```console
ansible-playbook distributed.tiers.plan -i INVENTORY -e tiers_plan_file=plan.json      # writes it
ansible-playbook distributed.tiers.deploy -i INVENTORY -e tiers_plan_file=plan.json    # takes it
```

So a plan can be looked at, kept, and carried out as it was approved. Only the rules that look at each host by itself
are applied then; `tiers_expected` is about the whole and is left to the run that planned. The plan is refused, with a
finding, when

- it is of another schema, of another system, or damaged: its digest is checked;
- a host of the inventory is not in it, or its tier, primary, address, port, product, version, site, zone, state,
  capacity or weight is another in the inventory than in the plan;
- the inventory lacks hosts of the plan. Only `clients`, which looks at each host by itself, works on a part of it: a
  slice of an AWX job, a constructed inventory, one site. All others have `--limit`, under which they see the whole.

A workflow needs no file: `plan` hands the next jobs the plan as `tiers_plan_data`, and its digest as
`tiers_plan_digest`, by which a run that comes to another plan stops ([AWX](awx.md)).

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


TEMPLATES_BEGIN, TEMPLATES_END = "<!-- Made by `make docs`: -->\n", "<!-- /made -->"
TEMPLATES_HEAD = """\
| template | survey (**required**) | may be asked at the launch | service away | forks | time-out in s |
|---|---|---|---|---|---|
"""


def awx() -> str:
    """The page as it stands, with the table of the templates as the playbooks describe themselves."""
    before, rest = (HERE / "awx.md").read_text(encoding="utf-8").split(TEMPLATES_BEGIN)
    rows = []
    for path in sorted((HERE.parent / "playbooks" / "meta").glob("*.yml")):
        operation, _problems = parse_operation(yaml.safe_load(path.read_text(encoding="utf-8")))
        if operation and operation.template:
            asked = survey(operation).get("spec", ())
            names = [f"**`{each['variable']}`**" if each["required"] else f"`{each['variable']}`" for each in asked]
            prompts = [*operation.prompts, *(["job_slice_count"] if operation.slices else [])]
            cells = (", ".join(names) or "-", ", ".join(prompts), operation.downtime.rstrip(".") or "-")
            rows.append(f"| {path.stem} | {' | '.join(cells)} | {operation.forks} | {operation.timeout} |\n")
    return before + TEMPLATES_BEGIN + TEMPLATES_HEAD + "".join(rows) + TEMPLATES_END + rest.split(TEMPLATES_END)[1]


# The fields of a server's slice that descriptions of services use most.
FIELDS = ("name", "tier", "serves_as", "primary", "redundancy", "address", "port", "site", "zone", "version")
FIELDS += ("upstreams", "peers", "pair", "proxy_mode", "failure_detection", "reload_delay")
SPECS = HERE.parent / "roles/product_service/meta/argument_specs.yml"


def describe() -> str:
    """The page as it stands, with the fields of a slice and the options of a described service."""
    schema = json.loads((HERE / "plan.schema.json").read_text(encoding="utf-8"))
    server = schema["$defs"]["server"]["properties"]
    fields = ["| field | type | meaning |", "|---|---|---|"]
    for name in FIELDS:
        kind = re.sub(r"\[(\w+)\]\(#", r"[\1](plan.md#", kind_of(server[name]))
        fields.append(f"| `{name}` | {kind} | {server[name]['description']} |")
    specs = yaml.safe_load(SPECS.read_text(encoding="utf-8"))["argument_specs"]
    options = specs["install"]["options"]["tiers_service"]["options"]
    table = ["| option (**required**) | takes | default | meaning |", "|---|---|---|---|", *option_rows(options, "")]
    text = (HERE / "describe.md").read_text(encoding="utf-8")
    for what, rows in (("fields of tiers_server", fields), ("options of tiers_service", table)):
        before, rest = text.split(f"<!-- Made by `make docs`: {what} -->\n")
        text = f"{before}<!-- Made by `make docs`: {what} -->\n" + "\n".join(rows) + "\n"
        text += TEMPLATES_END + rest.split(TEMPLATES_END, 1)[1]
    return text


def option_rows(options: dict[str, Any], where: str) -> list[str]:
    """A row for each option, those inside of others with the way to them."""
    rows = []
    for name, option in options.items():
        path = f"{where}{name}"
        shown = f"**`{path}`**" if option.get("required") else f"`{path}`"
        inner = option.get("options")
        takes = ", ".join(f"`{choice}`" for choice in option.get("choices", ())) or str(option.get("type", "str"))
        if option.get("elements"):
            takes = f"list of {takes if option.get('choices') else option['elements']}"
        default = option.get("default", "")
        default = "" if inner or default in ("", None) else f"`{json.dumps(default).strip(chr(34))}`"
        rows.append(f"| {shown} | {takes} | {default} | {marked(option['description'])} |")
        if inner:
            rows += option_rows(inner, f"{path}[]." if option.get("elements") else f"{path}.")
    return rows


def marked(text: str) -> str:
    """The markup of Ansible's documentation as Markdown."""
    return re.sub(r"\b[COV]\(([^)]*)\)", r"`\1`", " ".join(text.split())).replace("|", "\\|")


OPERATIONS_HEAD = """\
# Operations

{made}

One playbook is one operation. All but `awx` take the same inventory, and compute the same plan from it. A deployment
that was broken off is completed by running it again.

{table}

- `--limit HOSTS` works on some hosts, under a plan of the whole.
- `--check` shows what would change, and changes nothing; with `--diff` line by line.
- An inventory, a plan or an answer that is wrong is refused before a host is touched.
- One run at a time changes the system: a second one is refused and names the first
  ([runbook](runbooks.md#another-run-holds-the-lock)).

Where something is broken now, begin at the [runbooks](runbooks.md).
"""


def operations() -> str:
    names = ["validate", "plan", "deploy", "clients", "status", "verify"]
    names += ["drain", "undrain", "switch_over", "resync", "retire", "roll_back", "drill"]
    names += sorted({path.stem for path in PLAYBOOKS.glob("*.yml")} - {*names})
    rows = ["| operation | what it does | service away |", "|---|---|---|"]
    sections = []
    for name in names:
        found, problems = parse_operation(yaml.safe_load((PLAYBOOKS / f"meta/{name}.yml").read_text(encoding="utf-8")))
        if found is None:
            sys.exit(f"playbooks/meta/{name}.yml: {'; '.join(problems)}")
        rows.append(f"| [{name}](#{name}) | {found.short_description} | {found.downtime or '-'} |")
        sections.append(operation(name, found))
    return "\n".join([OPERATIONS_HEAD.format(made=MADE, table="\n".join(rows)), *sections])


def operation(name: str, found: Operation) -> str:
    said = header(name)
    lines = [f"## {name}", "", f"*{found.short_description}.* {said['What it does']}", ""]
    lines += ["```console", *re.findall(r"ansible-playbook .*", said["Run"]), "```", ""]
    if more := [line for line in said["Run"].splitlines() if not line.startswith("ansible-playbook ")]:
        lines += [" ".join(more), ""]
    lines += [f"- **Service away:** {said['Downtime']}", f"- **Way back:** {said['Way back']}"]
    if found.slices:
        lines.append("- Takes a slice of the inventory, with a plan handed over.")
    if found.variables:
        lines += ["", "| variable | meaning |", "|---|---|"]
        for variable, required in found.asked():
            lines.append(f"| `{variable.name}`{', must be given' if required else ''} | {in_page(variable.meaning)} |")
    return "\n".join([*lines, ""])


def header(name: str) -> dict[str, str]:
    """What the comment at the head of a playbook says, by its words in the margin."""
    said: dict[str, str] = {}
    key = ""
    for line in (PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8").splitlines()[1:]:
        if not line.startswith("#"):
            break
        if begun := re.match(r"# (What it does|Downtime|Run|Way back) +(.*)", line):
            key = begun[1]
            said[key] = begun[2]
        elif key:
            said[key] += ("\n" if key == "Run" else " ") + line.lstrip("# ")
    return {key: text if key == "Run" else in_page(text) for key, text in said.items()}


def in_page(text: str) -> str:
    """A sentence of the code as a page says it: options are code, pages beside it are links."""
    return re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", re.sub(r"(?<![`\w])(-e [\w=,:]+)", r"`\1`", text))


FIGURES_HEAD = """\
# Figures

{made}

Every figure in these pages was measured, and each can be measured again. Yours will differ: machines do.

| figure | where it stands | get it again |
|---|---|---|
| gaps, failed requests, missing writes at a loss | [README](../README.md#what-it-looks-like) | `make demo` |
| the same of your system | your report | [`drill`](operations.md#drill) |
| cost, moves, time and memory of the allocation | [allocation](allocation.md#figures) | `make bench` |
| `validate` and `plan` of large inventories | below | `make bench` |
| reading files of clients | below | `make bench` |
| requests through distributor and proxy, shares of unequal members | below | `make bench-load` |

## Large inventories

Processor seconds of the whole command on the controller, against `ansible-inventory --list` on the same inventory.
`plan` is measured without reading what is deployed, which takes an ssh connection to every server. Python
{machine[python]}, {machine[processor]}; the head of `benchmarks/inventory.py` says more.

| hosts | `ansible-inventory --list` | `validate` | times | `plan` | times |
|---|---|---|---|---|---|
{rows}

Most of it is Ansible's own reading of the inventory. What grows beside that is linear: the plan is computed once a run
and not once a host.

## Clients

Clients that are no hosts cost little: a million of them are assigned in about as long as it takes to read them
([allocation](allocation.md#figures)). So keep hosts in the inventory, and clients in a CSV file.

Files are read client by client. Processor seconds, with Python {population_machine[python]} on a machine whose load was
{population_machine[load]:.0f}; memory is the most that reading took, and what of it stays because it is the result. A
file in which every weight is wrong takes the same way, and ends in {wrong[problems]:,} messages.

| file | clients | size | seconds | all wrong | memory | kept |
|---|---|---|---|---|---|---|
{populations}

## Deployment

Fresh hosts are set up side by side, as many at a time as Ansible has forks. Running servers that must restart are
restarted one at a time, so a deployment that restarts everything takes time by the number of servers. No deployment of
more than thirteen hosts was timed.

## Hops

What it costs to go through the distributor, and through a proxy that passes on to it. In a plan a proxy funnels to the
master, so this third way tells what one more hop costs. HAProxy {load_machine[haproxy]} had the configurations that the
roles write. The member answered at once, which is the worst case: beside a product that takes milliseconds for each
request a hop is little. With TLS every hop ends it and begins it again.

| clients | TLS | through | requests/s | of those straight | median ms | p99 ms |
|---|---|---|---|---|---|---|
{hops}

Members, balancers and clients (wrk {load_machine[wrk]}) shared the {load_machine[processors]} processors of one
machine. So the requests/s of many clients tell how much processor time a hop takes, not how much fits through
it: on hosts of their own the hops work side by side. From the median to p99 it is waiting for a processor, also for
others' work: the load of the machine was {load_machine[load]:.1f} before the run.

## Shares

How evenly a distributor loads three members, of which a request takes {service}, and each of which serves
{shared[workers]} at a time. *Busy* is how much a member serves of what it can, *backlog* the time it takes to serve
those who are there. Of both it is the largest over the mean: 1 is even, 3 is one member that has everything.

| clients | chosen by | weights | requests/s | median ms | p99 ms | busy | backlog | parts of the requests |
|---|---|---|---|---|---|---|---|---|
{shares}

Round-robin gives the slowest member as many requests as the fastest, and everybody waits for it. Least connections,
what the distributor uses, needs no weights to keep all equally busy. With weights in proportion to speed
(`tiers_weight`) it evens out the backlog instead: while there is room the fastest get more than their part, which
lowers the median of few clients; of many it lowers the p99. Round-robin, given the same weights, keeps all as busy, but
lets requests pile up where they are served slowly.

![Time of a request through the hops, and how busy members are](../benchmarks/results/load.svg)
"""


def measured(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((HERE.parent / f"benchmarks/results/{name}.json").read_text(encoding="utf-8"))
    return result


def figures() -> str:
    inventories, load, files = measured("inventory"), measured("load"), measured("populations")
    right, wrong = ([one for one in files["figures"] if one["right"] is kind] for kind in (True, False))
    populations = [
        f"| {one['format'].upper().replace('YML', 'YAML')} | {one['rows']:,} | {one['file_mb']} MB "
        f"| {one['seconds']:.1f} | {other['seconds']:.1f} s, {other['peak_mb']} MB | {one['peak_mb']} MB "
        f"| {one['kept_mb']} MB |"
        for one, other in zip(right, wrong, strict=True)
    ]
    rows = [
        f"| {one['hosts']:,} | {one['list_s']:.1f} | {one['validate_s']:.1f} | {one['validate_ratio']:.1f} "
        f"| {one['plan_s']:.1f} | {one['plan_ratio']:.1f} |"
        for one in inventories["figures"]
    ]
    hops = [
        f"| {one['clients']} | {'yes' if one['tls'] else 'no'} | {one['way']} | {one['requests_s']:,.0f} "
        f"| {one['requests_s_ratio']:.0%} | {one['median_ms']:.2f} | {one['p99_ms']:.1f} |"
        for one in load["hops"]
    ]
    shares = [
        f"| {one['clients']} | {one['balance']} | {'by speed' if one['weighted'] else 'equal'} "
        f"| {one['requests_s']:,.0f} | {one['median_ms']:.0f} | {one['p99_ms']:.0f} | {one['busy_unevenness']:.2f} "
        f"| {one['backlog_unevenness']:.2f} | {', '.join(f'{part:.0%}' for part in one['requests'])} |"
        for one in load["shares"]
    ]
    return FIGURES_HEAD.format(
        made=MADE,
        rows="\n".join(rows),
        machine=inventories["machine"],
        populations="\n".join(populations),
        population_machine=files["machine"],
        wrong=wrong[0],
        load_machine=load["machine"],
        hops="\n".join(hops),
        service=", ".join([f"{1e3 * seconds:g} ms" for seconds in load["members"]["service_s"]]),
        shared=load["members"],
        shares="\n".join(shares),
    )


PAGES = {
    "rules.md": rules,
    "inventory.md": inventory,
    "plan.md": plan,
    "operations.md": operations,
    "figures.md": figures,
    "awx.md": awx,
    "describe.md": describe,
}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
