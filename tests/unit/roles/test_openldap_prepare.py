# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry that the preparation of slapd adds at a master that crashed, with stand-ins for the tools of slapd."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import jinja2
import pytest

TEMPLATE = Path(__file__).parents[3] / "roles/product_openldap/templates/openldap-prepare.j2"
STAND_INS = {
    # Like slapadd, it refuses an entry that exists.
    "slapadd": """
case "$*" in
*-w*) dn=$(sed -n 's/^dn: //p'); ! grep -qxF "$dn" "$NOTES" || exit 1; echo "$dn" >>"$NOTES" ;;
esac""",
    "slapcat": "echo 'contextCSN: 20261130125000.000123Z#000000#001#000000'",
    "setpriv": 'while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"',
    "chown": "",
}


class Master:
    def __init__(self, home: Path) -> None:
        self.data, self.notes, self.program = home / "data", home / "notes", home / "prepare"
        self.clean = self.data / "clean"
        self.data.mkdir()
        self.notes.touch()
        (self.data / "data.mdb").touch()
        for name, text in STAND_INS.items():
            path = home / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        self.environment = os.environ | {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "NOTES": str(self.notes)}
        environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
        environment.filters["quote"] = shlex.quote
        known = {
            "running": home / "config",
            "options": home / "options",
            "config": home / "openldap.ldif",
            "stamped": [str(TEMPLATE)],
            "stamp": home / "stamp",
            "data": self.data,
            "clean": self.clean,
            "own_position": "#001#",
            "server_id": 1,
            "crashes": "ou=crashes,dc=example",
        }
        text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
            ansible_managed="managed",
            product_openldap_suffix="dc=example",
            tiers_server={"name": "m1", "serves_as": "master", "pair": {"name": "m2"}},
            **{f"__product_openldap_{name}": value for name, value in known.items()},
        )
        self.program.write_text(text, encoding="utf-8")

    def start(self) -> list[str]:
        """The entries after a start of slapd."""
        subprocess.run(["sh", self.program], env=self.environment, check=True, timeout=60)
        self.clean.unlink()
        return self.notes.read_text().splitlines()


@pytest.fixture
def master(tmp_path: Path) -> Master:
    return Master(tmp_path)


def test_each_crash_has_an_entry_of_its_own_also_within_one_second(master: Master) -> None:
    """Otherwise slapd would not start: its preparation fails if the entry exists."""
    for count in range(1, 6):
        found = master.start()
        assert len(set(found)) == len(found) == count
    assert all(entry.startswith("cn=m1 20") and entry.endswith(",ou=crashes,dc=example") for entry in found)


def test_master_that_was_stopped_in_order_gets_no_entry(master: Master) -> None:
    master.clean.touch()
    assert master.start() == []
