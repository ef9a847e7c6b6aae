# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators read the messages in a job of AWX, and its files outlast it or are reported as lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.operations.job import (
    OPERATIONS,
    in_awx,
    job_template,
    outlives_job,
)

META = Path(__file__).parents[5] / "playbooks" / "meta"
# The mounts of a job of AWX 24, with a directory of the execution node that is exposed to jobs.
MOUNTS = r"""
1200 1100 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b
1201 1200 0:65 / /proc rw,nosuid - proc proc rw
1202 1200 0:66 / /dev/shm rw - tmpfs shm rw
1203 1200 8:1 /tmp/awx_7_x /runner rw,relatime - ext4 /dev/sda1 rw
1204 1203 8:1 /tmp/awx_7_x/project /runner/project rw,relatime - ext4 /dev/sda1 rw
1205 1203 8:1 /srv/ca /runner/tiers-ca rw,relatime - ext4 /dev/sda1 rw
1206 1200 0:70 / /scratch rw - tmpfs tmpfs rw
1207 1200 8:1 /srv/tiers /srv/our\040tiers rw,relatime master:1 - xfs /dev/sda2 rw
"""


@pytest.mark.parametrize(
    ("path", "outlives"),
    [
        ("/runner/inventory/.tiers-ca", False),
        ("/runner/project/ca", False),
        ("/root/ca", False),
        ("/scratch/ca", False),
        ("/srv/our tiers/ca", True),
        ("/srv/our tiers", True),
        ("/srv/other", False),
        ("/runner/tiers-ca", True),
    ],
)
def test_only_what_is_mounted_into_the_container_outlives_the_job(path: str, outlives: bool) -> None:
    assert outlives_job(path, MOUNTS) is outlives


def test_outside_awx_a_remedy_stays_as_it_is() -> None:
    text = "Run deploy, or accept the loss: -e tiers_drain_confirm=true."
    assert in_awx(text, job_template({"awx_job_template_name": None})) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Or accept the loss: -e tiers_drain_confirm=true.",
            'Or accept the loss: answer "Drain confirm" in the survey with true.',
        ),
        (
            "Issue all again: -e host_ca_make=true.",
            "Issue all again: set host_ca_make to true in the variables of the template.",
        ),
        (
            "and 9 more of x (to see them: -e tiers_report_rows=30)",
            'and 9 more of x (to see them: answer "Report rows" in the survey with 30)',
        ),
        (
            "Write the plan again: ansible-playbook distributed.tiers.plan -i INVENTORY -e tiers_plan_file=PATH.",
            'Write the plan again: launch the template "our tiers plan".',
        ),
        ("m1: a reason. Run deploy", 'm1: a reason. Launch the template "our tiers deploy"'),
        ("run deploy or undrain", 'launch the template "our tiers deploy" or "our tiers undrain"'),
        ("Run it again.", "Run it again."),
    ],
)
def test_in_awx_a_remedy_names_the_survey_or_the_template(text: str, told: str) -> None:
    assert in_awx(text, job_template({"tower_job_template_name": "our tiers drain"})) == told


def test_the_operations_are_those_that_awx_offers() -> None:
    offered = {
        path.stem
        for path in META.glob("*.yml")
        if yaml.safe_load(path.read_text(encoding="utf-8")).get("template", True)
    }
    assert {*OPERATIONS} == offered
