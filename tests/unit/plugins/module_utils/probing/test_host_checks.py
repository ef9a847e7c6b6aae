# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.probing import host_checks
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Unavailable
from ansible_collections.distributed.tiers.tests.unit.plugins.module_utils.probing.servers import (
    Store,
    certificates,
    http_server,
    scripted,
    server_context,
)

TABLE = """table inet tiers {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\tiif "lo" accept
\t\tip saddr 10.0.0.1 tcp dport 636 accept comment "m2 replicates"
\t\treject with icmpx admin-prohibited
\t}
}
"""
LOADED = f"abc  /etc/tiers/firewall.nft\n{TABLE}"


def test_loaded_firewall_that_is_the_written_one_is_no_finding() -> None:
    assert host_checks.compare_firewall("abc", LOADED, TABLE) == []


@pytest.mark.parametrize(
    ("checksum", "loaded", "listing", "why"),
    [
        ("abc", LOADED, None, "`inet tiers` is not loaded"),
        ("abc", "", TABLE, "there is no record"),
        ("def", LOADED, TABLE, "changed since it was loaded"),
        (
            "abc",
            LOADED,
            TABLE.replace("\t\tiif", "\t\ttcp dport 23 accept\n\t\tiif"),
            "added to the table `inet tiers`: tcp dport 23 acc",
        ),
        (
            "abc",
            LOADED,
            TABLE.replace('\t\tiif "lo" accept\n', ""),
            'missing from the table `inet tiers`: iif "lo" accept',
        ),
        ("abc", LOADED, TABLE.replace("policy drop", "policy accept"), "policy drop;; added to"),
        ("abc", LOADED, TABLE.replace("reject with icmpx admin-prohibited", "accept"), "missing from"),
    ],
)
def test_every_difference_of_the_firewall_is_found(checksum: str, loaded: str, listing: str | None, why: str) -> None:
    (found,) = host_checks.compare_firewall(checksum, loaded, listing)
    assert why in found
    assert found.endswith("Run deploy")


def test_rules_in_another_order_are_found() -> None:
    lines = TABLE.splitlines(keepends=True)
    lines[3], lines[5] = lines[5], lines[3]
    (found,) = host_checks.compare_firewall("abc", LOADED, "".join(lines))
    assert "in another order" in found


def test_many_differences_are_counted() -> None:
    more = "".join(f"\t\ttcp dport {port} accept\n" for port in range(10, 16))
    (found,) = host_checks.compare_firewall("abc", LOADED, TABLE.replace("\t\tiif", f"{more}\t\tiif"))
    assert "tcp dport 12 accept and 3 more" in found


def test_the_firewall_of_the_host_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written, loaded = tmp_path / "firewall.nft", tmp_path / "loaded"
    monkeypatch.setattr(host_checks, "FIREWALL", written)
    monkeypatch.setattr(host_checks, "LOADED", loaded)
    monkeypatch.setattr(host_checks, "execute", lambda *_: (0, TABLE, ""))
    assert "missing" in host_checks.check_firewall(1)[0]
    written.write_text("rules")
    assert "there is no record" in host_checks.check_firewall(1)[0]
    loaded.write_text(f"{hashlib.sha256(b'rules').hexdigest()}  f\n{TABLE}")
    assert host_checks.check_firewall(1) == []
    monkeypatch.setattr(host_checks, "execute", lambda *_: (1, "", "No such file or directory"))
    assert "not loaded" in host_checks.check_firewall(1)[0]


HOSTS = """# BEGIN tiers of demo
127.0.0.1 upstream.tiers.example
10.0.0.1 m1.tiers.example m1
# END tiers of demo
"""


def test_names_and_addresses_of_a_hosts_file() -> None:
    assert host_checks.given_names(HOSTS) == [("upstream.tiers.example", "127.0.0.1"), ("m1.tiers.example", "10.0.0.1")]


@pytest.mark.parametrize(
    ("planned", "found", "why"),
    [
        ("10.0.0.1", ["10.0.0.1", "10.0.0.1"], None),
        ("10.0.0.1", ["127.0.1.1", "10.0.0.1"], None),
        ("10.0.0.1", [], "x does not resolve, planned is 10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "x resolves to 10.0.0.2, planned is 10.0.0.1"),
        ("10.0.0.1", ["10.0.0.1", "10.0.0.2"], "x resolves to 10.0.0.1, 10.0.0.2, planned"),
        ("127.0.0.1", ["10.0.0.2"], "x resolves to 10.0.0.2, planned is 127.0.0.1"),
    ],
)
def test_a_name_leads_to_the_planned_address(planned: str, found: list[str], why: str | None) -> None:
    reasons = host_checks.compare_name("x", planned, found)
    assert reasons == [] if why is None else why in reasons[0]


def test_names_are_asked_of_the_resolver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = tmp_path / "hosts"
    monkeypatch.setattr(host_checks, "NAMES", names)
    assert "missing" in host_checks.check_names(1)[0]
    names.write_text(HOSTS)
    answers = {
        "upstream.tiers.example": "127.0.0.1 STREAM x\n127.0.0.1 DGRAM\n",
        "m1.tiers.example": "10.0.0.1 STREAM m1\n",
    }

    def resolve(words: list[str], *_: object) -> tuple[int, str, str]:
        return 0, answers[words[2]], ""

    monkeypatch.setattr(host_checks, "execute", resolve)
    assert host_checks.check_names(1) == []
    answers["m1.tiers.example"] = ""
    assert host_checks.check_names(1) == ["m1.tiers.example does not resolve, planned is 10.0.0.1. Run deploy"]

    def silent(*_: object) -> tuple[int, str, str]:
        raise Unavailable("getent: not done within 1 s")

    monkeypatch.setattr(host_checks, "execute", silent)
    assert "not done within 1 s" in host_checks.check_names(1)[0]


DAY = 86400
OWN = host_checks.Certificate("CN=m1", 400 * DAY, "own")
CA = host_checks.Certificate("CN=ca", 4000 * DAY, "ca")
FILE, ROOT = str(host_checks.CERTIFICATE), str(host_checks.AUTHORITY)


@pytest.mark.parametrize(
    ("day", "served", "why"),
    [
        (100, OWN, []),
        (378, OWN, []),
        (379, OWN, [f"{FILE} (CN=m1) expires in 21 days (tiers_certificate_alert: 21 days)"]),
        (395, OWN, [f"{FILE} (CN=m1) expires in 5 days (tiers_certificate_alert: 21 days)"]),
        (403, OWN, [f"{FILE} (CN=m1) expired 3 days ago (tiers_certificate_alert: 21 days)"]),
        (
            100,
            host_checks.Certificate("CN=m1", 105 * DAY, "old"),
            [f"port 636 serves a certificate that expires in 5 days, {FILE} is another. Run deploy"],
        ),
        (
            100,
            host_checks.Certificate("CN=p1", 101 * DAY, "member"),
            ["port 636 serves a certificate (CN=p1) that expires in 1 day (tiers_certificate_alert: 21 days)"],
        ),
        (100, host_checks.Certificate("CN=p1", 300 * DAY, "member"), []),
    ],
)
def test_certificates_that_end_or_were_not_loaded(day: int, served: host_checks.Certificate, why: list[str]) -> None:
    assert host_checks.judge_certificates({FILE: [OWN], ROOT: [CA]}, {636: served}, day * DAY, 21) == why


def test_a_file_without_a_certificate_and_a_ca_that_ends() -> None:
    found = host_checks.judge_certificates({FILE: [], ROOT: [CA]}, {}, 3999 * DAY, 21)
    assert found == [
        f"{FILE} holds no certificate. Run deploy",
        f"{ROOT} (CN=ca) expires in 1 day (tiers_certificate_alert: 21 days)",
    ]


def test_a_host_that_trusts_two_cas_reports_an_interrupted_rotation() -> None:
    old, new = (host_checks.Certificate(f"CN=CA of demo,OU={name}", 4000 * DAY, name) for name in ("old", "new"))
    (why,) = host_checks.judge_certificates({FILE: [OWN], ROOT: [old, new]}, {}, 100 * DAY, 21)
    assert why.startswith(f"{ROOT} holds 2 CAs of this system: a rotation runs, or was interrupted.")
    assert "Run rotate_certificates" in why
    # Operators may trust as many CAs of their own as they like.
    own = [host_checks.Certificate(f"CN=company {number}", 4000 * DAY, str(number)) for number in range(2)]
    assert host_checks.judge_certificates({FILE: [OWN], ROOT: own}, {}, 100 * DAY, 21) == []


def test_certificates_are_read_from_files_and_from_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = (certificates(tmp_path / name) for name in ("first", "second") if not (tmp_path / name).mkdir())
    monkeypatch.setattr(host_checks, "CERTIFICATE", Path(first["certificate"]))
    monkeypatch.setattr(host_checks, "AUTHORITY", Path(first["ca"]))
    with http_server(Store(), server_context(first)) as port:
        assert host_checks.check_certificates("127.0.0.1", port, "https", 0, 2) == []
        (soon, _ca, *_more) = host_checks.check_certificates("127.0.0.1", port, "https", 4000, 2)
        assert "expires in" in soon
    with http_server(Store(), server_context(second)) as port:
        (found,) = host_checks.check_certificates("127.0.0.1", port, "https", 0, 2)
        assert f"port {port} serves a certificate that expires in" in found
    # Nobody shows one there, or it is no TLS: the probes of the service say so.
    assert host_checks.check_certificates("127.0.0.1", port, "https", 0, 2) == []
    assert host_checks.check_certificates("127.0.0.1", port, "http", 0, 2) == []
    monkeypatch.setattr(host_checks, "AUTHORITY", tmp_path / "gone")
    assert "cannot be read" in host_checks.check_certificates("", 0, "", 0, 2)[0]
    monkeypatch.setattr(host_checks, "x509", None)
    assert "python3-cryptography is missing" in host_checks.check_certificates("", 0, "", 0, 2)[0]


def test_certificate_of_a_service_that_is_asked_for_tls_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own, other = (certificates(tmp_path / name) for name in ("own", "other") if not (tmp_path / name).mkdir())
    monkeypatch.setattr(host_checks, "CERTIFICATE", Path(own["certificate"]))
    monkeypatch.setattr(host_checks, "AUTHORITY", Path(own["ca"]))

    def agree(connection: socket.socket) -> None:
        if connection.recv(1024) == b"\0\0\0\x08":
            connection.sendall(b"S")
            server_context(other).wrap_socket(connection, server_side=True).close()

    with scripted(agree) as port:
        (found,) = host_checks.check_certificates("127.0.0.1", port, "tcp", 0, 2, b"\0\0\0\x08")
        assert f"port {port} serves a certificate that expires in" in found
        assert host_checks.check_certificates("127.0.0.1", port, "tcp", 0, 2) == []


def system(**more: Any) -> host_checks.FileSystem:
    given: dict[str, Any] = {"paths": ("/data", "/"), "used_percent": 10.0, "inodes_percent": 1.0, "free": 2**30}
    return host_checks.FileSystem(**{**given, "read_only": False, **more})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, []),
        ({"used_percent": 89.9}, []),
        ({"used_percent": 95.2, "free": 3 * 2**20}, ["/data, /: 95 % full, 3 MiB are free (tiers_disk_alert: 90 %)"]),
        ({"inodes_percent": 90.0}, ["/data, /: 90 % full of inodes, 1024 MiB are free (tiers_disk_alert: 90 %)"]),
        ({"read_only": True}, ["/data, /: the file system is read-only"]),
    ],
)
def test_file_systems_that_fill_up_or_are_read_only(more: dict[str, Any], why: list[str]) -> None:
    assert host_checks.judge_file_systems([system(**more)], 90) == why


@pytest.mark.parametrize(
    ("states", "suspended"),
    [({"7": "S", "8": "S"}, ""), ({"7": "T", "8": "S"}, "7"), ({"7": "S", "8": "T"}, "8"), ({}, "")],
)
def test_a_suspended_program_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, states: dict[str, str], suspended: str
) -> None:
    """keepalived has a child that elects; either of both may be stopped."""
    for pid, state in states.items():
        (tmp_path / pid / "task" / pid).mkdir(parents=True)
        (tmp_path / pid / "stat").write_text(f"{pid} (keep (a) live) {state} 1 7", encoding="utf-8")
        (tmp_path / pid / "task" / pid / "children").write_text("8 " if pid == "7" else "", encoding="ascii")
    shown = unit_shown(main="7") + "\n" + unit_shown(main="9")
    monkeypatch.setattr(host_checks, "execute", lambda *_given: (0, shown, ""))
    found = host_checks.check_programs(["keepalived.service", "tiers-watchdog.service"], 5, tmp_path)
    assert [why.partition(" and ")[0] for why in found] == (
        [f"keepalived.service is suspended (process {suspended})"] if suspended else []
    )


def unit_shown(active: str = "active", sub: str = "running", file: str = "enabled", main: str = "0") -> str:
    """The output of `systemctl show` for a unit."""
    return f"MainPID={main}\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\n"


@pytest.mark.parametrize(
    ("keepalived", "watchdog", "dead"),
    [
        (unit_shown(), unit_shown("inactive", "dead"), ["tiers-watchdog.service does not run (dead)"]),
        (unit_shown(), unit_shown("failed", "failed"), ["tiers-watchdog.service does not run (failed)"]),
        (unit_shown(), unit_shown("inactive", "dead", ""), ["tiers-watchdog.service does not run (dead)"]),
        (
            unit_shown(),
            unit_shown("activating", "auto-restart"),
            ["tiers-watchdog.service does not run (auto-restart)"],
        ),
        (unit_shown(), unit_shown("activating", "start"), []),
        (unit_shown("inactive", "dead", "disabled"), unit_shown(), ["keepalived.service does not run (dead)"]),
        # The probe of stopped traffic reports it: the node is drained, or a run was interrupted.
        (unit_shown("inactive", "dead", "enabled"), unit_shown(), []),
    ],
)
def test_a_program_that_does_not_run_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keepalived: str, watchdog: str, dead: list[str]
) -> None:
    """Without them nothing restarts a hanging product, and no standby is promoted."""
    monkeypatch.setattr(host_checks, "execute", lambda *_given: (0, f"{keepalived}\n{watchdog}", ""))
    found = host_checks.check_programs(["keepalived.service", "tiers-watchdog.service"], 5, tmp_path)
    assert [why.partition(". Run")[0] for why in found] == dead


def test_a_systemd_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_checks, "execute", lambda *_given: (1, "", "Failed to connect to bus\n"))
    (found,) = host_checks.check_programs(["tiers-watchdog.service"], 5)
    assert found == "systemctl does not tell whether tiers-watchdog.service run: Failed to connect to bus"


def test_paths_of_one_file_system_are_one(tmp_path: Path) -> None:
    (found,) = host_checks.read_file_systems([str(tmp_path), str(tmp_path), str(tmp_path.parent), "/nowhere/at/all"])
    assert found.paths == (str(tmp_path), str(tmp_path.parent))
    assert 0 < found.used_percent <= 100
    assert not found.read_only


def test_a_fault_of_a_drill_is_found_as_long_as_its_unit_lasts(tmp_path: Path) -> None:
    unit = tmp_path / "tiers-drill.service"
    assert host_checks.check_faults(unit) == []
    unit.write_text("[Unit]\nDescription=Fault of a drill: cut\n", encoding="utf-8")
    (why,) = host_checks.check_faults(unit)
    assert why.startswith("a fault of a drill lasts on this host (Fault of a drill: cut).")
    assert "`systemctl stop tiers-drill.service` ends it now" in why


def test_an_interrupted_restore_is_found(tmp_path: Path) -> None:
    mark = tmp_path / "restoring"
    assert host_checks.check_restore(mark) == []
    mark.touch()
    assert "Run restore again" in host_checks.check_restore(mark)[0]


def test_a_part_that_is_mounted_read_only_does_not_make_its_neighbours_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, statvfs = tmp_path / "data", os.statvfs
    data.mkdir()

    def as_mounted(path: Any) -> Any:
        found = statvfs(path)
        names = [name for name in dir(found) if name.startswith("f_")]
        read_only = {"f_flag": found.f_flag | (os.ST_RDONLY if str(path) == str(data) else 0)}
        return SimpleNamespace(**{name: getattr(found, name) for name in names} | read_only)

    monkeypatch.setattr(os, "statvfs", as_mounted)
    reasons = host_checks.judge_file_systems(host_checks.read_file_systems([str(data), str(tmp_path)]), 101)
    assert reasons == [f"{data}: the file system is read-only"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, []),
        ({"b": None}, ["removed since the last deployment: {b}. Run deploy"]),
        ({"b": "other"}, ["changed since the last deployment: {b}. Run deploy"]),
        ({"c": "new"}, ["added since the last deployment: {c}. Run deploy"]),
        ({"more": "other"}, ["changed since the last deployment: {more}. Run deploy"]),
        ({"more": None}, ["removed since the last deployment: {more}. Run deploy"]),
    ],
)
def test_settings_that_are_not_as_deployed_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, str | None], why: list[str]
) -> None:
    settings, record, more = tmp_path / "etc", tmp_path / "deployed.json", tmp_path / "more"
    settings.mkdir()
    (settings / "tls").mkdir()
    for path in (settings / "a", settings / "b", more):
        path.write_text(path.name)
    monkeypatch.setattr(host_checks, "SETTINGS", (f"{settings}/*",))
    monkeypatch.setattr(host_checks, "DEPLOYED_FILES", record)
    assert "there is no record" in host_checks.check_files()[0]
    record.write_text(json.dumps(host_checks.read_checksums([*host_checks.SETTINGS, str(more)])))
    paths = {"a": settings / "a", "b": settings / "b", "c": settings / "c", "more": more}
    for name, text in change.items():
        paths[name].unlink() if text is None else paths[name].write_text(text)
    assert host_checks.check_files() == [one.format(**paths) for one in why]


@pytest.mark.parametrize(
    ("states", "why"),
    [
        (["enabled", "static"], []),
        (["enabled", "disabled"], ["haproxy.service does not start at boot (disabled). Run deploy"]),
        (["masked", "enabled"], ["slapd does not start at boot (masked). Run deploy"]),
        (["", "enabled"], ["slapd does not start at boot (it is not installed). Run deploy"]),
        (["enabled"], ["systemctl does not tell whether slapd and haproxy.service start at boot: exit code 0"]),
    ],
)
def test_a_unit_that_does_not_start_at_boot_is_named(
    monkeypatch: pytest.MonkeyPatch, states: list[str], why: list[str]
) -> None:
    answer = "\n\n".join(f"UnitFileState={state}" for state in states) + "\n"
    monkeypatch.setattr(host_checks, "execute", lambda *_arguments: (0, answer, ""))
    assert host_checks.check_boot(["slapd", "haproxy.service"], 1.0) == why


@pytest.mark.parametrize(("loaded", "aside", "found"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_a_table_that_shuts_the_host_without_its_watchdog_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loaded: bool, aside: bool, found: int
) -> None:
    monkeypatch.setattr(host_checks, "ASIDE_NOTE", tmp_path / "aside")
    if aside:
        (tmp_path / "aside").touch()
    monkeypatch.setattr(host_checks, "execute", lambda *_arguments: (0 if loaded else 1, "", ""))
    assert len(host_checks.check_aside(1.0)) == found


def test_each_line_of_the_product_s_check_is_a_finding(tmp_path: Path) -> None:
    program = tmp_path / "check"
    program.write_text("#!/bin/sh\necho one\necho\necho two\n")
    program.chmod(0o755)
    assert host_checks.check_product([str(program)], 5) == ["one", "two"]


def test_a_failed_check_of_the_product_is_a_finding(tmp_path: Path) -> None:
    program = tmp_path / "check"
    program.write_text("#!/bin/sh\necho no answer >&2\nexit 2\n")
    program.chmod(0o755)
    assert host_checks.check_product([str(program)], 5) == ["the check of the product failed (exit code 2): no answer"]
    (missing,) = host_checks.check_product([str(tmp_path / "missing")], 5)
    assert "cannot be run" in missing
