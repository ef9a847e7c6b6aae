# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the documentation names exists, its links lead somewhere, and a test runs each of its commands."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.variables import BY_NAME, MADE_IN_RUNS
from ansible_collections.distributed.tiers.plugins.module_utils.verification import status
from ansible_collections.distributed.tiers.tests.unit.playbooks.running import ansible_playbook

REPOSITORY = Path(__file__).parents[3]
DOCS = REPOSITORY / "docs"
READMES = sorted(REPOSITORY.glob("roles/*/README.md"))
# What operators read, and what developers do
OPERATORS = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md")), *READMES]
PAGES = [*OPERATORS, REPOSITORY / "CONTRIBUTING.md"]
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PLAYBOOKS = {path.stem for path in (REPOSITORY / "playbooks").glob("*.yml")}

# Where a test runs a command of the pages: how the command begins -> the file that runs it, and what stands there.
# A command that is not here is no command of a page.
RUN = {
    "ansible-playbook distributed.tiers.validate": (".ci/install-test", "distributed.tiers.validate"),
    "ansible-playbook distributed.tiers.plan": ("molecule/shared/verify.yml", "distributed.tiers.plan"),
    "ansible-playbook distributed.tiers.deploy": ("molecule/shared/converge.yml", "distributed.tiers.deploy"),
    "ansible-playbook distributed.tiers.clients": ("molecule/shared/verify.yml", "distributed.tiers.clients"),
    "ansible-playbook distributed.tiers.verify": ("molecule/shared/verify.yml", "distributed.tiers.verify"),
    "ansible-playbook distributed.tiers.status": ("molecule/shared/verify.yml", "distributed.tiers.status"),
    "ansible-playbook distributed.tiers.report": ("Makefile", "play report"),
    "ansible-playbook distributed.tiers.monitoring": (
        "tests/unit/playbooks/test_monitoring_files.py",
        'fleet.run("monitoring")',
    ),
    "ansible-playbook distributed.tiers.drain": ("molecule/default/tests/test_maintenance.py", 'run("drain"'),
    "ansible-playbook distributed.tiers.undrain": ("molecule/default/tests/test_maintenance.py", 'run("undrain"'),
    "slapcat -F /run/slapd/config": ("molecule/default/tests/test_maintenance.py", "slapcat -F /run/slapd/config"),
    "sed 's#^olcDbDirectory": ("molecule/default/tests/test_maintenance.py", "sed 's#^olcDbDirectory"),
    "mkdir config": ("molecule/default/tests/test_maintenance.py", '"mkdir config"'),
    "slapcat -F config": ("molecule/default/tests/test_maintenance.py", "slapcat -F config"),
    "ansible-playbook distributed.tiers.resync": ("molecule/default/tests/test_maintenance.py", 'run("resync"'),
    "ansible-playbook distributed.tiers.replace": ("molecule/default/tests/test_maintenance.py", 'run("replace"'),
    "ansible-playbook distributed.tiers.support_bundle": (
        "molecule/default/tests/test_deployment.py",
        'run("support_bundle"',
    ),
    "ansible-playbook distributed.tiers.back_up": ("molecule/default/tests/test_maintenance.py", 'run("back_up"'),
    "ansible-playbook distributed.tiers.restore": ("molecule/default/tests/test_maintenance.py", '"restore"'),
    "ansible-playbook distributed.tiers.rotate_certificates": (
        "molecule/default/tests/test_rotation.py",
        'run("rotate_certificates"',
    ),
    "ansible-playbook distributed.tiers.switch_over": ("molecule/vendor/tests/test_vendor.py", 'run("switch_over"'),
    "ansible-playbook distributed.tiers.pause_failover": (
        "tests/unit/playbooks/test_pause.py",
        'run("pause_failover"',
    ),
    "ansible-playbook distributed.tiers.resume_failover": (
        "tests/unit/playbooks/test_pause.py",
        'run("resume_failover"',
    ),
    "ansible-playbook distributed.tiers.rotate_secrets": (
        "tests/unit/playbooks/test_rotate_secrets.py",
        'run("rotate_secrets"',
    ),
    "ansible-playbook distributed.tiers.retire": ("molecule/default/tests/test_maintenance.py", 'run("retire"'),
    "ansible-playbook distributed.tiers.upgrade": ("molecule/vendor/tests/test_vendor.py", 'run("upgrade"'),
    "ansible-playbook distributed.tiers.roll_back": ("molecule/vendor/tests/test_vendor.py", 'run("roll_back"'),
    "ansible-playbook distributed.tiers.drill": ("molecule/shared/drill.yml", "distributed.tiers.drill"),
    "ansible-playbook distributed.tiers.awx": ("tests/awx/test_playbook.py", "distributed.tiers.awx"),
    "mkdir -m 700 ~/tiers-ca": ("tests/unit/docs/test_awx_page.py", "mkdir -m 700 ~/tiers-ca"),
    "openssl genpkey": ("tests/unit/docs/test_awx_page.py", "openssl genpkey"),
    "openssl req": ("tests/unit/docs/test_awx_page.py", "openssl req"),
    "ansible-galaxy collection install distributed-tiers-": (".ci/install-test", "ansible-galaxy collection install"),
    "ansible-galaxy collection build": ("tests/unit/docs/test_product_guide.py", '"collection", "build"'),
    "ansible-galaxy collection install example-web-": (
        "tests/unit/docs/test_product_guide.py",
        '"collection", "install"',
    ),
    "make demo": ("Makefile", "demo: "),
    "make secrets hosts": ("Makefile", "--no-print-directory secrets hosts"),
    "redis-cli": ("molecule/redis/tests/test_deployment.py", '"redis-cli"'),
    "make hosts-down": (".ci/test", "hosts-down"),
    "make test": (".ci/run", "make test"),
    "sha256sum --check": ("tests/release/test_release.py", "sha256sum"),
    "tar --extract --file distributed-tiers-": ("tests/release/test_release.py", "MANIFEST.json"),
    "gpgv --keyring": ("tests/release/test_release.py", "gpgv"),
    "ansible-galaxy collection verify --offline": ("tests/release/test_release.py", '"verify"'),
}
# What no test here runs, and the page that says so.
NOT_RUN = {
    "ansible-playbook distributed.tiers.rehearse_restore": ("docs/support.md", "a restore rehearsed"),
    "ansible-builder build": ("docs/releases.md", "Not run here: the build of the image"),
    "ansible-navigator run": ("docs/releases.md", "Not run here: the build of the image"),
    "./install.sh": ("docs/guides/genesys.md", "Nothing here was run against Genesys binaries"),
    "export CONTROLLER_HOST=": ("docs/awx.md", "CONTROLLER_HOST"),
    ". /etc/tiers/endpoints.env": ("roles/client/README.md", "endpoints.env"),
}
# What looks like a variable and is none: one that an example adds, a table of nftables, an artifact, a slip.
OTHER_NAMES = {
    "tiers_owner",
    "tiers_drain",
    "tiers_drill",
    "tiers_drained",
    "tiers_inputs",
    "tiers_plan_summary",
    "tiers_standby",
    "tiers_stie",
}
# Metrics of a host
for _source in ("roles/exporters/files/metrics.py", "plugins/module_utils/monitoring/metrics_settings.py"):
    OTHER_NAMES |= set(re.findall(r'"(tiers_\w+)"', (REPOSITORY / _source).read_text(encoding="utf-8")))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> Iterator[str]:
    """The commands of a page, without their environment and output: if one has a prompt, only those with one count."""
    for block in blocks(page, "console"):
        lines = block.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        words = (" ".join(line.split("  #")[0].split()) for line in lines if line.strip())
        yield from (re.sub(r"^([A-Z_]+=\S+ )+", "", line) for line in words)


COMMANDS = sorted({(str(page.relative_to(REPOSITORY)), command) for page in OPERATORS for command in commands(page)})


def code(page: Path) -> Iterator[str]:
    """The code in a line of Markdown."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", text)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda text: text)
def test_every_command_is_run_by_a_test(page: str, command: str) -> None:
    where = [place for begin, place in {**RUN, **NOT_RUN}.items() if command.startswith(begin)]
    assert where, f"{page}: nobody runs `{command}`; say in RUN who does"
    for name, words in where:
        assert words in (REPOSITORY / name).read_text(encoding="utf-8"), f"{name} does not say {words}"


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda text: text)
def test_every_command_takes_what_it_is_given(page: str, command: str) -> None:
    if command.startswith("make "):
        assert command.split()[1] in TARGETS
    if command.startswith("ansible-playbook distributed.tiers."):
        words = shlex.split(re.sub(r"[\[\]]", "", command))
        name = words[1].removeprefix("distributed.tiers.")
        assert name in PLAYBOOKS
        described = yaml.safe_load((REPOSITORY / f"playbooks/meta/{name}.yml").read_text(encoding="utf-8"))
        given = [word.split("=")[0] for before, word in itertools.pairwise(words) if before == "-e" and "=" in word]
        assert set(given) <= {*described.get("variables", {}), "host_ca_make", "awx_state"}
        assert "--limit" not in words or "limit" in described["prompts"]
        assert "--check" not in words or "job_type" in described["prompts"]


def test_the_table_of_commands_holds_no_more_than_the_pages() -> None:
    for begin in (*RUN, *NOT_RUN):
        assert any(command.startswith(begin) for _page, command in COMMANDS), begin


def test_the_inventory_to_start_with_validates(tmp_path: Path) -> None:
    page = DOCS / "start.md"
    (shown,) = blocks(page, "yaml")
    (tmp_path / "hosts.yml").write_text(shown, encoding="utf-8")
    (command,) = (command for command in commands(page) if "tiers.validate" in command)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *shlex.split(command)[1:]],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".cache/collections"), "ANSIBLE_CONFIG": ""},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 error(s)" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    # The page that the site begins with lies among its pages.
    base = DOCS if page == DOCS / "site/index.md" else page.parent
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _hash, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (base / target).resolve() if target else page
        assert path.exists(), link
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_names_on_a_page_exist(page: Path) -> None:
    plugins = {path.stem for path in REPOSITORY.glob("plugins/*/*.py")}
    ours = PLAYBOOKS | plugins | {path.name for path in (REPOSITORY / "roles").iterdir()}
    known = BY_NAME.keys() | set(MADE_IN_RUNS) | defaults()
    created = re.findall(r"^Create `([^`]+)`", page.read_text(encoding="utf-8"), re.MULTILINE)
    for text in code(page):
        for name in re.findall(r"\bdistributed\.tiers\.(\w+)", text):
            assert name in ours, f"no distributed.tiers.{name}"
        for target in re.findall(r"^make ([a-z-]+)", text):
            assert target in TARGETS, f"no make {target}"
        for variable in re.findall(r"^(tiers_[a-z_]+[a-z])\b", text):
            assert variable in known | OTHER_NAMES, f"no variable {variable}"
        for path in re.findall(
            r"^((?:\.ci|benchmarks|docs|inventories|molecule|playbooks|plugins|tests)/[\w./*-]+)$", text
        ):
            assert path in created or [*REPOSITORY.glob(path)] or page.parent.joinpath(path).exists(), f"no file {path}"


@functools.cache
def defaults() -> set[str]:
    """The variables of roles: their defaults and the options of their entry points."""
    names: set[str] = set()
    for path in REPOSITORY.glob("roles/*/defaults/main.yml"):
        names |= set(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    for path in REPOSITORY.glob("roles/*/meta/argument_specs.yml"):
        for spec in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            names |= set(spec.get("options", {}))
    return names


def test_runbooks_quote_alerts_as_status_gives_them() -> None:
    """Somebody looks for the words that stand on the screen."""
    code_of_status = "".join(
        Path(module.__file__ or "").read_text(encoding="utf-8")
        for module in (status, sys.modules[status.wrong_pairs.__module__])
    )
    for path in (
        "plugins/module_utils/probing/host_checks.py",
        "plugins/module_utils/probing/pair.py",
        "plugins/module_utils/probing/probe.py",
        "plugins/module_utils/probing/traffic.py",
        "plugins/module_utils/verification/content.py",
        "plugins/module_utils/verification/host_findings.py",
        "plugins/module_utils/verification/membership.py",
        "plugins/modules/tier_host.py",
        "roles/server/files/watchdog.py",
    ):
        code_of_status += (REPOSITORY / path).read_text(encoding="utf-8")
    table = (DOCS / "runbooks.md").read_text(encoding="utf-8").split("| the alert says |")[1].split("\n\n")[0]
    for quoted in re.findall(r"`([^`]+)`", table):
        for words in re.split(r"NAME(?: DOWN)?:?|…|:", quoted):
            assert words.strip() in code_of_status, quoted


def test_the_readme_shows_what_validate_prints() -> None:
    secrets = [f"-e{name}=x" for name in ("tiers_ca_passphrase", "product_openldap_probe_password")]
    done = ansible_playbook("distributed.tiers.validate", "-i", REPOSITORY / "inventories/demo/hosts.yml", *secrets)
    preview = next(block for block in blocks(REPOSITORY / "README.md", "text") if block.startswith("System demo"))
    assert textwrap.indent(preview.strip(), " " * 8) in done.stdout


def test_the_picture_of_losses_shows_the_figures_of_the_readme() -> None:
    shown = re.findall(r">(\d+\.\d s)<", (DOCS / "pictures/loss.svg").read_text(encoding="utf-8"))
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(shown) == 3
    assert [gap for gap in shown if f"longest gap {gap}" not in readme] == []


def test_pages_repeat_the_figures_of_the_readme() -> None:
    """The demo's drill stands in README.md; the first page of the site and the runbooks of failed servers cite it."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    kept, writes = re.findall(r"(\d+) of \1 promises kept; \d+ requests made, (\d+) writes acknowledged", readme)[0]
    first = (DOCS / "site/index.md").read_text(encoding="utf-8")
    assert f"All {kept} promises were kept. Of {writes} acknowledged writes" in first
    failed = (DOCS / "runbooks.md").read_text(encoding="utf-8").partition("## Failed server")[2].partition("\n## ")[0]
    cited = re.findall(r"(?<=\s)\d+\.\d s\b", failed)
    assert len(cited) > 8
    assert [seconds for seconds in cited if seconds not in readme] == []
    assert f"0 missing of {writes}" in failed


def test_the_support_matrix_names_every_scenario_and_core() -> None:
    page = (DOCS / "support.md").read_text(encoding="utf-8")
    scenarios = {path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml")}
    assert set(re.findall(r"scenarios? (?:and )?`(\w+)`", page)) | set(re.findall(r", `(\w+)`", page)) == scenarios
    cores = re.findall(r'"(2\.\d+)": "3', (REPOSITORY / "noxfile.py").read_text(encoding="utf-8"))
    assert cores
    assert [core for core in cores if core not in page] == []


def test_every_page_is_on_the_site() -> None:
    spec = importlib.util.spec_from_file_location("stage", DOCS / "site/stage.py")
    assert spec and spec.loader
    stage = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stage)
    staged = set(stage.places().values()) - {"index.md"}
    index = (DOCS / "site/index.md").read_text(encoding="utf-8")
    patterns = [line for block in blocks(DOCS / "site/index.md", "{toctree}") for line in block.splitlines()]
    listed = {page for page in staged for pattern in patterns if pattern and Path(page).with_suffix("").match(pattern)}
    assert staged == listed, index
