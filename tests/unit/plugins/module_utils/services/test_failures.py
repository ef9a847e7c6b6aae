# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run reports why a described service failed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.services.failures import (
    describe_failed_staging,
    describe_unhealthy_service,
    judge_installer,
    redact,
    section_of,
)

UNTOUCHED = "The running service was not touched."


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        (["topsecret", "", "x"], "user x, password ********, again ********"),
        (["secret", "topsecret"], "user x, password ********, again ********"),
        (["pass", "topsecret"], "user x, ********word ********, again ********"),
        ([], "user x, password topsecret, again topsecret"),
        ([None, 12], "user x, password topsecret, again topsecret"),
    ],
)
def test_messages_hold_no_secret_that_is_known(secrets: list[Any], text: str) -> None:
    assert redact("user x, password topsecret, again topsecret", secrets) == text


def test_a_secret_that_is_a_number_is_masked() -> None:
    assert redact("pin 4711", [4711]) == "pin ********"


def test_a_failed_task_is_named_with_its_message() -> None:
    assert describe_failed_staging("Stage", {"msg": "no space"}, False) == f'"Stage" failed. no space {UNTOUCHED}'


@pytest.mark.parametrize("result", [{"msg": "password is x"}, {"msg": None}, {}])
def test_output_of_a_task_with_secrets_stays_hidden(result: dict[str, Any]) -> None:
    assert describe_failed_staging("Stage", result, True) == f'"Stage" failed. {UNTOUCHED}'


def test_failed_files_of_a_loop_are_named() -> None:
    results: list[dict[str, Any]] = [
        {"item": {"dest": "/a", "secret": False}, "failed": True, "msg": "no such variable"},
        {"item": {"dest": "/b", "secret": False}, "msg": "fine"},
        {"item": {"dest": "/c", "secret": True}, "failed": True, "msg": "password is x"},
        {"item": {"dest": "/d"}, "failed": True, "msg": "password is y"},
        {"failed": True, "msg": "password is z"},
        {"item": "/f", "failed": True, "msg": "password is zz"},
    ]
    hidden = "(the message is hidden: the file is secret)"
    assert describe_failed_staging("Stage", {"results": results, "msg": "One or more items failed"}, False) == (
        f'"Stage" failed at /a: no such variable at /c {hidden} at /d {hidden} at  {hidden} at  {hidden}. {UNTOUCHED}'
    )


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        ({"stderr": "port is taken", "msg": "non-zero return code"}, "port is taken"),
        ({"stderr": "", "msg": "timed out"}, "timed out"),
        ({}, "see above"),
    ],
)
@pytest.mark.parametrize(("log", "last"), [("Starting\nDied", "Starting\nDied"), ("", "(the log is empty)")])
def test_a_service_that_cannot_serve_is_reported_with_its_log(
    result: dict[str, Any], cause: str, log: str, last: str
) -> None:
    first, second, rest = describe_unhealthy_service("x.service", result, log).split("\n", 2)
    assert first == f"cannot serve: {cause}"
    assert "`journalctl -u x.service`" in second
    assert rest == last


INI = "[Other]\nResult=BAD\n[Response]\nResult = OK\nReason=none\n[Last]\nResult=BAD\n"


def test_a_section_ends_at_the_next_one() -> None:
    assert section_of(INI, "Response") == "\nResult = OK\nReason=none\n"
    assert section_of(INI, "") == INI
    assert section_of("Result=[OK]\n", "") == "Result=[OK]\n"


EXPECTED = {"section": "Response", "success": "Result=OK"}


@pytest.mark.parametrize(
    ("run", "written", "expected", "succeeded", "reason"),
    [
        ({"rc": 0}, {"rc": 0, "stdout": INI}, EXPECTED, True, None),
        ({"rc": 0}, {"rc": 1}, {}, True, None),
        ({"rc": 3, "stderr": "no licence"}, {"rc": 1}, {}, False, "ended with 3.\nno licence"),
        ({"rc": 3, "stderr": "", "stdout": "bye"}, {"rc": 1}, {}, False, "ended with 3.\nbye"),
        ({"rc": 3}, {"rc": 0, "stdout": INI}, EXPECTED, False, "ended with 3.\n\nResult = OK\nReason=none"),
        ({"msg": "timed out"}, {"rc": 0, "stdout": ""}, EXPECTED, False, "ended with a timeout."),
        ({"rc": 0}, {"rc": 1, "stdout": ""}, EXPECTED, False, "ended with 0 and wrote no result file."),
        (
            {"rc": 0},
            {"rc": 0, "stdout": INI},
            {"section": "Last", "success": "Result=OK"},
            False,
            "ended with 0.\n\nResult=BAD",
        ),
        ({"rc": 0}, {"rc": 0, "stdout": "Result =OK"}, {"section": None, "success": "Result=OK"}, True, None),
    ],
)
def test_an_installer_succeeds_by_its_exit_code_and_its_result_file(
    run: dict[str, Any], written: dict[str, Any], expected: dict[str, Any], succeeded: bool, reason: str | None
) -> None:
    found, text = judge_installer(run, written, expected)
    assert found is succeeded
    assert reason is None or text == reason
