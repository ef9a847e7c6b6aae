"""Pack a collection's archive again so that the same content always gives the same bytes.

ansible-galaxy lists files in the order of the file system and stamps them with the time of the build. Here they are
sorted, and bear the date of the release.

Usage: repack.py ARCHIVE
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import yaml

archive = Path(sys.argv[1])
with tarfile.open(archive) as packed:
    members = {member.name: member for member in packed}
    content = {name: packed.extractfile(member).read() for name, member in members.items() if member.isfile()}

files = json.loads(content["FILES.json"])
files["files"].sort(key=lambda file: file["name"])
content["FILES.json"] = json.dumps(files, indent=True).encode()
manifest = json.loads(content["MANIFEST.json"])
manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(content["FILES.json"]).hexdigest()
content["MANIFEST.json"] = json.dumps(manifest, indent=True).encode()

released = yaml.safe_load(content["changelogs/changelog.yaml"])["releases"][manifest["collection_info"]["version"]]
stamp = int(datetime.fromisoformat(released["release_date"]).replace(tzinfo=UTC).timestamp())
with (
    open(archive, "wb") as stream,
    gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=9, mtime=stamp) as zipped,
    tarfile.open(fileobj=zipped, mode="w") as packed,
):
    for name in ["MANIFEST.json", "FILES.json", *(file["name"] for file in files["files"] if file["name"] != ".")]:
        member = members[name]
        # Times to the fraction of a second lie here.
        member.pax_headers = {}
        member.mtime = stamp
        member.size = len(content.get(name, b""))
        packed.addfile(member, io.BytesIO(content[name]) if name in content else None)
