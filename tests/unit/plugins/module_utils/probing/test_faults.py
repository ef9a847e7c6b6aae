# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of faults, and that each has an end that needs no controller."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import faults

SSH = "192.0.2.1 50022 192.0.2.11 22"


def ruleset(**more: Any) -> str:
    return faults.build_ruleset(**{"peers": [], "direction": "both", "seconds": 30, "connection": SSH, **more})


def chains(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("chain ")]


def test_all_peers_are_cut_off_but_the_ssh_connection_of_the_run() -> None:
    lines = ruleset().splitlines()
    kept, dropped = lines.index("ip saddr 192.0.2.1 tcp dport 22 accept"), lines.index("ip saddr @peers4 counter drop")
    assert kept < dropped
    assert "elements = { 0.0.0.0/0 timeout 30s }" in lines
    assert "elements = { ::/0 timeout 30s }" in lines
    assert "ip daddr 192.0.2.1 tcp sport 22 accept" in lines


def test_only_the_named_peers_are_cut_off() -> None:
    text = ruleset(peers=["192.0.2.12", "2001:db8::12"])
    assert "elements = { 192.0.2.12 timeout 30s }" in text
    assert "elements = { 2001:db8::12 timeout 30s }" in text
    assert "0.0.0.0/0" not in text


@pytest.mark.parametrize(
    ("direction", "expected"), [("both", ["incoming", "outgoing"]), ("in", ["incoming"]), ("out", ["outgoing"])]
)
def test_one_direction_is_cut(direction: str, expected: list[str]) -> None:
    assert chains(ruleset(direction=direction)) == expected


def test_loss_drops_a_share_of_the_incoming_packets() -> None:
    text = ruleset(percent=20)
    assert chains(text) == ["incoming"]
    assert "ip saddr @peers4 numgen random mod 100 < 20 counter drop" in text


def test_shared_addresses_are_not_announced() -> None:
    assert "arp saddr ip { 192.0.2.30 } drop" in ruleset(shared=["192.0.2.30"])
    assert "table arp" not in ruleset()
    assert "table arp" not in ruleset(shared=["2001:db8::30"])  # neighbour discovery is cut with all of IPv6


def test_a_run_over_ipv6_keeps_what_finds_its_address() -> None:
    text = ruleset(connection="2001:db8::1 50022 2001:db8::11 22")
    assert "ip6 saddr 2001:db8::1 tcp dport 22 accept" in text
    assert "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept" in text


def test_a_local_run_keeps_nothing() -> None:
    assert "accept" not in ruleset(connection="").replace("policy accept", "").replace("lo accept", "")


@pytest.mark.skipif(
    not shutil.which("nft") or bool(subprocess.run(["nft", "list", "tables"], check=False).returncode),
    reason="needs nft and root",
)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"peers": ["192.0.2.0/24"], "direction": "in"},
        {"percent": 20},
        {"shared": ["192.0.2.30"]},
        {"connection": "2001:db8::1 5 2001:db8::2 22"},
    ],
)
def test_nft_understands_the_rules(more: dict[str, Any]) -> None:
    subprocess.run(["nft", "--check", "-f", "-"], input=ruleset(**more), text=True, check=True)


FAULT: dict[str, Any] = {"units": ["slapd.service"], "milliseconds": 200}


@pytest.mark.parametrize("kind", [kind for kind in faults.KINDS if kind != "full"])
def test_each_fault_is_undone_by_the_unit_that_lasts_as_long(kind: str) -> None:
    begin, undo = faults.list_commands({**FAULT, "kind": kind}, ["eth0"])
    assert begin and undo
    command = faults.run_unit(30, undo, "a fault")
    assert command[-2:] == ["sleep", "30"]
    assert sum(word.startswith("--property=ExecStopPost=-") for word in command) == len(undo)


def test_stopped_programs_are_continued() -> None:
    begin, undo = faults.list_commands({**FAULT, "kind": "stopped"}, [])
    assert begin == [["systemctl", "kill", "--signal=SIGSTOP", "slapd.service"]]
    assert undo == [["systemctl", "kill", "--signal=SIGCONT", "slapd.service"]]


def test_file_that_fills_a_file_system_has_no_name_and_ends_with_its_program(tmp_path: Any) -> None:
    done = subprocess.run(faults.fill(str(tmp_path), 4096, 0.1), check=False, timeout=20)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_file_systems_with_anything_else_are_not_filled() -> None:
    assert faults.explain_shared(7, {"/": 1, "/var": 7}) == "its data share a file system with /var"
    assert faults.explain_shared(7, {"/": 1, "/var": 1}) == ""


def test_dropped_packets_are_counted() -> None:
    listing = "ip saddr @peers4 counter packets 12 bytes 720 drop\nip6 saddr @peers6 counter packets 3 bytes 0 drop"
    assert faults.count_dropped(listing) == 15
    assert faults.count_dropped("") == 0
