# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers of every tier are taken out of service and let in again. The tests build on each other, in the order they
stand in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from deployed import ROOT, Inventory

demo = Inventory("demo")
# The same with a member that is to go
without_p3 = Inventory("demo", ROOT / "molecule/default/p3_down.ini")
OUT = ["m1", "px-paris", "p1", "d1"]
SUFFIX = "dc=example,dc=org"
# By the client's own configuration, which has a proxy and what stands in for it
ASK = "ldapsearch -x -LLL -s base -b '' 1.1"
# By the address that the distributors share
ASK_POOL = f"{ASK} -H ldaps://{demo.variable('d1', 'tiers_virtual_address')}:636"


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for backups, of which the tests of a class make one."""
    return tmp_path_factory.mktemp("backups") / "demo"


def content(name: str) -> str:
    """Every entry that a server has, by name and by what replication knows of it."""
    found: str = demo.connect(name).check_output(
        f"ldapsearch -QLLL -o ldif-wrap=no -Y EXTERNAL -H ldapi:/// -b {SUFFIX} entryUUID entryCSN | sort"
    )
    return found


def status() -> dict[str, str]:
    """The lines that `status` shows of the servers."""
    table = demo.run("status").stdout.partition(" SERVER ")[2].partition("\n\n")[0]
    return {line.split()[0]: line for line in table.splitlines()[1:]}


def drained(shown: dict[str, str]) -> list[str]:
    return [name for name, line in shown.items() if ", drained" in line]


def changed(stdout: str) -> bool:
    return bool(re.search(r"changed=[1-9]", stdout))


class TestDrain:
    def test_server_whose_clients_have_no_other_is_not_drained(self) -> None:
        refused = demo.run("drain", tiers_targets="px-tokyo,m1,m2")
        assert refused.returncode != 0
        output = " ".join(refused.stdout.split())
        assert "clients would have no server without m1, m2, px-tokyo" in output
        assert "No server would accept writes without m1, m2, px-tokyo" in output
        assert "No server was touched." in output

    def test_clients_do_not_notice(self) -> None:
        with (
            demo.asking("c-paris", ASK) as paris,
            demo.asking("c-tokyo", ASK) as tokyo,
            demo.asking("c-central", ASK_POOL) as pool,
        ):
            done = demo.run("drain", tiers_targets=",".join(OUT))
        assert done.returncode == 0, done.stdout
        assert len(paris) > 20
        assert [one for one in [*paris, *tokyo] if not one.answered] == []
        # The address of the pool moves to the other distributor.
        pool.check_gap(5)

    def test_others_serve_meanwhile(self) -> None:
        shown = status()
        # So nobody was drained by what was refused before, either.
        assert drained(shown) == OUT
        assert "has the shared address" in shown["d2"]
        assert "2 of 3 members" in shown["d2"]
        assert re.search(r"\bm2\b", shown["px-tokyo"])
        for name in ("m1", "px-paris"):
            refused = demo.connect("px-tokyo").run(
                "timeout 3 openssl s_client -connect %s:636 < /dev/null", demo.variable(name, "ansible_host")
            )
            assert refused.rc != 0

    def test_draining_again_does_nothing(self) -> None:
        again = demo.run("drain", tiers_targets=",".join(OUT))
        assert again.returncode == 0, again.stdout
        assert not changed(again.stdout), again.stdout

    def test_a_server_that_replaces_drained_ones_cannot_be_drained(self) -> None:
        refused = demo.run("drain", tiers_targets="px-paris-b,m2")
        assert refused.returncode != 0
        assert re.search(r"No server was touched\. \d+ clients would have no server", refused.stdout)

    def test_a_deployment_leaves_them_out(self) -> None:
        # The member is restarted, HAProxy of the distributor is reloaded.
        other = demo.run("deploy", "p1", "d1", product_openldap_threads=15, distributor_rise=3)
        assert other.returncode == 0, other.stdout
        assert changed(other.stdout)
        shown = status()
        assert drained(shown) == OUT
        assert "2 of 3 members" in shown["d1"]


class TestInterrupted:
    def test_a_server_that_an_interrupted_run_left_closed_is_named(self) -> None:
        """`undrain` below lets it serve again, too."""
        demo.connect("p3").check_output("nft add table inet tiers_drain")
        shown = demo.run("status").stdout
        assert re.search(r"^ *p3 .* closed to clients", shown, flags=re.MULTILINE)
        # Among what else is wrong with it: a master is drained.
        left = r"^ *! p3: .*an interrupted run left this host closed to clients \(nftables table tiers_drain\)"
        assert re.search(left, shown, flags=re.MULTILINE)

    def test_a_master_is_not_restarted_while_the_other_one_is_drained(self) -> None:
        started = demo.connect("m2").check_output("systemctl show -p InvocationID slapd")
        refused = demo.run("deploy", "m2", product_openldap_threads=14, server_restart_seconds=1)
        assert refused.returncode != 0
        output = " ".join(refused.stdout.split())
        assert "m2 was not touched. No master would accept writes without m2." in output
        assert "m1: this host is drained" in output
        assert demo.connect("m2").check_output("systemctl show -p InvocationID slapd") == started


class TestUndrain:
    def test_clients_do_not_notice(self) -> None:
        with (
            demo.asking("c-paris", ASK) as paris,
            demo.asking("c-tokyo", ASK) as tokyo,
            demo.asking("c-central", ASK_POOL) as pool,
        ):
            done = demo.run("undrain")
        assert done.returncode == 0, done.stdout
        assert [one for one in [*paris, *tokyo] if not one.answered] == []
        pool.check_gap(5)

    def test_settings_that_a_refused_deployment_left_are_named_until_the_next_one(self) -> None:
        named = r"^ *! m2: files: changed since the last deployment: /etc/tiers/openldap\.ldif"
        assert re.search(named, demo.run("status").stdout, flags=re.MULTILINE)
        done = demo.run("deploy", "m2")
        assert done.returncode == 0, done.stdout

    def test_all_is_as_planned_again(self) -> None:
        strict = demo.run("status", tiers_status_strict=True)
        assert strict.returncode == 0, strict.stdout

    def test_undraining_again_does_nothing(self) -> None:
        again = demo.run("undrain")
        assert again.returncode == 0
        assert "No server is drained." in again.stdout
        assert not changed(again.stdout), again.stdout

    def test_a_boot_ends_a_drain_but_of_a_member(self) -> None:
        """The distributors keep a member out, so the record says so until it is let in."""
        done = demo.run("drain", tiers_targets="px-paris,p3")
        assert done.returncode == 0, done.stdout
        for name in ("px-paris", "p3"):
            assert demo.connect(name).file("/etc/ansible/facts.d/tiers_drained.fact").exists
            demo.reboot(name)
        shown = status()
        assert drained(shown) == ["p3"]
        assert "2 of 3 members" in shown["d1"]
        assert "replica" in shown["px-paris"]
        done = demo.run("undrain")
        assert done.returncode == 0, done.stdout
        assert drained(status()) == []


class TestResync:
    def test_entry_that_replication_does_not_know_makes_servers_differ(self) -> None:
        entry = rf"dn: cn=stray,ou=tiers,{SUFFIX}\nobjectClass: device\ncn: stray\n"
        for name in ("m2", "px-paris"):
            host = demo.connect(name)
            host.check_output(
                "systemctl stop slapd && config=$(mktemp -d) && slapadd -n 0 -F $config -l /etc/tiers/openldap.ldif"
                f" && printf '{entry}' | slapadd -n 1 -F $config; chown -R openldap: /var/lib/ldap/tiers;"
                " systemctl start slapd"
            )
            assert "cn=stray" in content(name)
        assert "cn=stray" not in content("m1")

    def test_it_asks_before_it_replaces_data(self) -> None:
        refused = demo.run("resync", tiers_targets="px-paris")
        assert refused.returncode != 0
        output = " ".join(refused.stdout.split())
        assert (
            "No server was touched. This replaces the data of a server. Allow it: -e tiers_resync_confirm=true."
            in output
        )

    def test_server_whose_clients_have_no_other_is_not_resynchronized(self) -> None:
        refused = demo.run("resync", tiers_targets="px-tokyo", tiers_resync_confirm=True)
        assert refused.returncode != 0
        assert "clients would have no server without px-tokyo" in " ".join(refused.stdout.split())

    @pytest.mark.parametrize("name", ["px-paris", "m2"])
    def test_server_has_the_data_of_the_master_again_and_clients_do_not_notice(self, name: str) -> None:
        with demo.asking("c-paris", ASK) as paris:
            done = demo.run("resync", tiers_targets=name, tiers_resync_confirm=True)
        assert done.returncode == 0, done.stdout
        assert [one for one in paris if not one.answered] == []
        assert content(name) == content("m1")
        assert drained(status()) == []

    def test_data_that_were_put_aside_can_be_compared(self) -> None:
        commands = (
            "cd $(mktemp -d)",
            "slapcat -F /run/slapd/config -n 1 -l now.ldif",
            "mkdir config",
            "sed 's#^olcDbDirectory: .*#olcDbDirectory: /var/lib/ldap/tiers.before#' /etc/tiers/openldap.ldif"
            " | slapadd -n 0 -F config",
            "slapcat -F config -n 1 -l before.ldif",
            "grep ^dn: now.ldif | sort >now && grep ^dn: before.ldif | sort | comm -13 now -",
        )
        only_before = demo.connect("m2").check_output(" && ".join(commands))
        assert only_before == f"dn: cn=stray,ou=tiers,{SUFFIX}"

    def test_all_is_as_planned_again(self) -> None:
        strict = demo.run("status", tiers_status_strict=True)
        assert strict.returncode == 0, strict.stdout


@pytest.mark.slow
class TestBackup:
    def test_the_copy_is_private_and_complete(self, backups: Path) -> None:
        done = demo.run("back_up", tiers_backup_dir=str(backups))
        assert done.returncode == 0, done.stdout
        data, description = sorted(backups.iterdir())
        assert {path.stat().st_mode & 0o777 for path in (data, description)} == {0o600}
        assert backups.stat().st_mode & 0o777 == 0o700
        assert f"dn: cn=probe,ou=tiers,{SUFFIX}" in data.read_text(encoding="utf-8")

    def test_another_system_is_refused(self, backups: Path) -> None:
        (data,) = backups.glob("*.data")
        refused = demo.run("restore", tiers_restore_from=str(data), tiers_restore_confirm="true")
        assert refused.returncode != 0
        assert "This replaces all data of the system demo" in " ".join(refused.stdout.split())

    def test_all_servers_have_the_restored_data(self, backups: Path) -> None:
        (data,) = backups.glob("*.data")
        later = f"cn=later,ou=tiers,{SUFFIX}"
        demo.connect("m1").check_output(
            f"printf 'dn: {later}\\nobjectClass: device\\ncn: later\\n' | ldapadd -Q -Y EXTERNAL -H ldapi:///"
        )
        done = demo.run("restore", tiers_restore_from=str(data), tiers_restore_confirm="demo")
        assert done.returncode == 0, done.stdout
        contents = [content(name) for name in ("m1", "m2", "px-paris", "p1")]
        assert len({*contents}) == 1
        assert later not in contents[0]
        strict = demo.run("status", tiers_status_strict=True)
        assert strict.returncode == 0, strict.stdout


@pytest.mark.slow
class TestFirewallThatShutsTheRunOut:
    def test_the_host_restores_the_previous_one(self) -> None:
        host = demo.connect("p3")
        state = "cat /etc/tiers/firewall.nft && nft list table inet tiers"
        before = host.check_output(state)
        deployed = demo.run(
            "deploy", "p3", host_firewall_ssh_sources=["192.0.2.1/32"], host_firewall_confirm_seconds=15
        )
        assert deployed.returncode != 0
        assert "The host has restored the previous firewall" in " ".join(deployed.stdout.split())
        assert host.check_output(state) == before

    def test_the_next_deployment_changes_nothing(self) -> None:
        deployed = demo.run("deploy", "p3")
        assert deployed.returncode == 0, deployed.stdout
        assert re.search(r"^p3 .* changed=0 ", deployed.stdout, re.MULTILINE), deployed.stdout


@pytest.mark.slow
class TestRetire:
    def test_a_server_that_serves_stays(self) -> None:
        refused = demo.run("retire", tiers_targets="p3", tiers_retire_confirm=True)
        assert refused.returncode != 0
        assert "p3 is active in the inventory: set its tiers_state to down" in " ".join(refused.stdout.split())

    def test_a_server_that_others_depend_on_is_not_retired(self) -> None:
        refused = without_p3.run("retire", tiers_targets="p3", tiers_retire_confirm=True)
        assert refused.returncode != 0
        assert "may still depend on them: deploy first, then retire." in " ".join(refused.stdout.split())
        assert demo.connect("p3").service("slapd").is_running

    def test_nothing_of_it_is_left(self) -> None:
        deployed = without_p3.run("deploy")
        assert deployed.returncode == 0, deployed.stdout
        asked = {"tiers_targets": "p3", "tiers_retire_confirm": True, "tiers_retire_data": True}
        looked = without_p3.run("retire", check=True, **asked)
        assert looked.returncode == 0, looked.stdout
        assert demo.connect("p3").service("slapd").is_running
        retired = without_p3.run("retire", **asked)
        assert retired.returncode == 0, retired.stdout
        host = demo.connect("p3")
        for unit in ("slapd", "haproxy"):
            assert not host.service(unit).is_running
            assert not host.service(unit).is_enabled
        assert "tiers" not in host.check_output("nft list tables")
        for path in ("/etc/tiers", "/var/lib/ldap/tiers", "/etc/ansible/facts.d/tiers.fact"):
            assert not host.file(path).exists, path
        assert demo.exposed("p3", "/etc", "/run", "/var/lib", to="") == []

    def test_retiring_again_does_nothing(self) -> None:
        again = without_p3.run("retire", tiers_targets="p3", tiers_retire_confirm=True)
        assert again.returncode == 0, again.stdout
        assert not changed(again.stdout), again.stdout

    def test_its_host_is_deployed_as_a_new_machine(self) -> None:
        replaced = demo.run("replace", tiers_targets="p3", tiers_replace_confirm=True)
        assert replaced.returncode == 0, replaced.stdout
        strict = demo.run("status", tiers_status_strict=True)
        assert strict.returncode == 0, strict.stdout
