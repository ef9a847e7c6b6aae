# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A vendor's server from its first installation over an upgrade and back, then from archives; and what stops a
deployment, which must leave alone what served before. The tests build on each other, in the order they stand in."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from deployed import ROOT, Inventory

vendor = Inventory("vendor")
RELEASES = "/opt/gauge/releases"


def answer(asks: str, asked: str) -> list[str]:
    """The version that a server answers, with its certificate verified; empty if it does not answer."""
    address = vendor.variable(asked, "ansible_host")
    output = vendor.connect(asks).check_output(
        "printf 'PING\\nQUIT\\n' | timeout 5 openssl s_client -quiet -verify_return_error -ign_eof"
        f" -CAfile /etc/tiers/tls/ca.crt -connect {address}:9443 2> /dev/null || true"
    )
    return re.findall(r"PONG (\S+)", output)


def versions_served() -> list[str]:
    """The versions that clients get through the proxy from the active node of the pair, as soon as one is active. A
    node that failed steps down, and is promoted again when it is healthy."""
    for _attempt in range(60):
        output = [*answer("c1", "px1"), *answer("px1", "m1"), *answer("px1", "m2")]
        if len(output) == 2:
            break
        time.sleep(1)
    return output


def deploy(**extra: Any) -> subprocess.CompletedProcess[str]:
    """Deploy the pair, of which alone these tests ask something else than before."""
    return vendor.run("deploy", "m1", "m2", **extra)


def releases(name: str) -> list[str]:
    return sorted(vendor.connect(name).check_output(f"ls {RELEASES}").split())


def current(name: str) -> str:
    """The release a server runs from, or would."""
    return vendor.connect(name).check_output("basename $(readlink /opt/gauge/current)").strip()


def backups_made(name: str) -> list[str]:
    """The paths to which the installer moved files of an earlier installation."""
    return vendor.connect(name).check_output(f"find {RELEASES} -maxdepth 2 -name 'backup_*'").split()


class TestFirstInstallation:
    def test_the_release_serves(self) -> None:
        assert versions_served() == ["1.0", "1.0"]

    def test_it_is_in_a_directory_of_its_own(self) -> None:
        assert releases("m1") == releases("m2") == ["1.0"]
        assert current("m1") == current("m2") == "1.0"

    def test_the_second_run_did_not_install_again(self) -> None:
        assert backups_made("m1") == backups_made("m2") == []

    def test_answers_are_readable_by_root_only(self) -> None:
        answers = vendor.connect("m1").file("/opt/gauge/incoming/answers")
        assert not answers.exists or answers.mode == 0o600

    def test_the_cold_backup_is_installed_and_stopped(self) -> None:
        # Nodes that do not hear each other for a second both serve for the next.
        states = []
        for _attempt in range(30):
            states.append(vendor.connect("m2").run("systemctl is-active gauge").stdout.strip())
            if states[-1] == "inactive":
                break
            time.sleep(1)
        assert states[-1] == "inactive", states

    def test_the_pass_through_proxy_has_no_product(self) -> None:
        assert not vendor.connect("px1").file("/opt/gauge").exists


# Name of a mistake -> the variables that make it, and the texts of the message.
WRONG = {
    "answers that the installer refuses": (
        {"gauge_version": "2.0", "gauge_bits": 32},
        ["Bits must be 64", "ResultCode=130"],
    ),
    "a checksum that does not match": (
        {"gauge_version": "2.0", "gauge_checksums": {"2.0": "sha256:" + "0" * 64}},
        ["checksum"],
    ),
    "a template that fails": ({"gauge_listen": "{{ no_such_variable }}"}, ["no_such_variable"]),
    "a unit that dies at start": ({"gauge_refuse": "the licence has expired"}, ["the licence has expired"]),
    "a check that never passes": ({"gauge_version": "2.0", "gauge_ping": "PANG"}, ["answered 'PONG 2.0"]),
    "a port that is taken": ({"gauge_listen": "127.0.0.1:8404"}, ["Address already in use"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_running_servers_go_on_and_the_run_reports_why_it_ended(wrong: str) -> None:
    extra, texts = WRONG[wrong]
    deployment = deploy(**extra)
    assert deployment.returncode != 0
    for text in texts:
        assert text in deployment.stdout
    # The first host stops the run: nobody after it is touched.
    assert releases("m2") == ["1.0"]
    assert versions_served() == ["1.0", "1.0"]


class TestUpgrade:
    def test_the_new_release_serves_and_the_old_one_stays(self) -> None:
        upgraded = vendor.run("upgrade", gauge_version="2.0", tiers_soak_seconds=5)
        assert upgraded.returncode == 0, upgraded.stdout
        assert versions_served() == ["2.0", "2.0"]
        assert current("m1") == current("m2") == "2.0"
        assert releases("m1") == releases("m2") == ["1.0", "2.0"]
        assert backups_made("m1") == backups_made("m2") == []

    def test_rolling_back_brings_the_release_before(self) -> None:
        rolled_back = vendor.run("roll_back", gauge_version="2.0")
        assert rolled_back.returncode == 0, rolled_back.stdout
        assert versions_served() == ["1.0", "1.0"]
        # The cold one too, which does not run.
        assert current("m1") == current("m2") == "1.0"

    def test_rolling_back_again_does_nothing(self) -> None:
        again = vendor.run("roll_back", gauge_version="2.0")
        assert again.returncode == 0, again.stdout
        assert not re.search(r"changed=[1-9]", again.stdout), again.stdout
        assert versions_served() == ["1.0", "1.0"]


@pytest.fixture
def address_of_archives() -> Iterator[str]:
    """The address at which both nodes of the pair find an archive: their own."""
    archive = ROOT / ".cache/vendor/gauge-3.1.tar"
    for name in ("m1", "m2"):
        vendor.copy(archive, name, "/srv")
        vendor.connect(name).check_output(
            "systemd-run --unit=archives --collect python3 -m http.server 8099 --bind 127.0.0.1 --directory /srv"
        )
    yield "http://127.0.0.1:8099"
    for name in ("m1", "m2"):
        vendor.connect(name).check_output("systemctl stop archives")


class TestArchive:
    def test_an_archive_follows_the_installer(self) -> None:
        deployment = deploy(gauge_version="3.0")
        assert deployment.returncode == 0, deployment.stdout
        assert versions_served() == ["3.0", "3.0"]
        assert current("m1") == current("m2") == "3.0"
        assert releases("m1") == releases("m2") == ["1.0", "3.0"]

    def test_an_archive_comes_from_an_address(self, address_of_archives: str) -> None:
        deployment = deploy(gauge_version="3.1", gauge_from=address_of_archives)
        assert deployment.returncode == 0, deployment.stdout
        assert versions_served() == ["3.1", "3.1"]
        assert current("m1") == current("m2") == "3.1"
        # Two are kept, of the installer's nothing.
        assert releases("m1") == releases("m2") == ["3.0", "3.1"]

    def test_rolling_back_brings_the_archive_before(self) -> None:
        rolled_back = vendor.run("roll_back", gauge_version="3.1")
        assert rolled_back.returncode == 0, rolled_back.stdout
        assert versions_served() == ["3.0", "3.0"]
        assert current("m1") == current("m2") == "3.0"


# Which node of the pair serves, and who may change that. The tests build on each other, like those above.

ASK = (
    "printf 'PING\\nQUIT\\n' | timeout 2 openssl s_client -quiet -verify_return_error -ign_eof"
    f" -CAfile /etc/tiers/tls/ca.crt -connect {vendor.variable('px1', 'ansible_host')}:9443 2> /dev/null | grep -q PONG"
)


def fail_back(how: str) -> None:
    deployment = deploy(gauge_version="3.0", tiers_failback=how)
    assert deployment.returncode == 0, deployment.stdout


def switch_over(failback: str) -> str:
    done = vendor.run("switch_over", gauge_version="3.0", tiers_failback=failback, tiers_targets="m1")
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


def serving() -> list[str]:
    """The nodes that serve, as they say themselves."""
    return [name for name in ("m1", "m2") if vendor.connect(name).run("/etc/tiers/failover-agent is-active").rc == 0]


def until_serves(*names: str, within: int = 20) -> list[str]:
    """The nodes that serve once those named do, or at the end of the time."""
    for _attempt in range(within):
        if serving() == [*names]:
            break
        time.sleep(1)
    return serving()


def goes_on_serving(*names: str, seconds: int = 10) -> bool:
    """Nobody else takes over."""
    return all(serving() == [*names] for _attempt in range(seconds) if not time.sleep(1))


def lose(name: str) -> None:
    vendor.connect(name).check_output("systemctl stop gauge")


def repair(name: str) -> None:
    vendor.connect(name).check_output("systemctl start gauge")


class TestFailbackByItself:
    def test_a_pair_that_switches_back_by_itself_is_not_switched_over(self) -> None:
        refused = vendor.run("switch_over", gauge_version="3.0", tiers_targets="m1")
        assert refused.returncode != 0
        assert "m1 fails back by itself (tiers_failback: auto)" in " ".join(refused.stdout.split())
        assert serving() == ["m1"]


class TestFailbackByHand:
    def test_a_primary_that_is_healthy_again_stays_standby(self) -> None:
        fail_back("manual")
        lose("m1")
        assert until_serves("m2") == ["m2"]
        repair("m1")
        assert goes_on_serving("m2")

    def test_the_peer_serves_after_a_switchover(self) -> None:
        with vendor.asking("c1", ASK) as asked:
            switch_over("manual")
        assert serving() == ["m1"]
        asked.check_gap(10)

    def test_looking_only_changes_nothing(self) -> None:
        given = {"gauge_version": "3.0", "tiers_failback": "manual", "tiers_targets": "m2"}
        looked = vendor.run("switch_over", check=True, **given)
        assert looked.returncode == 0, looked.stdout
        assert "m1 would step down for m2" in looked.stdout
        assert serving() == ["m1"]

    def test_a_drained_node_is_not_promoted(self) -> None:
        given = {"gauge_version": "3.0", "tiers_failback": "manual"}
        drained = vendor.run("drain", **given, tiers_targets="m2")
        assert drained.returncode == 0, drained.stdout
        refused = vendor.run("switch_over", **given, tiers_targets="m1")
        assert refused.returncode != 0
        assert "m2 cannot be promoted" in " ".join(refused.stdout.split())
        assert serving() == ["m1"]
        back = vendor.run("undrain", **given)
        assert back.returncode == 0, back.stdout

    def test_a_primary_serves_when_its_backup_fails(self) -> None:
        switch_over("manual")
        assert serving() == ["m2"]
        lose("m2")
        assert until_serves("m1") == ["m1"]


@pytest.fixture(scope="class")
def failback_restored() -> Iterator[None]:
    """The drill that follows expects the pair as the inventory describes it."""
    yield
    fail_back("auto")


@pytest.mark.usefixtures("failback_restored")
class TestNoFailback:
    def test_a_primary_stays_out_once_its_backup_has_taken_over(self) -> None:
        fail_back("never")
        lose("m1")
        assert until_serves("m2") == ["m2"]
        repair("m1")
        assert goes_on_serving("m2")
        # Not even when the backup fails: that one is started again.
        lose("m2")
        assert until_serves() == []
        assert until_serves("m2") == ["m2"]

    def test_it_serves_again_after_a_switchover(self) -> None:
        switch_over("never")
        assert serving() == ["m1"]


@pytest.mark.slow
class TestRetire:
    def test_nothing_of_a_backup_is_left(self) -> None:
        without_m2 = Inventory("vendor", ROOT / "molecule/vendor/m2_down.ini")
        deployment = without_m2.run("deploy", gauge_version="3.0")
        assert deployment.returncode == 0, deployment.stdout
        asked = {"tiers_targets": "m2", "tiers_retire_confirm": True, "tiers_retire_data": True}
        retired = without_m2.run("retire", gauge_version="3.0", **asked)
        assert retired.returncode == 0, retired.stdout
        host = vendor.connect("m2")
        assert host.run("systemctl cat gauge").rc != 0
        assert not host.service("keepalived").is_running
        assert "tiers" not in host.check_output("nft list tables")
        for path in ("/etc/tiers", "/var/lib/tiers", "/etc/gauge", "/var/lib/gauge", "/opt/gauge"):
            assert not host.file(path).exists, path
        assert versions_served() == ["3.0", "3.0"]

    def test_it_comes_back_as_a_fresh_server(self) -> None:
        deployment = vendor.run("deploy", gauge_version="3.0")
        assert deployment.returncode == 0, deployment.stdout
        assert releases("m2") == ["3.0"]
        assert versions_served() == ["3.0", "3.0"]
        assert serving() == ["m1"]
