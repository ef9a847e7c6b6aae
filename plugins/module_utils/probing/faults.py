# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a drill causes on a host that stays up, and the commands that undo them. Each fault lasts as long as one
unit of systemd runs, which ends by itself: no fault needs the controller for its end."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Runs while the fault lasts. `systemctl stop` of it undoes the fault.
UNIT = "tiers-drill.service"
TABLE = "tiers_drill"
DIRECTIONS = ("both", "in", "out")
KINDS = ("cut", "loss", "delay", "stopped", "down", "full")

_ALL_PEERS = ("0.0.0.0/0", "::/0")
# One file system with these holds more than the data of a product.
_SHARED_PATHS = (
    "/",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/tmp",
    "/tmp",
    "/run",
    "/etc",
    "/home",
    "/usr",
    "/srv",
    "/opt",
)
_COUNTED = re.compile(r"\bpackets (\d+)")


def build_ruleset(
    peers: Iterable[str],
    direction: str,
    seconds: float,
    connection: str,
    shared: Iterable[str] = (),
    percent: int = 100,
) -> str:
    """The nftables tables that drop what is exchanged with the peers (none: everybody), for at most so many seconds.

    The kernel empties the sets by itself. `connection`: the ssh connection of the run, whose client is kept; `shared`:
    addresses that the host must no longer announce; `percent`: how many of the incoming packets are dropped.
    """
    families: dict[int, list[str]] = {4: [], 6: []}
    for peer in dict.fromkeys(peers) or _ALL_PEERS:
        families[ipaddress.ip_network(peer, strict=False).version].append(peer)
    lines = [f"table inet {TABLE} {{"]
    for version, members in families.items():
        elements = ", ".join(f"{member} timeout {seconds:g}s" for member in members)
        lines.append(f"set peers{version} {{ type ipv{version}_addr; flags interval, timeout; auto-merge")
        lines += [f"elements = {{ {elements} }}"] if elements else []
        lines.append("}")
    for chain, hook, lo, end in (("incoming", "input", "iif", "saddr"), ("outgoing", "output", "oif", "daddr")):
        if (direction != "both" and not hook.startswith(direction)) or (percent < 100 and hook == "output"):
            continue
        lines += [f"chain {chain} {{", f"type filter hook {hook} priority -300; policy accept;", f"{lo} lo accept"]
        lines += _keep_ssh(connection, hook)
        share = f"numgen random mod 100 < {percent} " if percent < 100 else ""
        lines += [f"{word} {end} @peers{version} {share}counter drop" for version, word in ((4, "ip"), (6, "ip6"))]
        lines.append("}")
    lines.append("}")
    silent = [address for address in dict.fromkeys(shared) if ipaddress.ip_address(address).version == 4]
    if silent:
        listed = f"{{ {', '.join(silent)} }}"
        lines += [
            f"table arp {TABLE} {{",
            "chain incoming {",
            "type filter hook input priority 0; policy accept;",
            f"arp daddr ip {listed} drop",
            "}",
            "chain outgoing {",
            "type filter hook output priority 0; policy accept;",
            f"arp saddr ip {listed} drop",
            "}",
            "}",
        ]
    return "\n".join(lines) + "\n"


def _keep_ssh(connection: str, hook: str) -> list[str]:
    """The rules that keep the client of an ssh connection, with what IPv6 needs to find its address."""
    if not connection:
        return []
    client, _port, _server, port = connection.split()
    version = ipaddress.ip_address(client.partition("%")[0]).version
    end, side = ("saddr", "dport") if hook == "input" else ("daddr", "sport")
    rules = [f"{'ip' if version == 4 else 'ip6'} {end} {client.partition('%')[0]} tcp {side} {port} accept"]
    if version == 6:
        rules.append("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept")
    return rules


def list_commands(fault: Mapping[str, Any], links: Sequence[str]) -> tuple[list[list[str]], list[list[str]]]:
    """The commands that begin a fault, and those that undo it; the latter may be repeated. `links`: the network devices
    of the host."""
    units = list(fault["units"])
    if fault["kind"] in ("cut", "loss"):
        return [["nft", "-f", "-"]], [["nft", "delete", "table", family, TABLE] for family in ("inet", "arp")]
    if fault["kind"] == "delay":
        milliseconds = f"{fault['milliseconds']}ms"
        return (
            [["tc", "qdisc", "add", "dev", link, "root", "netem", "delay", milliseconds] for link in links],
            [["tc", "qdisc", "del", "dev", link, "root", "netem"] for link in links],
        )
    if fault["kind"] == "stopped":
        return (
            [["systemctl", "kill", "--signal=SIGSTOP", *units]],
            [["systemctl", "kill", "--signal=SIGCONT", unit] for unit in units],
        )
    if fault["kind"] == "down":
        dropins = [f"/run/systemd/system/{unit}.d/zz-tiers-drill.conf" for unit in units]
        return (
            [["systemctl", "daemon-reload"], ["systemctl", "kill", "--signal=SIGKILL", *units]],
            [
                ["rm", "-f", *dropins],
                ["systemctl", "daemon-reload"],
                ["systemctl", "reset-failed", *units],
                ["systemctl", "start", *units],
            ],
        )
    return [], []


def run_unit(seconds: float, undo: Sequence[Sequence[str]], description: str, holds: Sequence[str] = ()) -> list[str]:
    """The command that starts the unit of a fault. It undoes the fault when it ends: after so many seconds, when it is
    stopped, and at a shutdown. `holds`: a command in its place, which must end by itself, too."""
    ends = [f"--property=ExecStopPost=-{shlex.join(command)}" for command in undo]
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={UNIT}",
        f"--description={description}",
        "--property=Type=exec",
        *ends,
        *(holds or ["sleep", f"{seconds:g}"]),
    ]


def fill(path: str, size: int, seconds: float) -> list[str]:
    """The command that takes so many bytes below a path. The file has no name, so the space is free again as soon as
    the command ends, and after a boot."""
    script = 'exec 9>"$1" && rm "$1" && fallocate --length "$2" /proc/self/fd/9 && exec sleep "$3"'
    return ["/bin/sh", "-c", script, "fill", f"{path}/.tiers-drill", str(size), f"{seconds:g}"]


def count_dropped(listing: str) -> int:
    """How many packets the rules of a listed table dropped."""
    return sum(int(packets) for packets in _COUNTED.findall(listing))


def explain_shared(device: int, devices: Mapping[str, int]) -> str:
    """Why a file system must not be filled, or nothing. `device`: of the data; `devices`: of other paths."""
    with_it = sorted(path for path, other in devices.items() if other == device)
    return f"its data share a file system with {with_it[0]}" if with_it else ""


def shared_paths() -> tuple[str, ...]:
    return _SHARED_PATHS
