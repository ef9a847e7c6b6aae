# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every variable of the collection, once: what it means, where it stands, and what reads its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import CAPACITY, STATES, Bounds
from ansible_collections.distributed.tiers.plugins.module_utils.planner.bounds import POLICY as POLICY_BOUNDS
from ansible_collections.distributed.tiers.plugins.module_utils.planner.products import (
    ACTIVE,
    FAILBACK,
    FAILOVER,
    REDUNDANCY,
)
from ansible_collections.distributed.tiers.plugins.module_utils.planner.values import (
    POLICY,
    RATES,
    Within,
    address,
    choice,
    comma_separated,
    description,
    expected,
    flag,
    groups,
    integer,
    ip_address,
    latency,
    network,
    networks,
    number,
    one_or_more,
    policy,
    population,
    rates,
    rules,
    system_name,
    word,
    words,
)

PREFIX = "tiers_"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the inventory contract.

    `read` turns what the inventory holds into what the planner uses. Without it the variable is for roles and playbooks
    alone: the planner knows the name and leaves the value, which may be a template, untouched. A variable with `asked`
    belongs to a run and not to the system: playbooks/meta lists those of each playbook.
    """

    name: str
    where: str
    kind: str
    default: str
    meaning: str
    read: Callable[[Any], Any] | None = None
    choices: tuple[str, ...] = ()
    asked: bool = False
    # Where its value goes: the field of a server, or of the topology for a systemwide one. A field that Server does not
    # have is handed on to the slice of the plan, under this name.
    field: str = ""
    # The key of the slice that the deployment record keeps, so that a later plan can show what it would change.
    recorded: str = ""

    @property
    def systemwide(self) -> bool:
        """One value for the whole system, the same on every host."""
        return self.where == "all"

    @property
    def bounds(self) -> Bounds | None:
        """The bounds of its number; None if it is not a number or has none."""
        return self.read.bounds if isinstance(self.read, Within) else None


POLICY_KEYS = "; ".join(f"`{key}`: {meaning}, {POLICY_BOUNDS[key].text}" for key, meaning in POLICY.items())

TABLE: tuple[Variable, ...] = (
    # The system.
    Variable(
        "tiers_name",
        "all",
        "word",
        "tiers",
        "Name of the system: in certificates, reports and file names. At most 58 characters of A-Z, a-z, 0-9, space, "
        "`.`, `_` and `-`.",
        system_name,
        field="name",
    ),
    Variable(
        "tiers_domain",
        "all",
        "host name",
        "tiers.internal",
        "Domain under which the servers know each other.",
        address,
        field="domain",
    ),
    Variable(
        "tiers_product",
        "server, client",
        "word",
        "",
        "The product: `openldap`, `service` for one that `tiers_service` describes, or the full name of a product role "
        "from elsewhere.",
        word,
    ),
    Variable(
        "tiers_service",
        "all",
        "mapping",
        "",
        "The description of the product `service`, see docs/describe.md; "
        "`ansible-doc -t role distributed.tiers.product_service` describes each part.",
        description,
    ),
    Variable(
        "tiers_groups",
        "all",
        "mapping",
        "each tier's own name",
        "Which inventory groups are read as which tier: `{proxy: ldap_proxies}`.",
        groups,
    ),
    Variable(
        "tiers_expected",
        "all",
        "mapping",
        "",
        "Number of hosts that each tier must have; guards against a half-read inventory.",
        expected,
        field="expected",
    ),
    Variable(
        "tiers_rules",
        "all",
        "mapping",
        "",
        "Rules made milder, with the reason: `{rule: {severity: warning, why: text}}`. Severity is `warning` or `off`.",
        rules,
        field="lowered",
    ),
    # Where a host is and how others reach it.
    Variable(
        "tiers_address",
        "server, client",
        "address",
        "`ansible_host` or `ansible_ssh_host`, then the inventory name",
        "The address at which other hosts reach the host. Always from the inventory, never from facts.",
        address,
        recorded="address",
    ),
    Variable(
        "tiers_port", "server", "port", "the product's", "The port it serves on.", integer(1, 65535), recorded="port"
    ),
    Variable("tiers_site", "server, client", "word", "default", "The place it is at.", word, recorded="site"),
    Variable(
        "tiers_region", "server", "word", "", "A group of sites, for the selector `region:x`.", word, field="region"
    ),
    Variable(
        "tiers_zone",
        "server, client",
        "word",
        "the host itself",
        "Failure domain inside the site: rack, hypervisor, power.",
        word,
        field="zone",
        recorded="zone",
    ),
    Variable("tiers_tags", "server", "list", "", "Free words, for the selector `tag:x`.", words, field="tags"),
    # What a server does.
    Variable(
        "tiers_state",
        "server",
        "choice",
        "active",
        "A draining server takes no new clients, a down one none at all.",
        choice(STATES),
        STATES,
        field="state",
        recorded="state",
    ),
    Variable(
        "tiers_capacity",
        "proxy, parallel",
        "number",
        "unlimited",
        "Connections it can hold.",
        Within(CAPACITY),
        field="capacity",
        recorded="capacity",
    ),
    Variable(
        "tiers_weight",
        "proxy, parallel, client",
        "number",
        "1",
        "A server's share of the load; a client's number of connections.",
        number(0),
        field="weight",
        recorded="weight",
    ),
    Variable("tiers_version", "server", "word", "the product's newest", "Version of the product.", word),
    Variable(
        "tiers_upstream",
        "proxy, parallel",
        "list",
        "the master and its backup",
        "Its upstream servers, in the order of preference.",
        words,
        field="upstream",
        recorded="upstreams",
    ),
    Variable(
        "tiers_virtual_address",
        "master, proxy, parallel, distributor",
        "IP address",
        "",
        "Address a primary shares with its backup.",
        ip_address,
        field="virtual_address",
        recorded="virtual_address",
    ),
    Variable(
        "tiers_data_version",
        "parallel",
        "word",
        "",
        "Revision of the data a member serves, where that is not replicated.",
        word,
        field="data_version",
    ),
    Variable(
        "tiers_upgrading",
        "all",
        "flag",
        "false",
        "An upgrade is under way: versions may differ between the tiers.",
        flag,
        field="upgrading",
    ),
    Variable(
        "tiers_min_online",
        "all",
        "number",
        "1",
        "With fewer serving members, the pool counts as failed.",
        one_or_more,
        field="min_online",
    ),
    Variable(
        "tiers_network",
        "server",
        "network",
        "",
        "The network segment of the host, such as 192.0.2.0/24: a shared address must be in it.",
        network,
        field="network",
    ),
    Variable(
        "tiers_failure_detection",
        "server",
        "number",
        "the product's",
        "Seconds without an answer after which a peer counts as failed; 0 is never.",
        number(0),
        field="failure_detection",
    ),
    Variable(
        "tiers_client_timeout",
        "all",
        "number",
        "the product's",
        "Seconds after which a client gives a silent server up.",
        number(0),
        field="client_timeout",
    ),
    Variable(
        "tiers_watchdog_seconds",
        "server",
        "number",
        "20",
        "Within so many seconds a program that runs but gives no answer is restarted on its host; 0 switches this off.",
        number(0),
        field="watchdog_seconds",
    ),
    Variable(
        "tiers_free_percent",
        "master, backup",
        "number",
        "5",
        "With less of the file system of its data free, a master with a peer that can write steps aside for it.",
        number(0),
        field="free_percent",
    ),
    Variable(
        "tiers_reload_delay",
        "proxy",
        "number",
        "",
        "Seconds a proxy waits before it reloads from its master.",
        number(0),
        field="reload_delay",
    ),
    Variable(
        "tiers_reloads_at_once",
        "all",
        "number",
        "unlimited",
        "Most proxies that reload at one time.",
        one_or_more,
        field="reloads_at_once",
    ),
    Variable(
        "tiers_time_service",
        "server",
        "word",
        "",
        "The program or host that keeps the clock right, such as chrony or the hypervisor; `none` if nothing does.",
        word,
        field="time_service",
    ),
    Variable(
        "tiers_starts_after",
        "server",
        "list",
        "",
        "Servers that have to run before it. Its tier's place in the order of starting must allow it.",
        words,
        field="starts_after",
    ),
    Variable(
        "tiers_resolve",
        "all",
        "flag",
        "false",
        "Names `<server>.<tiers_domain>` are to resolve, on the controller, to the servers' addresses.",
        flag,
        field="resolve",
    ),
    # Backups.
    Variable(
        "tiers_backup_of",
        "backup",
        "host",
        "",
        "The primary: the one server that the backup belongs to.",
        word,
        field="primary",
        recorded="primary",
    ),
    Variable(
        "tiers_redundancy",
        "backup",
        "choice",
        "hot where the product can",
        "Cold: installed. Warm: running, without clients. Hot: running and in step.",
        choice(REDUNDANCY),
        REDUNDANCY,
        field="redundancy",
        recorded="redundancy",
    ),
    Variable(
        "tiers_failback",
        "backup",
        "choice",
        "auto where the product can",
        "How the pair fails back to its primary: by itself, when the backup fails, or on command.",
        choice(FAILBACK),
        FAILBACK,
        field="failback",
        recorded="failback",
    ),
    # The arbiter: who decides which node of a pair serves.
    Variable(
        "tiers_failover",
        "all",
        "choice",
        "lease for products that hold state, else vrrp",
        "How the nodes of an active/standby pair decide which of them serves. `lease`: a majority of three or five "
        "voters, which are deployed; at most one node serves, whatever fails. `vrrp`: the two nodes among themselves; "
        "both serve if they cannot see each other.",
        choice(FAILOVER),
        FAILOVER,
        field="failover",
    ),
    Variable(
        "tiers_active",
        "all",
        "choice",
        "one",
        "Whether one master of a pair accepts writes, by a lease, or both, if both may (the masters of OpenLDAP). "
        "`both`: after a network split, the later of two changes of an entry replaces the other.",
        choice(ACTIVE),
        ACTIVE,
        field="active",
    ),
    Variable(
        "tiers_failover_ttl",
        "all",
        "number",
        "3, or three elections of the voters if that is longer",
        "Seconds for which a node may serve without an answer of the arbiter. A node that is down or cut off is "
        "replaced about so many seconds later.",
        number(1, 300),
        field="failover_ttl",
    ),
    Variable(
        "tiers_arbiter_client_port",
        "all",
        "port",
        "2379",
        "The port at which the voters of the arbiter serve the nodes of pairs.",
        integer(1, 65535),
        field="arbiter_client_port",
    ),
    Variable(
        "tiers_arbiter_peer_port",
        "all",
        "port",
        "2380",
        "The port at which the voters of the arbiter reach each other.",
        integer(1, 65535),
        field="arbiter_peer_port",
    ),
    # Backups of the data.
    Variable(
        "tiers_backup_repository",
        "all",
        "host",
        "",
        "The server on whose host the product keeps its backups, for products with a repository of backups (PostgreSQL "
        "with pgBackRest). A server without data that runs the product: with PostgreSQL, a proxy.",
        word,
        field="backup_repository",
    ),
    # Clients and how they are assigned.
    Variable(
        "tiers_clients",
        "all",
        "list or path",
        "",
        "Client populations: a list, or a CSV, JSON or YAML file, relative to the inventory or to where the run began.",
        population,
    ),
    Variable("tiers_pin", "client", "host", "", "The one proxy this client must use.", word),
    Variable(
        "tiers_allow",
        "client",
        "list",
        "every proxy",
        "Selectors of proxies it may use: a name, `site:x`, `region:x`, `zone:x`, `tag:x`.",
        words,
    ),
    Variable("tiers_deny", "client", "list", "", "Selectors of proxies it must not use.", words),
    Variable("tiers_spread", "client", "word", "", "Clients of one spread group sit on different proxies.", word),
    Variable(
        "tiers_site_networks",
        "all",
        "mapping",
        "",
        "Networks the named clients of a site connect from: `{paris: [10.1.0.0/24]}`.",
        networks,
        field="networks",
    ),
    Variable(
        "tiers_site_latency",
        "all",
        "mapping",
        "0 inside a site, 1 between sites",
        "Milliseconds between sites: `{paris: {tokyo: 120}}`.",
        latency,
        field="latency",
    ),
    Variable(
        "tiers_allocation",
        "all",
        "mapping",
        "`move_cost: 20`",
        f"How clients are assigned. Keys: {POLICY_KEYS}.",
        policy,
        field="policy",
    ),
    Variable("tiers_direct", "client", "flag", "false", "It connects to the master, and to no proxy.", flag),
    # What is asked of a run, most often as an extra variable.
    Variable(
        "tiers_loss",
        "all",
        "list",
        "",
        "One more failure for the preview to show: a server's name, `site:x`, `zone:x` (or `zone:site/x`). Several, "
        "with commas between them, fail together: `px1,site:paris`.",
        comma_separated,
        asked=True,
        field="loss",
    ),
    Variable(
        "tiers_report_rows",
        "all",
        "number",
        "10 to 40",
        "The largest number of rows of each table that `validate` and `plan` print, and of findings of each rule.",
        one_or_more,
        asked=True,
        field="report_rows",
    ),
    Variable(
        "tiers_targets",
        "all",
        "list",
        "",
        "The servers that `drain`, `undrain`, `switch_over`, `pause_failover`, `resume_failover`, `resync` (one), "
        "`replace`, `retire` and `back_up` (one) must act on: their names in the inventory, with commas between them, "
        "such as `px1,px2`.",
        comma_separated,
        asked=True,
    ),
    Variable(
        "tiers_drain_confirm",
        "all",
        "flag",
        "false",
        "Allows `drain` and `resync` to interrupt service that no other server provides meanwhile.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_resync_confirm",
        "all",
        "flag",
        "false",
        "Allows `resync` to replace the data of a server.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_restart_confirm",
        "all",
        "flag",
        "false",
        "Allows `deploy`, `replace`, `roll_back` and `upgrade` to restart a server although the servers that must "
        "serve meanwhile are not healthy.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_soak_seconds",
        "all",
        "number",
        "60",
        "Seconds for which `upgrade` watches the canary before the other servers get the release.",
        number(0),
        asked=True,
    ),
    Variable(
        "tiers_scope",
        "all",
        "choice",
        "all",
        "`changed`: `deploy` touches only hosts for which something changed since their last complete deployment, see "
        "docs/scope.md. `all`: it touches every host, and finds what was changed by hand.",
        choice(("all", "changed")),
        ("all", "changed"),
        asked=True,
    ),
    Variable(
        "tiers_replace_confirm",
        "all",
        "flag",
        "false",
        "Confirms to `replace` that the old machine of each server is switched off, or cut off from the network, and "
        "stays so.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_retire_confirm",
        "all",
        "flag",
        "false",
        "Allows `retire` to remove servers from their hosts.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_retire_data",
        "all",
        "flag",
        "false",
        "Has `retire` remove the product's data, too.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_backup_type",
        "all",
        "choice",
        "diff",
        "What `back_up` makes in a repository of backups: `full`, or `diff` for the changes since the last full one.",
        choice(("diff", "full")),
        ("diff", "full"),
        asked=True,
    ),
    Variable(
        "tiers_backup_dir",
        "all",
        "path",
        "`./backups`",
        "Where the controller keeps backups. They hold all data: keep the directory private.",
        asked=True,
    ),
    Variable(
        "tiers_backup_keep",
        "all",
        "number",
        "7",
        "How many backups of the system `back_up` keeps in `tiers_backup_dir`. It removes the oldest.",
        one_or_more,
        asked=True,
    ),
    Variable(
        "tiers_bundle_since",
        "all",
        "text",
        "1 hour ago",
        "The begin of the logs in the archive of `support_bundle`, as `journalctl` reads it.",
        asked=True,
    ),
    Variable(
        "tiers_bundle_until",
        "all",
        "text",
        "now",
        "The end of these logs.",
        asked=True,
    ),
    Variable(
        "tiers_restore_from",
        "all",
        "path",
        "",
        "The backup for `restore`: its `.data` file on the controller. Its `.json` file must be beside it.",
        asked=True,
    ),
    Variable(
        "tiers_restore_to",
        "all",
        "text",
        "",
        "The state that `restore` and `rehearse_restore` take from a repository of backups: `newest`, or a time with a "
        "time zone, such as `2026-01-01 12:00:00+00`.",
        asked=True,
    ),
    Variable(
        "tiers_restore_confirm",
        "all",
        "text",
        "",
        "The name of the system (`tiers_name`) whose data `restore` may replace.",
        asked=True,
    ),
    Variable(
        "tiers_rotate_ca",
        "all",
        "flag",
        "false",
        "Has `rotate_certificates` replace the CA, too.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_rotate_hours",
        "all",
        "number",
        "24",
        "Hours for which a CA or a certificate counts as rotated after it was issued: `rotate_certificates` does not "
        "issue it again, so that a second run continues the first. 0: all are issued again.",
        number(0),
        asked=True,
    ),
    Variable(
        "tiers_pause_minutes",
        "all",
        "number",
        "60",
        "Minutes after which a pause by `pause_failover` ends by itself; 0: only `resume_failover` ends it.",
        number(0),
        asked=True,
    ),
    Variable(
        "tiers_plan_file",
        "all",
        "path",
        "",
        "The path of a plan as JSON (docs/plan.md), relative to the working directory: `plan` writes it, all other "
        "playbooks use it instead of computing one.",
        asked=True,
    ),
    Variable(
        "tiers_plan_data",
        "all",
        "plan",
        "",
        "A plan as data instead of in a file: `plan` passes it to the next jobs of a workflow, which use it.",
    ),
    Variable(
        "tiers_plan_digest",
        "all",
        "text",
        "",
        "The `digest` of the plan that was approved; a run that computes another plan stops. `plan` passes it on, too.",
    ),
    Variable(
        "tiers_findings_file",
        "all",
        "path",
        "",
        "The path of the file, relative to the working directory, into which `validate` writes its findings as JSON: "
        "`schema` 1, `findings`, each with `rule`, `severity`, `host` as a text, `hosts` as a list of the first 1,000 "
        "names, `count` of all of them, `variable`, `message`, `remedy` and, if its severity was overridden, `why`.",
        asked=True,
    ),
    Variable(
        "tiers_lock_takeover",
        "all",
        "text",
        "",
        "The id of a killed run that still holds the lock of the system, as the refusal names it: this run takes the "
        "lock over. Make sure first that the other run has ended.",
        asked=True,
    ),
    # What playbooks and roles use.
    Variable(
        "tiers_lock_seconds",
        "all",
        "number",
        "3600",
        "Seconds after which the lock of a run expires if the run does not renew it. A run renews it before each wave "
        "of servers and before each restart.",
        number(60),
    ),
    Variable(
        "tiers_ca_dir",
        "all",
        "path",
        "`.tiers-ca/NAME` beside the inventory",
        "Where the controller keeps the certificate authority. A second system with the same directory has its "
        "own in a subdirectory of its name.",
    ),
    Variable(
        "tiers_ca_passphrase",
        "all",
        "secret",
        "",
        "Passphrase of the authority's key, 8 characters or more. Needed unless hosts bring certificates of their own.",
    ),
    Variable(
        "tiers_ca_certificate",
        "all",
        "text",
        "",
        "The authority's certificate as PEM text, where no directory of the controller lasts; with `tiers_ca_key`.",
    ),
    Variable("tiers_ca_key", "all", "secret", "", "The authority's key as PEM text, encrypted with the passphrase."),
    Variable(
        "tiers_ca_next_certificate",
        "all",
        "text",
        "",
        "The certificate of the authority that will replace `tiers_ca_certificate`, as PEM text; with "
        "`tiers_ca_next_key`. Every deployment has the hosts trust both; `rotate_certificates` issues by the next one.",
    ),
    Variable(
        "tiers_next_secrets",
        "all",
        "secret",
        "",
        "The next values of secrets of the product, by their variables, from a vault: servers accept them beside the "
        "present ones. See `rotate_secrets`.",
    ),
    Variable(
        "tiers_ca_next_key",
        "all",
        "secret",
        "",
        "The key of that authority as PEM text, encrypted with the same passphrase.",
    ),
    Variable(
        "tiers_report_dir", "all", "path", "`./reports`", "Where the controller writes reports and exports.", asked=True
    ),
    Variable(
        "tiers_monitoring_dir",
        "all",
        "path",
        "`monitoring` in `tiers_report_dir`",
        "Where `monitoring` writes the files for Prometheus and Grafana.",
        asked=True,
    ),
    Variable(
        "tiers_monitoring_alertmanagers",
        "all",
        "list",
        "`[127.0.0.1:9093]`",
        "The addresses of the Alertmanagers, as Prometheus reaches them; an empty list for none.",
        words,
    ),
    Variable(
        "tiers_monitoring_runbooks",
        "all",
        "text",
        "the pages of this collection",
        "The URL of the directory of `runbooks.md`, for the links in alerts.",
    ),
    Variable(
        "tiers_report_file",
        "all",
        "path",
        "",
        "The HTML file that `report`, `plan`, `status` and `drill` write; without it, only `report` writes one: "
        "`report.html` in `tiers_report_dir`.",
        asked=True,
    ),
    Variable(
        "tiers_drill_confirm", "all", "flag", "false", "Allows `drill` to break servers on purpose.", flag, asked=True
    ),
    Variable(
        "tiers_drill_power_off",
        "all",
        "text",
        "its services are killed",
        "Command on the controller that kills a host; `{server}` in it is the server.",
    ),
    Variable("tiers_drill_power_on", "all", "text", "", "Command on the controller that starts a killed host again."),
    Variable(
        "tiers_drill_seconds",
        "all",
        "number",
        "12",
        "Seconds that each fault of a drill lasts.",
        number(1),
        asked=True,
    ),
    Variable(
        "tiers_drill_experiments",
        "all",
        "words",
        "`*_off`",
        "The experiments of a drill: patterns of their names, see docs/drills.md.",
        comma_separated,
        asked=True,
    ),
    Variable(
        "tiers_drill_minutes",
        "all",
        "number",
        "0",
        "Minutes for which a drill repeats its experiments in a random order; 0: each once, in order.",
        number(0),
        asked=True,
    ),
    Variable(
        "tiers_drill_seed",
        "all",
        "number",
        "1",
        "The whole number that determines the random order of a drill with `tiers_drill_minutes`.",
        integer(1),
        asked=True,
    ),
    Variable(
        "tiers_drill_rates",
        "all",
        "mapping",
        "",
        f"Requests a second of each client in a drill. Keys: {'; '.join(f'`{k}`: {v}' for k, v in RATES.items())}.",
        rates,
    ),
    Variable("tiers_drill_allowed", "all", "mapping", "", "Seconds that a drill allows, see docs/drills.md."),
    Variable(
        "tiers_probe_timeout",
        "all",
        "number",
        "10",
        "Seconds that a host may take to answer, and each probe on it, when `status`, `verify` and other playbooks "
        "look at all servers. After it the host is a row with the reason.",
        one_or_more,
    ),
    Variable(
        "tiers_status_max_lag",
        "all",
        "number",
        "30",
        "Seconds that a server's data may be behind before `status` alerts, where the product's positions are times.",
        number(0),
    ),
    Variable(
        "tiers_status_max_behind",
        "all",
        "number",
        "100",
        "Changes that it may be behind where the product's positions are numbers: servers are asked within about 10 s, "
        "in which a system that writes ten times a second makes 100.",
        number(0),
    ),
    Variable(
        "tiers_status_strict",
        "all",
        "flag",
        "false",
        "Makes `status` fail when something is not as planned.",
        flag,
        asked=True,
    ),
    Variable(
        "tiers_certificate_alert",
        "all",
        "number",
        "21",
        "`status` and `verify` report a certificate that is good for fewer days. `deploy` renews it at 30.",
        number(0),
    ),
    Variable(
        "tiers_clock_alert",
        "all",
        "number",
        "1",
        "`status` and `verify` report a host whose clock differs by more seconds from the controller's.",
        number(0),
    ),
    Variable(
        "tiers_clock_refuse",
        "all",
        "number",
        "30",
        "`deploy` refuses to change anything while the clock of a host differs by more seconds from the controller's.",
        number(0),
    ),
    Variable(
        "tiers_disk_alert",
        "all",
        "number",
        "90",
        "`status` and `verify` report a file system that is fuller, in percent.",
        number(0),
    ),
)
BY_NAME: dict[str, Variable] = {variable.name: variable for variable in TABLE}


def recorded_settings() -> list[str]:
    """The keys of a slice that the deployment record keeps."""
    return [variable.recorded for variable in TABLE if variable.recorded]


# Set by the playbooks while they run, so they are seen among a host's variables, but they are no input.
MADE_IN_RUNS = frozenset(
    {
        "tiers_plan",
        "tiers_server",
        "tiers_client",
        "tiers_voter",
        "tiers_validation",
        "tiers_certificate_read",
        "tiers_clock_read",
        "tiers_content",
        "tiers_content_again",
        "tiers_deployment",
        "tiers_content_complete",
        "tiers_content_needed",
        "tiers_content_seconds",
        "tiers_host_checked",
        "tiers_lock_consequence",
        "tiers_lock_operation",
        "tiers_lock_results",
        "tiers_pause_ends",
        "tiers_pause_seconds",
        "tiers_accepts_next",
        "tiers_rounds_of",
        "tiers_round",
        "tiers_not_deployed",
        "tiers_old_machine_probed",
        "tiers_scope_of_run",
        "tiers_part_of_inventory",
        "tiers_probe_deadline",
        "tiers_probe_driver",
        "tiers_probe_operations",
        "tiers_probed",
        "tiers_probed_again",
        "tiers_record_read",
        "tiers_record_read_outside",
        "tiers_refusal",
        "tiers_restart_group",
        "tiers_restart_reversed",
        "tiers_silent_outside",
        "tiers_system_hosts",
        "tiers_task_deadline",
        "tiers_tolerates_unread",
        "tiers_traffic",
        "tiers_uses_plan_file",
        "tiers_voter_probed",
        "tiers_voters_check",
        "tiers_voters_probed_outside",
        "tiers_plan_summary",
        "tiers_balancing",
        "tiers_client_files",
        "tiers_metrics_position",
        "tiers_probe_access",
        "tiers_probe_protocol",
        "tiers_probe_units",
        "tiers_product_check",
        "tiers_tls_request",
        "tiers_watchdog_can_write",
        "tiers_watchdog_check",
        "tiers_watchdog_paths",
        "tiers_earlier",
        "tiers_backup_file",
        "tiers_bundle_read",
        "tiers_backup_report",
        "tiers_rehearsal_name",
        "tiers_rehearsal_report",
        "tiers_rehearsal_wrong",
        "tiers_backup_why",
        "tiers_restored",
        "tiers_resync_why",
        "tiers_resync_source",
        "tiers_restart_needed",
        "tiers_reload_needed",
        "tiers_serving",
        "tiers_wave",
    }
)

# What else of a host is looked at. The product roles' secrets come on top.
ANSIBLE_HOST = "ansible_host"
ANSIBLE_PORT = "ansible_port"
# Where Ansible logs in also depends on these: older names of host and port, the kind of connection, and the way there.
ANSIBLE_SSH_HOST = "ansible_ssh_host"
ANSIBLE_SSH_PORT = "ansible_ssh_port"
ANSIBLE_CONNECTION = "ansible_connection"
ANSIBLE_SSH_ARGS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
OF_THE_LOGIN = (
    ANSIBLE_HOST,
    ANSIBLE_SSH_HOST,
    ANSIBLE_PORT,
    ANSIBLE_SSH_PORT,
    ANSIBLE_CONNECTION,
    *ANSIBLE_SSH_ARGS,
)
OWN_CERTIFICATE = "host_certificate"
UNLOCKS_CA = "tiers_ca_passphrase"
# Made of the host's variables when they are read: what its own certificate is good for; fingerprints of the product's
# options, and the values of those that rules compare; and the system's settings that may hold what was in a vault.
CERTIFICATE_FOR = "certificate.names"
OPTIONS = "product.options"
NUMBERS = "product.numbers"
OPENED = "settings.opened"
LOCAL_FACT = "ansible_local.tiers"
# The record of a voter, and the host's release of Debian, as far as this run has read them.
VOTER_FACT = "ansible_local.tiers_voter"
DEBIAN = "distribution_major_version"
