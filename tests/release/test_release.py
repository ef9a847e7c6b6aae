# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that `make release` writes to dist/ are complete, and users can check them as docs/releases.md says."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
TOOLS = REPOSITORY / ".cache" / "release" / "bin"
ABOUT = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"))
NAME = f"{ABOUT['namespace']}-{ABOUT['name']}-{ABOUT['version']}"
ARCHIVE = REPOSITORY / "dist" / f"{NAME}.tar.gz"
# What users run and read.
SHIPPED = {
    *("CHANGELOG.rst", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"),
    *("changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "roles"),
}


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    """The files of the archive."""
    with tarfile.open(ARCHIVE) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty place with settings of its own, and the collection installed there."""
    place = tmp_path_factory.mktemp("user")
    (place / "ansible.cfg").touch()
    run(place, "ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", "collections", ARCHIVE)
    return place


def run(place: Path, command: str | Path, *arguments: str | Path, wanted: int = 0, **variables: str) -> str:
    beside = Path(sys.executable).parent / command
    done = subprocess.run(
        [beside if beside.exists() else command, *arguments],
        cwd=place,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(place / "collections"),
            **variables,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (wanted == 0), done.stdout
    return done.stdout


def test_the_archive_holds_what_users_need_and_nothing_else(packed: dict[str, bytes]) -> None:
    assert {name.split("/")[0] for name in packed} == SHIPPED
    assert {name for name in packed if name.startswith("changelogs/")} == {"changelogs/changelog.yaml"}
    assert not [name for name in packed if "all/secrets.yml" in name or "/." in name or "__pycache__" in name]


def test_the_archive_holds_what_the_repository_holds(packed: dict[str, bytes]) -> None:
    for name, content in packed.items():
        if name not in ("MANIFEST.json", "FILES.json"):
            assert content == (REPOSITORY / name).read_bytes(), name


def test_the_changelog_names_every_plugin(packed: dict[str, bytes]) -> None:
    changelog = packed["CHANGELOG.rst"].decode()
    kinds = ("action", "filter", "lookup", "modules")
    plugins = {Path(name).stem for name in packed if name.endswith(".py") and name.split("/")[1] in kinds}
    missing = {name for name in plugins if f"\n- {ABOUT['namespace']}.{ABOUT['name']}.{name} - " not in changelog}
    assert not missing, "run `make changelog`"


def test_the_bill_lists_every_file_and_every_dependency(packed: dict[str, bytes]) -> None:
    bill: dict[str, Any] = json.loads((REPOSITORY / "dist" / f"{NAME}.cdx.json").read_text(encoding="utf-8"))
    itself = bill["metadata"]["component"]
    assert itself["hashes"][0]["content"] == hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    files = {entry["name"]: entry["hashes"][0]["content"] for entry in bill["components"] if entry["type"] == "file"}
    assert files == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in packed.items()
        if name not in ("MANIFEST.json", "FILES.json")
    }
    needed = {entry["name"]: entry["properties"][0]["value"] for entry in bill["components"] if "purl" in entry}
    assert needed == {"ansible-core": ">=2.18.0", "cryptography": "*", **ABOUT["dependencies"]}
    (graph,) = bill["dependencies"]
    assert graph["ref"] == itself["bom-ref"] and len(graph["dependsOn"]) == len(needed)


def test_the_checksums_are_right(tmp_path: Path) -> None:
    run(REPOSITORY / "dist", "sha256sum", "--check", "SHA256SUMS")


def test_a_signature_is_checked_before_and_after_the_installation(
    place: Path, packed: dict[str, bytes], tmp_path: Path
) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase="]
    keys = {"GNUPGHOME": str(home)}
    (tmp_path / "MANIFEST.json").write_bytes(packed["MANIFEST.json"])
    (tmp_path / "other.json").write_bytes(packed["MANIFEST.json"].replace(b"distributed", b"disturbed"))
    run(tmp_path, "gpg", *gpg, "--quick-generate-key", "Test <test@example.com>", "ed25519", "sign", "1d", **keys)
    run(tmp_path, "gpg", *gpg, "--export", "--output", "keyring.gpg", **keys)
    for name in ("MANIFEST", "other"):
        run(tmp_path, "gpg", *gpg, "--armor", "--detach-sign", "--output", f"{name}.asc", f"{name}.json", **keys)
    run(tmp_path, "gpgconf", "--kill", "all", **keys)

    ring = tmp_path / "keyring.gpg"
    run(tmp_path, "gpgv", "--keyring", ring, "MANIFEST.asc", "MANIFEST.json")
    run(tmp_path, "gpgv", "--keyring", ring, "MANIFEST.asc", "other.json", wanted=1)

    def verify(signature: str, wanted: int = 0) -> str:
        options = ["--keyring", ring, "--signature", f"file://{tmp_path / signature}.asc"]
        return run(
            place, "ansible-galaxy", "collection", "verify", "--offline", *options, "distributed.tiers", wanted=wanted
        )

    assert "Successfully verified" in verify("MANIFEST")
    assert "Signature verification failed" in verify("other", wanted=1)
    readme = place / "collections" / "ansible_collections" / "distributed" / "tiers" / "README.md"
    readme.write_bytes(packed["README.md"] + b"\n")
    assert "README.md" in verify("MANIFEST", wanted=1)
    readme.write_bytes(packed["README.md"])


def test_an_execution_environment_takes_the_requirements_of_the_collection(place: Path) -> None:
    context = REPOSITORY / ".cache" / "release" / "context" / "_build"
    (wanted,) = yaml.safe_load((context / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert (context / wanted["name"]).read_bytes() == ARCHIVE.read_bytes()
    found = run(place, TOOLS / "ansible-builder", "introspect", "collections", "--sanitize")
    needs = yaml.safe_load(found[found.index("---") :])
    assert [need.split()[0] for need in needs["python"]] == ["cryptography"]
    assert [need.split()[0] for need in needs["system"]] == ["openssh-client", "openssh-clients"]


def test_the_smoke_playbook_runs_from_the_installed_collection(place: Path) -> None:
    docs = place / "collections" / "ansible_collections" / "distributed" / "tiers" / "docs"
    assert "failed=0" in run(place, "ansible-playbook", docs / "execution-environment" / "smoke.yml")
