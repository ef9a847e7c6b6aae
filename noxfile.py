# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units and sanity on every ansible-core that is supported, each in an environment of its own: see `make cores`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nox

# ansible-core -> Python. Always its newest patch: what breaks with that is to be seen here and not at a user's.
CORES = {"2.18": "3.11", "2.19": "3.11", "2.20": "3.13", "2.21": "3.13"}
TOOLS = ("hypothesis", "jsonschema", "pytest", "pytest-xdist")
REPOSITORY = Path(__file__).parent
PINS = dict(
    line.split("==") for line in (REPOSITORY / "requirements" / "dev.txt").read_text("utf-8").split() if "==" in line
)

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True


def interpreter(version: str) -> str:
    """A Python of that version: the one on the path, or pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for found in (shutil.which(f"python{version}"), *root.glob(f"versions/{version}.*/bin/python3")):
        # What is on the path may be a stub that cannot run.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(found)
    return version


def per_core(session):
    matrix = [
        nox.param(interpreter(python), core, id=core, tags=[f"{session.__name__}-{core}"])
        for core, python in CORES.items()
    ]
    return nox.session(nox.parametrize("python,core", matrix)(session))


def install(session: nox.Session, core: str) -> None:
    session.install(f"ansible-core~={core}.0", *(f"{name}=={PINS[name]}" for name in TOOLS))
    # Other collections are plain files, the same for every Python: those of the development environment.
    ours = next(Path(session.virtualenv.location).glob("lib/python*/site-packages")) / "ansible_collections"
    if not ours.is_symlink():
        ours.symlink_to(next(REPOSITORY.glob(".venv/lib/python*/site-packages")) / "ansible_collections")


@per_core
def units(session: nox.Session, core: str) -> None:
    """Unit tests. Arguments go to pytest."""
    install(session, core)
    session.run("pytest", f"--junitxml=.cache/results/unit-{core}.xml", *session.posargs)


@per_core
def sanity(session: nox.Session, core: str) -> None:
    """The sanity tests of ansible-test. Arguments go to it."""
    install(session, core)
    session.run(".ci/sanity", *session.posargs, external=True)
