"""Write what a collection's archive consists of and depends on, as a CycloneDX bill of materials.

Usage: sbom.py ARCHIVE FILE. The bill is held against the schema before it is written.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any

import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

archive, target = Path(sys.argv[1]), Path(sys.argv[2])
with tarfile.open(archive) as packed:

    def read(name: str) -> bytes:
        found = packed.extractfile(name)
        return found.read() if found else b""

    about = json.loads(read("MANIFEST.json"))["collection_info"]
    files = json.loads(read("FILES.json"))["files"]
    core = yaml.safe_load(read("meta/runtime.yml"))["requires_ansible"]
    python = [line for line in read("meta/ee-requirements.txt").decode().splitlines() if not line.startswith("#")]

NAME = f"{about['namespace']}.{about['name']}"


def sha256(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def depended_on(name: str, purl: str, versions: str) -> dict[str, Any]:
    """Something that must be there, in any version of a range, and is not in the archive."""
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "purl": purl,
        "scope": "required",
        "properties": [{"name": f"{NAME}:versions", "value": versions}],
    }


itself = f"pkg:generic/{NAME}@{about['version']}"
needed = [
    depended_on("ansible-core", "pkg:pypi/ansible-core", core),
    *(depended_on(name, f"pkg:generic/{name}", versions) for name, versions in about["dependencies"].items()),
    *(depended_on(name, f"pkg:pypi/{name}", "*") for name in python),
]
digest = hashlib.sha256(archive.read_bytes()).hexdigest()
bill = {
    "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    # The same archive has the same bill.
    "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
    "version": 1,
    "metadata": {
        "component": {
            "type": "library",
            "bom-ref": itself,
            "name": NAME,
            "version": about["version"],
            "description": about["description"],
            "purl": itself,
            "licenses": [{"license": {"id": "GPL-3.0-or-later"}}],
            "hashes": sha256(digest),
            "externalReferences": [{"type": "vcs", "url": about["repository"]}],
        }
    },
    "components": [
        *needed,
        *(
            {"type": "file", "bom-ref": file["name"], "name": file["name"], "hashes": sha256(file["chksum_sha256"])}
            for file in files
            if file["ftype"] == "file"
        ),
    ],
    "dependencies": [{"ref": itself, "dependsOn": [component["bom-ref"] for component in needed]}],
}
text = json.dumps(bill, indent=2) + "\n"
if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
    sys.exit(f"No CycloneDX 1.6: {error}")
target.write_text(text, encoding="utf-8")
