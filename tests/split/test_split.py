# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real slapds of both Debian releases survive random histories of writes on both sides of a network split.

The configuration is the role's own, rendered for five servers that share one container (render.yml, history.py).
pytest tests/split -m 'not slow' plays one history on each release, pytest tests/split ten.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Another checkout of the role may be given, to see what an older configuration does.
ROLE = Path(os.environ.get("SPLIT_ROLE", ROOT / "roles" / "product_openldap"))
TESTHOSTS = ROOT / "molecule" / "shared" / "testhosts"
TLS_LIBRARY = {"bookworm": "gnutls", "trixie": "openssl"}
PORTS = {"m1": 7001, "m2": 7002, "px-a": 7003, "px-b": 7004, "p1": 7005}
UPSTREAM = 1000  # the relay of a server listens this much above its own port


def output_of(*command: str | Path, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def slice_of(name: str) -> dict[str, Any]:
    """The part of a plan from which the role renders a server's configuration."""
    server = {
        "name": name,
        "address": "127.0.0.1",
        "port": PORTS[name],
        "upstream": PORTS[name] + UPSTREAM,
        "pair": None,
    }
    if name.startswith("m"):
        peer = "m2" if name == "m1" else "m1"
        tier = "master" if name == "m1" else "backup"
        return server | {
            "tier": tier,
            "serves_as": "master",
            "pair": {"name": peer, "address": "127.0.0.1", "port": server["upstream"]},
        }
    tier = "proxy" if name.startswith("px") else "parallel"
    return server | {"tier": tier, "serves_as": tier}


def issue_certificates(directory: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    ca = ["-keyout", directory / "ca.key", "-out", directory / "ca.crt", "-subj", "/CN=ca"]
    output_of("openssl", "req", "-x509", *key, *ca)
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in PORTS:
        tls = directory / name / "tls"
        tls.mkdir(parents=True)
        (tls / "ca.crt").write_bytes((directory / "ca.crt").read_bytes())
        subject = ["-keyout", tls / "server.key", "-out", tls / "request", "-subj", f"/O=demo/OU=servers/CN={name}"]
        output_of("openssl", "req", *key, *subject)
        signer = ["-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-CAcreateserial"]
        names = ["-extfile", directory / "names"]
        output_of("openssl", "x509", "-req", "-in", tls / "request", *signer, *names, "-out", tls / "server.crt")


def make_image(release: str) -> str:
    """The image of a test host of that release, with slapd installed."""
    archives = yaml.safe_load((ROOT / "molecule/shared/vars/testhosts.yml").read_text())["testhosts_archives"]
    wanted = {"RELEASE": release, "BASE": os.environ.get("TESTHOSTS_BASE", ""), "ARCHIVES": " ".join(archives)}
    host = output_of(TESTHOSTS, "image", env=os.environ | wanted)
    return output_of(TESTHOSTS, "installed", host, "slapd", "ldap-utils", "python3-ldap")


def render(release: str, directory: Path) -> None:
    """Write configuration, preparation and certificate of every server as the role makes them."""
    directory.chmod(0o755)
    issue_certificates(directory)
    (directory / "history.py").write_bytes((HERE / "history.py").read_bytes())
    variables = {
        "servers": [slice_of(name) for name in PORTS],
        "role": str(ROLE),
        "out": str(directory),
        "tls": TLS_LIBRARY[release],
    }
    output_of("ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables), HERE / "render.yml")


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """A function that plays a history on a Debian release and returns what came of it."""
    labs: dict[str, tuple[str, Path]] = {}

    def play_history(release: str, seed: int, *options: str) -> dict[str, Any]:
        if release not in labs:
            directory = tmp_path_factory.mktemp(release)
            render(release, directory)
            labs[release] = make_image(release), directory
        image, directory = labs[release]
        command = [TESTHOSTS, "run", image, directory, "python3", "/lab/history.py", str(seed), *options]
        result: dict[str, Any] = json.loads(output_of(*command))
        print(json.dumps(result))
        return result

    return play_history


def histories() -> list[Any]:
    return [
        pytest.param(release, seed, marks=[pytest.mark.slow] if seed > 1 else [], id=f"{release}-{seed}")
        for release in TLS_LIBRARY
        for seed in range(1, 11)
    ]


@pytest.mark.parametrize(("release", "seed"), histories())
def test_servers_are_equal_and_no_acknowledged_write_is_missing_after_a_split(
    play: Callable[..., dict[str, Any]], release: str, seed: int
) -> None:
    result = play(release, seed)
    assert result["acknowledged"] > 50
    assert result["in_step"], result
    assert not result["missing"], result
    assert not result["differ"], result
    assert result["undone_deletions"] <= 3, result


@pytest.mark.slow
@pytest.mark.parametrize("release", TLS_LIBRARY)
def test_replica_that_changed_to_a_master_behind_it_is_equal_after_a_restart(
    play: Callable[..., dict[str, Any]], release: str
) -> None:
    result = play(release, 2, "--leave")
    assert not result["missing"], result
    assert not result["differ"], result
