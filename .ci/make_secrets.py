"""Write random values for the secrets an example file names into a file only its owner can read.

Usage: make_secrets.py EXAMPLE FILE. Values that the file has already stay as they are.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import yaml

example, target = (Path(argument) for argument in sys.argv[1:])
needed = yaml.safe_load(example.read_text(encoding="utf-8"))
held = yaml.safe_load(target.read_text(encoding="utf-8")) if target.exists() else {}
values = {name: secrets.token_urlsafe(24) for name in needed} | held
if values != held:
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        yaml.safe_dump(values, stream, explicit_start=True)
target.chmod(0o600)
