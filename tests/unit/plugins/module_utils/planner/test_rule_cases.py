# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules in the cases their examples do not show: what must be told, and what must not be."""

from __future__ import annotations

import dataclasses
import re

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.planner import topology
from ansible_collections.distributed.tiers.plugins.module_utils.planner.plan import make_plan
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules import REGISTRY
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.described_services import ledger
from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import Guesses
from ansible_collections.distributed.tiers.plugins.module_utils.text import ended

PX1_BACKUP = "backup: {hosts: {px1-b: {ansible_host: 192.0.2.13, tiers_backup_of: px1, tiers_zone: rack-b}}}"
P1_BACKUP = "backup: {hosts: {p1-b: {ansible_host: 192.0.2.24, tiers_backup_of: p1, tiers_zone: rack-b}}}"
THIRD = "parallel: {hosts: {p3: {ansible_host: 192.0.2.23}}}"
SHARED = "distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.30}}}"
TERMINATED = """
all:
  vars:
    tiers_product: service
    tiers_service:
      name: ledger
      port: 8443
      protocol: http
      tls: product
      tiers: [master, proxy, parallel]
      proxy: {mode: pass}
      redundancy: {master: [warm]}
      stateful: false
      install: {way: none}
      unit: ledger.service
"""

DOMAIN = "{tiers_domain: " + ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 52]) + "}"
LABEL, DOTTED = "a" * 64, "a." * 32 + "b"


def client(name: str) -> str:
    return f"client: {{hosts: {{{name}: {{ansible_host: 192.0.2.52}}}}}}"


# (rule, host and variable told, what the message says, patches)
FIRES = [
    # Names.
    ("name-length", LABEL, None, "64 characters, not 63", client(LABEL)),
    ("name-length", DOTTED, None, "65 characters, not 64", client(DOTTED)),
    (
        "name-length",
        "c" * 9,
        "tiers_domain",
        "254 characters, not 253",
        f"{{all: {{vars: {DOMAIN}}}, {client('c' * 9)}}}",
    ),
    # Addresses.
    ("usable-address", "px1", "tiers_address", "link", "proxy: {hosts: {px1: {ansible_host: 169.254.7.7}}}"),
    ("usable-address", "px1", "tiers_address", "link", "proxy: {hosts: {px1: {ansible_host: 'fe80::1'}}}"),
    (
        "usable-address",
        "px1",
        "tiers_address",
        "interface",
        "proxy: {hosts: {px1: {ansible_host: '2001:db8::1%eth0'}}}",
    ),
    (
        "usable-address",
        "px1",
        "tiers_address",
        "write 192.0.2.1",
        "proxy: {hosts: {px1: {ansible_host: '::ffff:192.0.2.1'}}}",
    ),
    ("usable-address", "c1", "tiers_address", "no address", "client: {hosts: {c1: {ansible_host: 255.255.255.255}}}"),
    ("usable-address", "px1", "tiers_address", "127.0.0.1", "proxy: {hosts: {px1: {ansible_host: 127.0.0.1}}}"),
    ("unique-address", "m2, px1", "tiers_address", "port 636", "proxy: {hosts: {px1: {ansible_host: 192.0.2.2}}}"),
    (
        "unique-address",
        "m1, px1",
        "tiers_address",
        "2001:db8::1 port 636",
        "{master: {hosts: {m1: {ansible_host: '2001:db8::1'}}}, "
        "proxy: {hosts: {px1: {ansible_host: '2001:DB8:0:0::1'}}}}",
    ),
    (
        "one-login",
        "c1, m1",
        "ansible_host",
        "at 192.0.2.1 port 22",
        "client: {hosts: {c1: {tiers_address: 192.0.2.51, ansible_host: 192.0.2.1, ansible_port: 22}}}",
    ),
    (
        "one-login",
        "px1, px2",
        "ansible_host",
        "at 192.0.2.12 port 2201",
        "proxy: {hosts: {px1: {tiers_address: 192.0.2.11, ansible_host: 192.0.2.12, ansible_ssh_port: 2201}, "
        "px2: {tiers_address: 192.0.2.13, ansible_ssh_port: 2201}}}",
    ),
    (
        "one-address-family",
        "px1",
        "tiers_address",
        "px1 has an address of IPv6, all other hosts of IPv4",
        "proxy: {hosts: {px1: {ansible_host: '2001:db8::11'}}}",
    ),
    (
        "one-address-family",
        None,
        "tiers_site_networks",
        "The networks of site 'berlin' are of IPv6, all hosts of IPv4: its named clients cannot connect to any server.",
        "all: {vars: {tiers_site_networks: {berlin: ['2001:db8::/64']}}}",
    ),
    (
        "bad-value",
        "m1",
        "tiers_zone",
        "put it in quotes: '2024-05-01'",
        "master: {hosts: {m1: {tiers_zone: 2024-05-01}}}",
    ),
    ("bad-value", None, "tiers_name", "put it in quotes: '2024-05-01'", "all: {vars: {tiers_name: 2024-05-01}}"),
    (
        "bad-value",
        "m1",
        "tiers_tags",
        "put it in quotes: '2024-05-01'",
        "master: {hosts: {m1: {tiers_tags: [a, 2024-05-01]}}}",
    ),
    ("bad-value", None, "tiers_name", "must have 58 characters at most", "all: {vars: {tiers_name: Zürich}}"),
    ("bad-value", None, "tiers_name", "must have 58 characters at most", f"all: {{vars: {{tiers_name: {'x' * 59}}}}}"),
    (
        "bad-value",
        "x" * 59 + "…",
        None,
        "must have 64 characters at most",
        f"client: {{hosts: {{{'.'.join(['x' * 60] * 2)}: {{ansible_host: 192.0.2.52}}}}}}",
    ),
    (
        "backup-of-one",
        "restic1",
        "tiers_backup_of",
        "The primary of the backup is not set.",
        "backup: {hosts: {restic1: {ansible_host: 192.0.2.90}}}",
    ),
    (
        "service-description",
        None,
        "tiers_service",
        "YAML reads 2024-05-01 as a date; put it in quotes: '2024-05-01'",
        TERMINATED,
        "all: {vars: {tiers_service: {version: 2024-05-01}}}",
    ),
    (
        "shared-host",
        "d1, p1",
        "tiers_address",
        "192.0.2.21",
        "distributor: {hosts: {d1: {ansible_host: 192.0.2.21, tiers_port: 700}}}",
    ),
    # Shared addresses.
    (
        "shared-address",
        "d1",
        "tiers_virtual_address",
        "of c1",
        "distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.51}}}",
    ),
    (
        "shared-address",
        "d1",
        "tiers_virtual_address",
        "IPv6",
        "distributor: {hosts: {d1: {tiers_virtual_address: '2001:db8::30'}}}",
    ),
    (
        "shared-address",
        "d1",
        "tiers_virtual_address",
        "127.0.0.1",
        "distributor: {hosts: {d1: {tiers_virtual_address: 127.0.0.1}}}",
    ),
    (
        "shared-address",
        "d1",
        "tiers_virtual_address",
        "224.0.0.9",
        "distributor: {hosts: {d1: {tiers_virtual_address: 224.0.0.9}}}",
    ),
    (
        "shared-address",
        "m1",
        "tiers_virtual_address",
        "of d1",
        SHARED,
        "master: {hosts: {m1: {tiers_virtual_address: 192.0.2.30, tiers_network: 192.0.2.0/23}}}",
        "backup: {hosts: {m2: {tiers_port: 700}}}",
        "master: {hosts: {m1: {tiers_port: 700}}}",
    ),
    (
        "shared-address-network",
        "d2",
        "tiers_address",
        "own address 198.51.100.32",
        "distributor: {hosts: {d1: {tiers_virtual_address: 192.0.2.30, tiers_network: 192.0.2.0/24}}}",
        "backup: {hosts: {d2: {ansible_host: 198.51.100.32}}}",
    ),
    (
        "shared-address-near",
        "d1, d2",
        "tiers_virtual_address",
        "2001:db8:0:1::30",
        "distributor: {hosts: {d1: {ansible_host: '2001:db8::31', tiers_virtual_address: '2001:db8:0:1::30'}}}",
        "backup: {hosts: {d2: {ansible_host: '2001:db8::32'}}}",
    ),
    # Backups.
    (
        "backup-of-one",
        "m2",
        "tiers_backup_of",
        "did you mean 'm1'",
        "backup: {hosts: {m2: {tiers_backup_of: m1.example.com}}}",
    ),
    ("backup-of-one", "m2", "tiers_backup_of", "c1 is a client", "backup: {hosts: {m2: {tiers_backup_of: c1}}}"),
    ("backup-same-zone", "px1-b", "tiers_zone", "rack-b", PX1_BACKUP, "proxy: {hosts: {px1: {tiers_zone: rack-b}}}"),
    (
        "backup-same-host",
        "px1-b",
        "tiers_address",
        "px1",
        PX1_BACKUP,
        "backup: {hosts: {px1-b: {ansible_host: 192.0.2.11, tiers_port: 700}}}",
    ),
    (
        "backup-capacity",
        "p1-b",
        "tiers_capacity",
        "10 connections, its primary p1 may be given 100",
        P1_BACKUP,
        "{parallel: {hosts: {p1: {tiers_capacity: 100}}}, backup: {hosts: {p1-b: {tiers_capacity: 10}}}}",
    ),
    ("backup-away", "m2", "tiers_state", "m1 runs without a backup", "backup: {hosts: {m2: {tiers_state: draining}}}"),
    ("backup-away", "px1-b", "tiers_state", "px1 runs", PX1_BACKUP, "backup: {hosts: {px1-b: {tiers_state: down}}}"),
    (
        "pair-options",
        "m2",
        "product_openldap_size_limit",
        "but not here",
        "master: {hosts: {m1: {product_openldap_size_limit: 9}}}",
    ),
    (
        "pair-version",
        "m2",
        "tiers_version",
        "the backup comes first",
        "{all: {vars: {tiers_upgrading: true, tiers_version: '2.6'}}, backup: {hosts: {m2: {tiers_version: '2.5'}}}}",
    ),
    (
        "one-backup",
        "m2, m3",
        "tiers_backup_of",
        "behind m1: m2, m3",
        "backup: {hosts: {m3: {ansible_host: 192.0.2.3, tiers_backup_of: m1}}}",
    ),
    # The master.
    (
        "master-down",
        "m1",
        "tiers_state",
        "no backup",
        "{master: {hosts: {m1: {tiers_state: down}}}, backup: {hosts: {m2: !remove }}}",
    ),
    # The way up.
    (
        "upstream-lists-backup",
        "px1",
        "tiers_upstream",
        "m2 without its primary m1",
        "proxy: {hosts: {px1: {tiers_upstream: [m2]}}}",
    ),
    (
        "upstream-lists-backup",
        "px2",
        "tiers_upstream",
        "px1 without its backup px1-b",
        PX1_BACKUP,
        "proxy: {hosts: {px2: {tiers_upstream: [px1]}}}",
    ),
    (
        "upstream-reaches-master",
        "px1-b",
        "tiers_upstream",
        "Its only upstream is its primary",
        PX1_BACKUP,
        "backup: {hosts: {px1-b: {tiers_upstream: [px1]}}}",
    ),
    (
        "upstream-order",
        "p1",
        "tiers_upstream",
        "prefers the backup m2 to its primary m1",
        "parallel: {hosts: {p1: {tiers_upstream: [m2, m1]}}}",
    ),
    (
        "upstream-acyclic",
        "px1",
        "tiers_upstream",
        "px1 > px2 > px3 > px1",
        "proxy: {hosts: {px1: {tiers_upstream: [px2]}, px2: {tiers_upstream: [px3]}, "
        "px3: {ansible_host: 192.0.2.14, tiers_upstream: [px1]}}}",
    ),
    ("upstream-acyclic", "px1", "tiers_upstream", "px1 > px1", "proxy: {hosts: {px1: {tiers_upstream: [px1]}}}"),
    ("upstream-known", "m2", "tiers_upstream", "backup of m1", "backup: {hosts: {m2: {tiers_upstream: [m1]}}}"),
    # The pool.
    ("min-online", None, "tiers_min_online", "3 in all", THIRD, "all: {vars: {tiers_min_online: 3}}"),
    (
        "min-online",
        "p1, p2",
        "tiers_min_online",
        "only 1 of 3",
        THIRD,
        "all: {vars: {tiers_min_online: 2}}",
        "parallel: {hosts: {p1: {tiers_state: down}, p2: {tiers_state: draining}}}",
    ),
    (
        "pool-spare",
        "p1",
        "tiers_state",
        "2 of 3 members are active, and the pool needs 2",
        THIRD,
        "{all: {vars: {tiers_min_online: 2}}, parallel: {hosts: {p1: {tiers_state: down}}}}",
    ),
    (
        "pool-spare",
        "p1",
        "tiers_state",
        "1 of 2 members is active",
        P1_BACKUP,
        "{parallel: {hosts: {p1: {tiers_state: down}}}, backup: {hosts: {p1-b: {tiers_state: draining}}}}",
    ),
    (
        "pool-active",
        "d1",
        "tiers_state",
        "d2 is down, too",
        "{distributor: {hosts: {d1: {tiers_state: down}}}, backup: {hosts: {d2: {tiers_state: down}}}}",
    ),
    (
        "pool-same",
        "p3",
        "tiers_data_version",
        "41 on p3; 42 on the others",
        THIRD,
        "parallel: {vars: {tiers_data_version: '42'}, hosts: {p3: {tiers_data_version: '41'}}}",
    ),
    (
        "pool-same",
        "p1-b",
        "tiers_data_version",
        "41 on p1-b",
        P1_BACKUP,
        "{parallel: {vars: {tiers_data_version: '42'}}, backup: {hosts: {p1-b: {tiers_data_version: '41'}}}}",
    ),
    (
        "distributor-on-member",
        "d2",
        "tiers_address",
        "p1",
        "backup: {hosts: {d2: {ansible_host: 192.0.2.21, tiers_port: 700}}}",
        "distributor: {hosts: {d1: {tiers_port: 700}}}",
    ),
    # Running.
    (
        "detection-between-sites",
        "m1",
        "tiers_failure_detection",
        "a failure of px1 at another site after 3 s",
        "{master: {hosts: {m1: {tiers_failure_detection: 3}}}, "
        "proxy: {hosts: {px1: {tiers_site: paris, tiers_failure_detection: 12}}}}",
    ),
    (
        "detection-between-sites",
        "m1",
        "tiers_failure_detection",
        "a failure of m2 at another site never",
        "{master: {hosts: {m1: {tiers_failure_detection: 0}}}, backup: {hosts: {m2: {tiers_site: paris}}}}",
    ),
    (
        "detection-between-sites",
        "d1",
        "tiers_failure_detection",
        "p1 at another site",
        "{distributor: {hosts: {d1: {tiers_failure_detection: 3}}}, parallel: {hosts: {p1: {tiers_site: paris}}}}",
    ),
    (
        "reload-storm",
        "px1, px1-b",
        "tiers_reload_delay",
        "2 proxies",
        PX1_BACKUP,
        "proxy: {hosts: {px1: {tiers_reload_delay: 30}}}",
    ),
    (
        "clocks",
        "d1",
        "tiers_time_service",
        "Its clock is not",
        "distributor: {hosts: {d1: {tiers_time_service: None}}}",
    ),
    ("start-order", "px1", "tiers_starts_after", "after itself", "proxy: {hosts: {px1: {tiers_starts_after: [px1]}}}"),
    (
        "start-order",
        "px1",
        "tiers_starts_after",
        "did you mean 'm1'",
        "proxy: {hosts: {px1: {tiers_starts_after: [m1.example.com]}}}",
    ),
    (
        "voters-apart",
        "p1, p1-b",
        "tiers_address",
        "192.0.2.21",
        THIRD,
        P1_BACKUP,
        "{all: {vars: {tiers_product: example.voting.product}}, "
        "backup: {hosts: {p1-b: {ansible_host: 192.0.2.21, tiers_port: 701}}}}",
    ),
    # Settings of the system.
    (
        "setting-differs",
        "m2",
        "tiers_domain",
        "The value 'b.example' differs from 'a.example' of c1, d1, d2, m1, p1 and 3 more.",
        "{all: {vars: {tiers_domain: a.example}}, backup: {hosts: {m2: {tiers_domain: b.example}}}}",
    ),
    (
        "setting-differs",
        "m2",
        "tiers_name",
        "'…" + "x" * 15 + "b' differs from '…" + "x" * 15 + "a'",
        f"{{all: {{vars: {{tiers_name: {'x' * 70}a}}}}, backup: {{hosts: {{m2: {{tiers_name: {'x' * 70}b}}}}}}}}",
    ),
    (
        "setting-differs",
        "m2",
        "tiers_client_timeout",
        "The value '60' differs from 60 of",
        "{all: {vars: {tiers_client_timeout: 60}}, backup: {hosts: {m2: {tiers_client_timeout: '60'}}}}",
    ),
    (
        "setting-differs",
        "m2",
        "tiers_site_latency",
        "The value 12 at 'berlin' at 'paris' differs from 120 of",
        "{all: {vars: {tiers_site_latency: {berlin: {tokyo: 9, paris: 120}}}}, "
        "backup: {hosts: {m2: {tiers_site_latency: {berlin: {tokyo: 9, paris: 12}}}}}}",
    ),
    (
        "setting-differs",
        "m2",
        "tiers_clients",
        "The value has nothing at entry 2, unlike that of",
        "{all: {vars: {tiers_clients: [{name: a, site: berlin}, {name: b, site: berlin}]}}, "
        "backup: {hosts: {m2: {tiers_clients: [{name: a, site: berlin}]}}}}",
    ),
    # Something of it may be from a vault.
    (
        "setting-differs",
        "m2",
        "tiers_clients",
        "The value at entry 1 at 'site' differs from that of",
        "backup: {hosts: {m2: {tiers_clients: [{name: desk-1, site: '{{ hidden }}'}], hidden: from-a-vault}}}",
    ),
    (
        "setting-differs",
        "m2",
        "tiers_service",
        "The value at 'environment' at 'KEY' differs from that of",
        TERMINATED,
        "{all: {vars: {tiers_service: {environment: {KEY: from-a-vault}}}}, "
        "backup: {hosts: {m2: {tiers_service: {name: ledger, port: 8443, protocol: http, tls: product, "
        "tiers: [master, proxy, parallel], proxy: {mode: pass}, redundancy: {master: [warm]}, stateful: false, "
        "install: {way: none}, unit: ledger.service, environment: {KEY: another}}}}}}",
    ),
    # Clients.
    (
        "allocation-input",
        "c1",
        "tiers_pin",
        "did you mean 'px1'",
        "client: {hosts: {c1: {tiers_pin: px1.example.com}}}",
    ),
    ("allocation-input", "c1", "tiers_allow", "no selector", "client: {hosts: {c1: {tiers_allow: ['place:berlin']}}}"),
    (
        "allocation-input",
        "desk-1",
        "tiers_clients",
        "did you mean 'px",
        "all: {vars: {tiers_clients: [{name: desk-1, site: berlin, pin: px3}]}}",
    ),
    # A name may have what messages are put together with.
    (
        "allocation-input",
        "it's: pin",
        "tiers_clients",
        "did you mean 'px",
        """all: {vars: {tiers_clients: [{name: "it's: pin", site: berlin, pin: px3}]}}""",
    ),
    (
        "allocation-input",
        "client 'c1': pin",
        "tiers_clients",
        "no selector",
        """all: {vars: {tiers_clients: [{name: "client 'c1': pin", site: berlin, deny: ["x:y"]}]}}""",
    ),
    (
        "selector-known",
        "c1",
        "tiers_allow",
        "There are no proxies",
        "proxy: {hosts: {px1: !remove , px2: !remove }}",
        "client: {hosts: {c1: {tiers_allow: [px1]}}}",
    ),
    (
        "client-placed",
        "c1",
        "tiers_pin",
        "px1, but it is down",
        "{client: {hosts: {c1: {tiers_pin: px1}}}, proxy: {hosts: {px1: {tiers_state: down}}}}",
    ),
    (
        "client-placed",
        "c1, desk-1",
        "tiers_state",
        "no proxy is active",
        "proxy: {vars: {tiers_state: down}}",
    ),
    (
        "site-served",
        None,
        "tiers_site",
        "that is active",
        "{proxy: {hosts: {px1: {tiers_site: paris, tiers_state: down}}}, client: {vars: {tiers_site: paris}}}",
    ),
    ("site-served", None, "tiers_site", "did you mean 'berlin'", "client: {vars: {tiers_site: berln}}"),
    (
        "loss-fits",
        "px1, px2",
        "tiers_capacity",
        "its only connection finds no place",
        "proxy: {vars: {tiers_capacity: 1}}",
    ),
    (
        "loss-fits",
        "px1",
        "tiers_backup_of",
        "find no place elsewhere: no other proxy exists.",
        "proxy: {hosts: {px2: !remove }}",
    ),
    (
        "loss-fits",
        "px1",
        "tiers_backup_of",
        "find no place elsewhere: no other proxy is active.",
        "proxy: {hosts: {px2: {tiers_state: draining}}}",
    ),
    (
        "loss-fits",
        "px1, px2",
        "tiers_backup_of",
        "finds no place elsewhere: every other proxy is in the same zone (rack-a).",
        "proxy: {vars: {tiers_capacity: 1}, hosts: {px2: {tiers_zone: rack-a}}}",
    ),
    (
        "master-without-backup",
        "m1",
        "tiers_backup_of",
        "its product supports none for a master",
        ledger(("{master: [warm]}", "{}")),
        "backup: {hosts: {m2: !remove }}",
    ),
    # Names of proxies that are gone, in the words of a client host and of a named client.
    (
        "selector-known",
        "c1",
        "tiers_deny",
        "'px9' matches no proxy",
        "client: {hosts: {c1: {tiers_deny: [px9]}}}",
    ),
    (
        "selector-known",
        "desk-1",
        "tiers_allow",
        "'px-old' matches no proxy",
        "all: {vars: {tiers_clients: [{name: desk-1, site: berlin, allow: [px1, px-old]}]}}",
    ),
    (
        "port-udp",
        None,
        "tiers_service",
        "Port 6514 ('syslog') is UDP. Only TCP is balanced: HAProxy",
        ledger(
            (
                "stateful: false",
                "stateful: false\n"
                "      ports: [{name: syslog, port: 6514, protocol: udp, to: [parallel], from: [client]}]",
            )
        ),
    ),
    (
        "service-description",
        None,
        "tiers_service",
        "here it is 'udp'; Only TCP is balanced",
        ledger(("protocol: http", "protocol: udp")),
    ),
    # Names of groups.
    (
        "unread-group",
        "px3",
        "tiers_groups",
        "did you mean 'dir_proxies'",
        "all: {vars: {tiers_groups: {proxy: [proxy, dir_proxies]}}}",
        "dir_proxys: {hosts: {px3: {ansible_host: 192.0.2.13}}}",
    ),
]

# (rule, patches)
SILENT = [
    ("name-length", client("a" * 63)),
    ("name-length", client("a." * 32)),
    ("name-length", f"{{all: {{vars: {DOMAIN}}}, {client('c' * 8)}}}"),
    # One gateway for all: the older name of the port, a jump host, a plugin that tells guests apart by itself.
    (
        "one-login",
        "{all: {vars: {ansible_host: gw.example.com}}, proxy: {hosts: "
        "{px1: {tiers_address: 192.0.2.11, ansible_host: gw.example.com, ansible_ssh_port: 2201}, "
        "px2: {tiers_address: 192.0.2.12, ansible_host: gw.example.com, ansible_ssh_port: 2202}}}}",
    ),
    (
        "one-login",
        "proxy: {hosts: {px1: {tiers_address: 192.0.2.11, ansible_host: 10.0.0.5, "
        "ansible_ssh_common_args: -o ProxyJump=a.example.com}, px2: {tiers_address: 192.0.2.12, "
        "ansible_host: 10.0.0.5, ansible_ssh_common_args: -o ProxyJump=b.example.com}}}",
    ),
    (
        "one-login",
        "proxy: {hosts: {px1: {tiers_address: 192.0.2.11, ansible_host: pve1.example.com, "
        "ansible_connection: community.proxmox.proxmox_pct_remote}, px2: {tiers_address: 192.0.2.12, "
        "ansible_host: pve1.example.com, ansible_connection: community.proxmox.proxmox_pct_remote}}}",
    ),
    # Local connections, as to containers: they lead wherever they are told to.
    (
        "one-login",
        "proxy: {hosts: {px1: {tiers_address: 10.0.0.1, ansible_host: 127.0.0.1}}}",
        "proxy: {hosts: {px2: {tiers_address: 10.0.0.2, ansible_host: 127.0.0.1}}}",
    ),
    ("backup-same-zone", "backup: {hosts: {m2: {tiers_zone: rack-a, tiers_site: paris}}}"),
    ("backup-same-zone", "{master: {hosts: {m1: {tiers_zone: }}}, backup: {hosts: {m2: {tiers_zone: }}}}"),
    # HAProxy is of no version of the product.
    ("pair-version", "{all: {vars: {tiers_version: '2.6'}}, distributor: {vars: {tiers_version: '2.5'}}}"),
    (
        "pair-version",
        TERMINATED,
        PX1_BACKUP,
        "{all: {vars: {tiers_version: '2.6'}}, proxy: {vars: {tiers_version: '2.5'}}}",
    ),
    ("version-order", TERMINATED, "proxy: {hosts: {px1: {tiers_version: '2.5'}}}"),
    # An upgrade under way.
    (
        "pair-version",
        "{all: {vars: {tiers_upgrading: true, tiers_version: '2.5'}}, backup: {hosts: {m2: {tiers_version: '2.6'}}}}",
    ),
    (
        "pair-version",
        PX1_BACKUP,
        "{all: {vars: {tiers_upgrading: true}}, backup: {hosts: {px1-b: {tiers_version: '2.6'}}}}",
    ),
    ("pool-same", "{all: {vars: {tiers_upgrading: true}}, parallel: {hosts: {p1: {tiers_version: '2.6'}}}}"),
    # A backup holds its primary's data.
    ("pool-same", P1_BACKUP, "parallel: {vars: {tiers_data_version: '42'}}"),
    # A drain is no error.
    ("min-online", THIRD, "{all: {vars: {tiers_min_online: 2}}, parallel: {hosts: {p1: {tiers_state: draining}}}}"),
    ("min-online", "parallel: {hosts: {p1: {tiers_state: draining}}}"),
    ("pool-spare", THIRD, "all: {vars: {tiers_min_online: 2}}"),
    # While a member is down its backup serves.
    ("pool-spare", P1_BACKUP, "parallel: {hosts: {p1: {tiers_state: down}}}"),
    ("pool-active", P1_BACKUP, "parallel: {vars: {tiers_state: down}}"),
    ("backup-away", "{master: {hosts: {m1: {tiers_state: down}}}, backup: {hosts: {m2: {tiers_state: active}}}}"),
    ("master-down", "{master: {hosts: {m1: {tiers_state: draining}}}, backup: {hosts: {m2: {tiers_state: draining}}}}"),
    # The backup serves, for as long as the master is away.
    ("upstream-order", "{master: {hosts: {m1: {tiers_state: down}}}, proxy: {vars: {tiers_upstream: [m2, m1]}}}"),
    ("upstream-lists-backup", PX1_BACKUP, "backup: {hosts: {px1-b: {tiers_upstream: [px1, m1, m2]}}}"),
    # It has no clients, and yet others live by it.
    (
        "proxy-idle",
        "{proxy: {hosts: {px2: {tiers_upstream: [px1]}}}, client: {vars: {tiers_pin: px2}}, "
        "all: {vars: {tiers_clients: []}}}",
    ),
    # Its site's proxy is away on purpose.
    (
        "client-other-site",
        "{client: {vars: {tiers_site: paris}}, proxy: {hosts: {px1: {tiers_site: paris, tiers_state: down}}}}",
    ),
    (
        "client-past-proxy",
        "{client: {hosts: {c1: {tiers_direct: true, tiers_site: paris}}}, "
        "proxy: {hosts: {px1: {tiers_site: paris, tiers_state: down}}}}",
    ),
    ("clocks", "distributor: {vars: {tiers_time_service: }}"),
    ("voters-odd", "all: {vars: {tiers_product: example.voting.product}}"),
    ("detection-between-sites", "proxy: {hosts: {px1: {tiers_site: paris, tiers_failure_detection: 10}}}"),
    ("detection-before-clients", "all: {vars: {tiers_failure_detection: 60, tiers_client_timeout: 0}}"),
    (
        "hang-unnoticed",
        ledger(("tls: product", "tls: none\n      check: {type: tcp}")),
        "all: {vars: {tiers_watchdog_seconds: 0}}",
    ),
    (
        "shared-address-near",
        "distributor: {hosts: {d1: {tiers_virtual_address: 198.51.100.30, tiers_network: 192.0.0.0/2}}}",
    ),
    ("shared-address-network", "distributor: {hosts: {d1: {tiers_virtual_address: 198.51.100.30}}}"),
    # Another system in the same inventory: its groups differ in one word.
    (
        "unread-group",
        "{all: {vars: {tiers_groups: {proxy: [proxy, a_proxy]}}}, b_proxy: {hosts: {px3: {ansible_host: 192.0.2.13}}}}",
    ),
    (
        "unread-group",
        "{all: {vars: {tiers_groups: {proxy: [proxy, paris1-proxies]}}}, "
        "paris2-proxies: {hosts: {px3: {ansible_host: 192.0.2.13}}}}",
    ),
]


@pytest.mark.parametrize(("rule", "host", "variable", "text", "patches"), [(*c[:4], c[4:]) for c in FIRES])
def test_reported(judge, rule, host, variable, text, patches):
    found = [finding for finding in judge(*patches).findings if finding.rule == rule]
    assert (host, variable) in [(finding.host, finding.variable) for finding in found]
    assert any(text in finding.message for finding in found)
    # One end, whatever a message is put together of.
    assert [f.message for f in found if not re.fullmatch(r"[^\s.,:;?!][.?]", f.message[-2:])] == []


@pytest.mark.parametrize(("rule", "patches"), [(c[0], c[1:]) for c in SILENT])
def test_not_reported(judge, rule, patches):
    assert rule in REGISTRY
    assert [finding.message for finding in judge(*patches).findings if finding.rule == rule] == []


# What each kind of server is connected to, so what its certificate must be good for.
CERTIFIED = [
    ("m1", "upstream.tiers.internal"),
    ("m2", "upstream.tiers.internal"),
    ("p1", "pool.tiers.internal and 192.0.2.30"),
    ("d1", "192.0.2.30"),
    ("px1", None),
]


@pytest.mark.parametrize(("server", "missing"), CERTIFIED)
def test_a_certificate_is_good_for_whatever_is_connected_to(read, server, missing):
    system = read(SHARED)
    own = system.servers[server]

    def told(*names: str) -> list[str]:
        changed = dataclasses.replace(own, certificate_for=(own.address, *names))
        servers = {**system.servers, server: changed}
        findings = make_plan(dataclasses.replace(system, servers=servers)).findings
        return [finding.message for finding in findings if finding.rule == "certificate-names"]

    assert told("*.TIERS.internal", "192.0.2.30") == []
    if missing is None:
        assert told() == []
    else:
        (message,) = told()
        assert message.startswith(f"Its certificate is not good for {missing}, but")


def test_an_address_that_cannot_be_read_is_reported_once(judge):
    (finding,) = judge("proxy: {hosts: {px1: {ansible_host: 'http://192.0.2.11'}}}").errors
    assert (finding.rule, finding.host, finding.variable) == ("bad-value", "px1", "ansible_host")


def test_a_misspelt_variable_of_many_hosts_is_looked_up_once(read, monkeypatch):
    asked = []
    monkeypatch.setattr(topology, "with_hint", lambda text, word, _known: asked.append(word) or text)
    assert len(read("all: {vars: {tiers_capacty: 5}}").problems) > 1
    assert asked == ["tiers_capacty"]


def test_a_circle_of_a_thousand_proxies_is_reported_in_a_line(judge):
    proxies = ", ".join(
        f"x{n}: {{ansible_host: 10.0.{n // 250}.{n % 250 + 1}, tiers_upstream: [x{(n + 1) % 1000}]}}"
        for n in range(1000)
    )
    (finding,) = [f for f in judge(f"proxy: {{hosts: {{{proxies}}}}}").findings if f.rule == "upstream-acyclic"]
    assert len(finding.message) < 120


def test_guesses_are_made_for_the_first_names_only():
    guesses = Guesses(f"server-{n}" for n in range(100))
    hints = [guesses.with_hint("No", f"servr-{n}") for n in range(100)]
    assert hints[0] == "No; did you mean 'server-0'?"
    assert sum("did you mean" in text for text in hints) == Guesses.MOST
    assert guesses.with_hint("No", "servr-0") == hints[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("It is so", "It is so."),
        ("It is so.", "It is so."),
        ("Was it 'so'?", "Was it 'so'?"),
        ("Was it 'so'?.", "Was it 'so'?"),
        ("It is so; ", "It is so."),
        ("it is cut…", "it is cut…"),
    ],
)
def test_a_text_has_one_end(text, told):
    assert ended(text) == told
