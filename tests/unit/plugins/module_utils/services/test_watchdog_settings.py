# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the watchdog asks a product. tests/unit/roles/test_watchdog.py has the settings of whole roles."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.services.watchdog_settings import build_check
from ansible_collections.distributed.tiers.tests.unit.slices import complete

TCP = {"type": "tcp"}


def asked(check: dict[str, Any], changes: dict[str, Any] | None = None, **server: Any) -> dict[str, Any] | None:
    given = {"serves_as": "master", "address": "192.0.2.11", "port": 7000, "local_port": None, "tls": "none"}
    return build_check(complete(given | server), check, changes or {})


def test_a_port_to_which_nothing_can_be_sent_is_not_checked() -> None:
    assert asked(TCP) is None
    assert asked(TCP, {"send": "PING"}) is not None
    assert asked(TCP | {"expect": "^220 "}) is not None
    assert asked(TCP, tls="product", protocol="tls") is not None


def test_a_product_behind_haproxy_is_asked_on_loopback_without_tls() -> None:
    check = asked({"type": "http"}, tls="terminated", protocol="https", local_port=8080)
    assert check is not None
    assert (check["address"], check["port"], check["tls"], check["path"]) == ("127.0.0.1", 8080, False, "/")


def test_a_text_is_sent_as_bytes_and_a_wrong_escape_is_reported_without_it() -> None:
    check = asked(TCP | {"send": "PING\\r\\n", "secret": True, "status": 200})
    assert check is not None
    assert (check["send_hex"], "send" in check, "secret" in check) == ("50494e470d0a", False, False)
    with pytest.raises(ValueError, match=r"'\\q' is not a known escape") as raised:
        asked(TCP | {"send": "hidden\\q"})
    assert "hidden" not in str(raised.value)
