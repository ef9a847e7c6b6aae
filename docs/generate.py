# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the tables and reference entries that follow from the code into the marked places of the pages.

The rest of a page is written by hand. The text between `<!-- generated: NAME -->` and `<!-- end -->` is what the
function of that name in `GENERATED` returns.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
PLAYBOOKS = REPOSITORY / "playbooks"
PLAN_SCHEMA = HERE / "plan.schema.json"
sys.path.insert(0, str(REPOSITORY / ".cache" / "collections"))

from ansible_collections.distributed.tiers.plugins.module_utils.monitoring.alerts import ALERTS  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import survey  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.operations.playbook import Operation, parse_operation  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import SCHEMA  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import EXAMPLE, REGISTRY, Rule  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.planner.structure import json_schema  # noqa: E402
from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import TABLE, Variable  # noqa: E402

PLACE = re.compile(r"(?<=<!-- generated: )(?P<name>[\w ]+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """A page with every marked place written again."""
    return PLACE.sub(lambda place: f"{place['name']}{place[2]}\n{GENERATED[place['name']]().strip()}\n\n", text)


def pages() -> list[Path]:
    """The pages with a marked place."""
    return [path for path in sorted(HERE.rglob("*.md")) if PLACE.search(path.read_text(encoding="utf-8"))]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], ""])


# ---- Alerts


def alerts() -> str:
    rows = []
    for _applies, alert in (one for theme in ALERTS.values() for one in theme):
        page, _hash, heading = alert.runbook.partition("#")
        title = heading.replace("-", " ") or page.removesuffix(".md")
        link = f"#{heading}" if page == "monitoring.md" else alert.runbook
        text = alert.summary.replace("{{ $labels.instance }}", "NAME").replace("{{ $labels.pair }}", "PAIR")
        text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: found[1].upper(), text)
        text = re.sub(r"\{\{ \$value.*?\}\}", "N", text)
        rows.append([f"`{alert.name}`", alert.severity, text, alert.lasts, f"[{title}]({link})"])
    return table(["alert", "severity", "says", "after", "do"], rows)


# ---- Rules


def example() -> str:
    return f"```yaml\n{EXAMPLE}```\n"


def rules() -> str:
    rows = [[f"[{name}](#{name})", kind(rule), rule.reason] for name, rule in sorted(REGISTRY.items())]
    index = table(["rule", "severity", "reason"], rows)
    return "\n".join([index, *(rule_entry(rule) for _name, rule in sorted(REGISTRY.items()))])


def kind(rule: Rule) -> str:
    return f"{rule.severity}, firm" if rule.firm else rule.severity


def rule_entry(rule: Rule) -> str:
    return f"""\
## {rule.name}

*{kind(rule).capitalize()}.* {rule.reason}

Remedy: {rule.remedy}

A finding:

```yaml
{rule.fires.rstrip()}
```

No finding:

```yaml
{rule.silent.rstrip()}
```
"""


# ---- Variables of the inventory


def variables() -> str:
    return table(["variable", "where", "takes", "default", "meaning"], [variable_row(variable) for variable in TABLE])


def variable_row(variable: Variable) -> list[str]:
    takes = ", ".join(f"`{choice}`" for choice in variable.choices) or variable.kind
    return [f"`{variable.name}`", variable.where, takes, variable.default or "-", in_page(variable.meaning)]


# ---- The plan


def read_schema() -> dict[str, Any]:
    """The structure of a plan as JSON Schema."""
    return json_schema(SCHEMA)


def plan() -> str:
    schema = read_schema()
    parts = [("The plan", schema), *((f"`{name}`", part) for name, part in schema["$defs"].items())]
    return "\n".join(structure(title, part) for title, part in parts)


def structure(title: str, part: dict[str, Any]) -> str:
    rows = []
    for key, value in part["properties"].items():
        optional = "" if key in part["required"] else ", optional"
        rows.append([f"`{key}`", f"{kind_of(value)}{optional}", value["description"]])
    return "\n".join([f"## {title}", "", part["description"], "", table(["key", "type", "meaning"], rows)])


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


# The fields of a server's slice that descriptions of services use most.
FIELDS = ("name", "tier", "serves_as", "primary", "redundancy", "address", "port", "site", "zone", "version")
FIELDS += ("upstreams", "peers", "pair", "proxy_mode", "failure_detection", "reload_delay")


def fields() -> str:
    server = read_schema()["$defs"]["server"]["properties"]
    rows = []
    for name in FIELDS:
        shown = re.sub(r"\[(\w+)\]\(#", r"[\1](plan.md#", kind_of(server[name]))
        rows.append([f"`{name}`", shown, server[name]["description"]])
    return table(["field", "type", "meaning"], rows)


# ---- The options of a described service

SPECS = REPOSITORY / "roles/product_service/meta/argument_specs.yml"


def service_options() -> str:
    specs = yaml.safe_load(SPECS.read_text(encoding="utf-8"))["argument_specs"]
    options = specs["install"]["options"]["tiers_service"]["options"]
    return table(["option (**required**)", "takes", "default", "meaning"], option_rows(options, ""))


def option_rows(options: dict[str, Any], where: str) -> list[list[str]]:
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
        rows.append([shown, takes, default, marked(option["description"])])
        if inner:
            rows += option_rows(inner, f"{path}[]." if option.get("elements") else f"{path}.")
    return rows


def marked(text: str) -> str:
    """The markup of Ansible's documentation as Markdown."""
    return re.sub(r"\b[COV]\(([^)]*)\)", r"`\1`", " ".join(text.split())).replace("|", "\\|")


# ---- Operations


def read_operation(name: str) -> Operation:
    found, problems = parse_operation(yaml.safe_load((PLAYBOOKS / f"meta/{name}.yml").read_text(encoding="utf-8")))
    if found is None:
        sys.exit(f"playbooks/meta/{name}.yml: {'; '.join(problems)}")
    return found


def operations() -> str:
    names = ["validate", "plan", "deploy", "clients", "status", "verify"]
    names += ["drain", "undrain", "switch_over", "pause_failover", "resume_failover", "resync", "back_up", "restore"]
    names += ["rotate_certificates", "rotate_secrets"]
    names += ["replace", "retire", "upgrade", "roll_back", "drill", "support_bundle"]
    names += sorted({path.stem for path in PLAYBOOKS.glob("*.yml")} - {*names})
    found = {name: read_operation(name) for name in names}
    rows = [[f"[{name}](#{name})", one.short_description, one.downtime or "-"] for name, one in found.items()]
    entries = [operation_entry(name, one) for name, one in found.items()]
    return "\n".join([table(["operation", "what it does", "service interrupted"], rows), *entries])


def operation_entry(name: str, found: Operation) -> str:
    parts = header(name)
    lines = [f"## {name}", "", f"*{found.short_description}.*", ""]
    commands = re.findall(r"(?:.*\\\n)*ansible-playbook .*", parts["Run"])
    lines += [
        "```console",
        *(line.replace("\\\n", "\\\n  ") for line in commands),
        "```",
        "",
        parts["What it does"],
        "",
    ]
    if more := [line for line in parts["Run"].splitlines() if line not in "\n".join(commands)]:
        lines += [in_page(" ".join(more)), ""]
    lines += [f"- **Service interrupted:** {parts['Downtime']}", f"- **Way back:** {parts['Way back']}"]
    if found.slices:
        lines.append("- **Slices:** takes a part of the inventory if it is given a plan.")
    if found.variables:
        rows = [
            [f"`{one.name}`{', required' if needed else ''}", in_page(one.meaning)] for one, needed in found.asked()
        ]
        lines += ["", table(["variable", "meaning"], rows).rstrip()]
    return "\n".join([*lines, ""])


def header(name: str) -> dict[str, str]:
    """The texts of the comment at the head of a playbook, by the words in its margin."""
    parts: dict[str, str] = {}
    key = ""
    for line in (PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8").splitlines()[1:]:
        if not line.startswith("#"):
            break
        if begun := re.match(r"# (What it does|Downtime|Run|Way back) +(.*)", line):
            key = begun[1]
            parts[key] = begun[2]
        elif key:
            parts[key] += ("\n" if key == "Run" else " ") + line.lstrip("# ")
    return {key: text if key == "Run" else in_page(text) for key, text in parts.items()}


def in_page(text: str) -> str:
    """A sentence of the code as a page shows it: options and variables are code, pages beside it are links."""
    option = r"(-e [\w=,:]*\w|--\w[\w-]*|\b(?:tiers|host|product|awx)_\w+(?:: (?:auto|active|down|draining)\b)?)"
    parts = text.split("`")
    parts[::2] = [re.sub(option, r"`\1`", part) for part in parts[::2]]
    return re.sub(r"docs/(\w+)\.md", r"[\1](\1.md)", "`".join(parts))


def templates() -> str:
    """The job templates of AWX, as the playbooks describe themselves."""
    rows = []
    for path in sorted((PLAYBOOKS / "meta").glob("*.yml")):
        found = read_operation(path.stem)
        if found.template:
            asked = survey(found).get("spec", ())
            names = [f"**`{each['variable']}`**" if each["required"] else f"`{each['variable']}`" for each in asked]
            prompts = ", ".join([*found.prompts, *(["job_slice_count"] if found.slices else [])])
            downtime = found.downtime.rstrip(".") or "-"
            rows.append([path.stem, ", ".join(names) or "-", prompts, downtime, str(found.forks), str(found.timeout)])
    head = ["template", "survey (**required**)", "prompts at launch", "service interrupted", "forks", "timeout in s"]
    return table(head, rows)


# ---- Figures


def measured(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((REPOSITORY / f"benchmarks/results/{name}.json").read_text(encoding="utf-8"))
    return result


def large_inventories() -> str:
    found = measured("inventory")
    rows = [
        [
            f"{one['hosts']:,}",
            *(f"{one[key]:.1f}" for key in ("list_s", "validate_s", "validate_ratio", "plan_s", "plan_ratio")),
        ]
        for one in found["figures"]
    ]
    head = ["hosts", "`ansible-inventory --list`", "`validate`", "ratio", "`plan`", "ratio"]
    return f"Python {found['machine']['python']}, {found['machine']['processor']}.\n\n{table(head, rows)}"


def populations() -> str:
    found = measured("populations")
    right, wrong = ([one for one in found["figures"] if one["right"] is kind] for kind in (True, False))
    rows = []
    for one, other in zip(right, wrong, strict=True):
        written = one["format"].upper().replace("YML", "YAML")
        row = [written, f"{one['rows']:,}", f"{one['file_mb']} MB", f"{one['seconds']:.1f}", f"{one['peak_mb']} MB"]
        rows.append(
            [
                *row,
                f"{one['kept_mb']} MB",
                f"{other['seconds']:.1f} s, {other['peak_mb']} MB, {other['problems']:,} messages",
            ]
        )
    head = ["file", "clients", "size", "seconds", "peak memory", "memory of the result", "every weight invalid"]
    machine = found["machine"]
    return f"Python {machine['python']}, load average {machine['load']:.0f}.\n\n{table(head, rows)}"


def hops() -> str:
    found = measured("load")
    rows = [
        [
            str(one["clients"]),
            "yes" if one["tls"] else "no",
            one["way"],
            f"{one['requests_s']:,.0f}",
            f"{one['requests_s_ratio']:.0%}",
            f"{one['median_ms']:.2f}",
            f"{one['p99_ms']:.1f}",
        ]
        for one in found["hops"]
    ]
    head = ["clients", "TLS", "through", "requests/s", "of direct requests/s", "median ms", "p99 ms"]
    machine = found["machine"]
    used = f"HAProxy {machine['haproxy']}, wrk {machine['wrk']}, {machine['processors']} processors"
    return f"{used}, load average {machine['load']:.1f} before the run.\n\n{table(head, rows)}"


def shares() -> str:
    found = measured("load")
    rows = [
        [
            str(one["clients"]),
            one["balance"],
            "by speed" if one["weighted"] else "equal",
            f"{one['requests_s']:,.0f}",
            f"{one['median_ms']:.0f}",
            f"{one['p99_ms']:.0f}",
            f"{one['busy_unevenness']:.2f}",
            f"{one['backlog_unevenness']:.2f}",
            ", ".join(f"{part:.0%}" for part in one["requests"]),
        ]
        for one in found["shares"]
    ]
    head = [
        "clients",
        "balance",
        "weights",
        "requests/s",
        "median ms",
        "p99 ms",
        "busy",
        "backlog",
        "share of the requests",
    ]
    service = ", ".join(f"{1e3 * seconds:g} ms" for seconds in found["members"]["service_s"])
    workers = found["members"]["workers"]
    return f"Time of a request at each member: {service}. Requests at a time: {workers} at each.\n\n{table(head, rows)}"


def failovers() -> str:
    found = measured("failover")
    failures = {"off": "host killed", "cut": "cut off from all hosts", "switchover": "its agent stopped in order"}
    sides = {"gap": "at the failure", "failback": "at its return"}
    rows = [
        [
            failures[one["kind"]],
            sides[one["what"]],
            str(one["rounds"]),
            *(f"{one[key]:.1f} s" for key in ("median_s", "p95_s", "longest_s")),
        ]
        for one in found["times"]
    ]
    head = ["the active master", "no write was acknowledged", "rounds", "median", "95th percentile", "longest"]
    machine = found["machine"]
    loads = f"load average {machine['load']:.0f} before the run and {machine['load_after']:.0f} after it"
    agents = ", ".join(
        f"{one['core_percent']:.1f} % of a core and {one['memory_mb']} MB on {one['node']}" for one in found["agents"]
    )
    two = ", ".join(found["two_writers"]) or "none"
    return (
        f"{machine['processors']} processors, {loads}.\n\n{table(head, rows).strip()}\n\nThe agent takes, with its "
        f"commands: {agents}. Rounds in which both masters acknowledged writes in turn: {two}."
    )


GENERATED: dict[str, Callable[[], str]] = {
    "alerts": alerts,
    "example inventory": example,
    "rules": rules,
    "variables": variables,
    "plan": plan,
    "fields of tiers_server": fields,
    "options of tiers_service": service_options,
    "operations": operations,
    "templates": templates,
    "large inventories": large_inventories,
    "populations": populations,
    "hops": hops,
    "shares": shares,
    "failovers": failovers,
}


if __name__ == "__main__":
    schema_text = json.dumps(read_schema(), indent=2, ensure_ascii=False) + "\n"
    PLAN_SCHEMA.write_text(schema_text, encoding="utf-8")
    for page in pages():
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
