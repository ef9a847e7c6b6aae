# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CA is replaced while clients ask."""

from __future__ import annotations

import pytest
from deployed import Inventory

demo = Inventory("demo")
HOSTS = demo.hosts("master", "backup", "proxy", "parallel", "distributor", "client")
ASK = "ldapsearch -x -LLL -s base -b '' 1.1"
ISSUER = "openssl x509 -noout -issuer_hash -in /etc/tiers/tls/server.crt"
TRUSTED = "openssl x509 -noout -subject_hash -in /etc/tiers/tls/ca.crt; grep -c BEGIN /etc/tiers/tls/ca.crt"


@pytest.mark.slow
def test_the_ca_is_replaced_and_clients_do_not_notice() -> None:
    before = demo.connect("m1").check_output(ISSUER)
    with demo.asking("c-paris", ASK) as paris, demo.asking("c-tokyo", ASK) as tokyo:
        done = demo.run("rotate_certificates", tiers_rotate_ca="true", tiers_rotate_hours="0")
    assert done.returncode == 0, done.stdout
    assert len(paris) > 20
    assert [one for one in [*paris, *tokyo] if not one.answered] == []
    after = {demo.connect(name).check_output(ISSUER) for name in HOSTS}
    trusted = {demo.connect(name).check_output(TRUSTED) for name in HOSTS}
    assert len(after) == 1
    assert before not in after
    assert trusted == {f"{after.pop()}\n1"}
    assert demo.run("status", tiers_status_strict="true").returncode == 0
