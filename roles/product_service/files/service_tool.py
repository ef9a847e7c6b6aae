#!/usr/bin/env python3
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manages the generations of a service on a server. A generation is a release with its unit and its files.

    service compare       the changes of `next`, as JSON: files to place, and whether to reload or restart
    service place WHICH   put a generation in place: next, good
    service stamp         record the files that the service is started with (run by its unit)
    service check         check the health of the service once
    service wait          wait until the service is healthy; end early with the reason if it cannot become so
    service keep          the placed generation is healthy: keep it as `good`, and the previous one for a rollback
    service packages      the packages, with their versions, that `good` ran with and that are not installed now
    service before        the generation to which a roll back would go, as JSON
    service back          make that generation `next`

The role writes `next`. Nothing of the running service changes before `place`.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import http.client
import json
import os
import pwd
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOME = Path("/var/lib/tiers/service")
STAMP = Path("/run/tiers-service.stamp")
TLS = Path("/etc/tiers/tls")
PLACED = "placed.json"
MANIFEST = "manifest.json"
NOTES = ("number", "packages_were")
ASK_SECONDS = 3.0
ANSWER_BYTES = 65536
MOST_RESTARTS = 3

Manifest = dict[str, Any]


class Trouble(Exception):
    """Something an operator has to know."""


def run(*command: str) -> str:
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def read(path: Path) -> Manifest | None:
    try:
        data: Manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return data


def write(path: Path, data: Any) -> None:
    """Write a file completely or not at all, even if the program is killed."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(path)


def staged(dest: str) -> str:
    """The name under which a generation keeps a file."""
    return dest.replace("%", "%25").replace("/", "%2F")


def digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def packages(manifest: Manifest) -> str:
    return run(*manifest["query"], *manifest["packages"]) if manifest["packages"] else ""


def generation(home: Path, which: str) -> Manifest:
    manifest = read(home / which / MANIFEST)
    if manifest is None:
        raise Trouble(f"there is no generation '{which}' of the service on this host")
    return manifest


def link_target(manifest: Manifest) -> str | None:
    try:
        return os.readlink(manifest["link"]) if manifest["release"] else None
    except FileNotFoundError:
        return None


# ---- The current and the planned state


def state(manifest: Manifest, files: dict[str, str | None], release: str | None) -> dict[str, Any]:
    """The state that a process runs with. If two states differ, it must be reloaded or restarted."""
    return {
        "release": release,
        "packages": packages(manifest),
        "files": files,
        "watched": {path: digest(Path(path)) for path in manifest["watched"]},
    }


def planned(home: Path, manifest: Manifest) -> dict[str, Any]:
    files = {file["dest"]: digest(home / "next/files" / staged(file["dest"])) for file in manifest["files"]}
    return state(manifest, files, manifest["release"] or None)


def present(manifest: Manifest) -> dict[str, Any]:
    return state(
        manifest, {file["dest"]: digest(Path(file["dest"])) for file in manifest["files"]}, link_target(manifest)
    )


def owner(file: Manifest) -> tuple[int, int, int]:
    return pwd.getpwnam(file["owner"]).pw_uid, grp.getgrnam(file["group"]).gr_gid, int(file["mode"], 8)


def as_placed(source: Path, file: Manifest) -> bool:
    target = Path(file["dest"])
    if digest(target) != digest(source) or target.is_symlink():
        return False
    found = target.stat()
    return (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == owner(file)


def abandoned(home: Path, manifest: Manifest) -> list[str]:
    """Files in place that the generation does not have."""
    here = read(home / PLACED)
    mine = {file["dest"] for file in manifest["files"]}
    return [file["dest"] for file in here["files"] if file["dest"] not in mine] if here else []


def same(one: Manifest | None, other: Manifest) -> bool:
    """Whether these are the same generation, whatever was noted of it when it was kept."""
    return one is not None and {**one, **dict.fromkeys(NOTES)} == {**other, **dict.fromkeys(NOTES)}


def compare(home: Path) -> dict[str, Any]:
    manifest = generation(home, "next")
    unit = manifest["unit"]
    running = run("systemctl", "is-active", unit).strip() in ("active", "reloading")
    enabled = run("systemctl", "is-enabled", unit).strip() == "enabled"
    place = [
        file["dest"] for file in manifest["files"] if not as_placed(home / "next/files" / staged(file["dest"]), file)
    ]
    place += abandoned(home, manifest)
    if manifest["release"] and link_target(manifest) != manifest["release"]:
        place.append(manifest["link"])
    # The health check and the packages belong to the state, too.
    if not same(read(home / PLACED), manifest):
        place.append(str(home / PLACED))
    due, stamped = planned(home, manifest), read(STAMP)
    differs = not stamped or {**due, "files": None} != {**stamped, "files": None}
    changed = {
        dest
        for dest in {*due["files"], *(stamped or {"files": {}})["files"]}
        if not stamped or due["files"].get(dest) != stamped["files"].get(dest)
    }
    gentle = {file["dest"] for file in manifest["files"] if file["reload"]}
    restart = not running or differs or bool(changed - gentle)
    return {
        "place": sorted(place),
        "running": running,
        "enabled": enabled,
        "restart": restart,
        "reload": bool(changed) and not restart,
        "gated": read(home / "good" / MANIFEST) is not None,
    }


# ---- Activating a generation


def make_directories(path: Path) -> None:
    """Create a directory with its missing parents. Every user may enter them, whatever the umask of root is."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    for directory in reversed(missing):
        directory.mkdir()
        directory.chmod(0o755)


def install(source: Path, file: Manifest) -> None:
    target = Path(file["dest"])
    uid, gid, mode = owner(file)
    make_directories(target.parent)
    new = target.with_name(f".{target.name}.tiers-new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(source.read_bytes())
    os.chown(new, uid, gid)
    new.chmod(mode)
    new.replace(target)


def place(home: Path, which: str) -> bool:
    """Make what is in place this generation; whether anything changed."""
    manifest = generation(home, which)
    (home / "originals").mkdir(exist_ok=True)
    before = {file["dest"] for file in (read(home / PLACED) or {"files": []})["files"]}
    changed = not same(read(home / PLACED), manifest)
    gone = abandoned(home, manifest)
    for file in manifest["files"]:
        source, target = home / which / "files" / staged(file["dest"]), Path(file["dest"])
        if as_placed(source, file):
            continue
        original = home / "originals" / staged(file["dest"])
        # If the service no longer has a file at this path, the file of the package is restored.
        if file["dest"] not in before and target.is_file() and not original.exists():
            shutil.copy2(target, original)
        install(source, file)
        changed = True
    for dest in gone:
        original = home / "originals" / staged(dest)
        if original.exists():
            shutil.copy2(original, dest)
        else:
            Path(dest).unlink(missing_ok=True)
        changed = True
    if manifest["release"] and link_target(manifest) != manifest["release"]:
        link = Path(manifest["link"])
        new = link.with_name(f"{link.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(manifest["release"])
        new.replace(link)
        changed = True
    write(home / PLACED, manifest)
    if changed:
        run("systemctl", "daemon-reload")
    return changed


def copy_generation(home: Path, source: str, target: str, manifest: Manifest) -> None:
    new = home / f"{target}.new"
    shutil.rmtree(new, ignore_errors=True)
    (new / "files").mkdir(parents=True)
    for file in manifest["files"]:
        shutil.copy2(home / source / "files" / staged(file["dest"]), new / "files")
    write(new / MANIFEST, manifest)
    shutil.rmtree(home / target, ignore_errors=True)
    new.rename(home / target)


def history(home: Path) -> dict[int, Manifest]:
    """Generations of earlier releases by their number, the oldest first."""
    found = {int(path.name): read(path / MANIFEST) for path in (home / "history").glob("[0-9]*") if path.name.isdigit()}
    return {number: manifest for number, manifest in sorted(found.items()) if manifest}


def keep(home: Path) -> bool:
    """Record that the placed generation is healthy."""
    placed = read(home / PLACED)
    if placed is None:
        raise Trouble("nothing is in place that could be kept")
    good = read(home / "good" / MANIFEST)
    number = placed.get("number") or (good or {}).get("number", 1)
    if good and not placed.get("number") and good["version"] != placed["version"]:
        # A new release: the previous one stays on the host.
        copy_generation(home, "good", f"history/{good['number']:04}", good)
        number = good["number"] + 1
    manifest = {**placed, "number": number, "packages_were": packages(placed)}
    stays = [number for number in history(home) if number < manifest["number"]][-max(1, placed["keep"] - 1) :]
    for old in history(home):
        if old not in stays:
            shutil.rmtree(home / "history" / f"{old:04}")
    prune(home, manifest)
    if good == manifest and all(
        digest(home / "good/files" / staged(file["dest"])) == digest(Path(file["dest"])) for file in manifest["files"]
    ):
        return False
    source = "next" if same(read(home / "next" / MANIFEST), placed) else "good"
    copy_generation(home, source, "good", manifest)
    return True


def prune(home: Path, manifest: Manifest) -> None:
    if not manifest["release"]:
        return
    needed = {manifest["release"], *(old["release"] for old in history(home).values())}
    needed |= {(read(home / "next" / MANIFEST) or manifest)["release"]}
    for release in Path(manifest["release"]).parent.iterdir():
        if str(release) not in needed:
            shutil.rmtree(release)


def packages_before(home: Path) -> list[str]:
    good = generation(home, "good")
    before, now = good.get("packages_were", ""), packages(good)
    return [] if before == now else before.split()


def before(home: Path) -> dict[str, Any]:
    good = read(home / "good" / MANIFEST)
    earlier = [old for number, old in history(home).items() if good and number < good["number"]]
    if not good or not earlier:
        return {"from": good["version"] if good else "", "to": None, "packages": ""}
    chosen = earlier[-1]
    missing = chosen["release"] and not Path(chosen["release"]).is_dir()
    return {
        "from": good["version"],
        "to": None if missing else chosen["version"],
        "number": chosen["number"],
        "packages": chosen["packages_were"],
    }


def back(home: Path) -> None:
    found = before(home)
    if found["to"] is None:
        raise Trouble(f"no release older than {found['from'] or 'the present one'} is kept on this host")
    source = f"history/{found['number']:04}"
    copy_generation(home, source, "next", generation(home, source))


# ---- Health checks


def secure(check: Manifest) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(TLS / "ca.crt"))
    # keepalived runs the check as `nobody`, who cannot read the key. A service that requires client certificates is
    # checked as root.
    with contextlib.suppress(OSError):
        context.load_cert_chain(TLS / "server.crt", TLS / "server.key")
    return context


def ask(check: Manifest) -> str:
    """The reason why the service is not healthy; empty if it is."""
    try:
        if check["type"] == "command":
            return ask_command(check["command"])
        if check["type"] == "http":
            return ask_http(check)
        return ask_tcp(check)
    except (OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
        return f"{error.__class__.__name__}: {error}"


def ask_command(command: list[str]) -> str:
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=5 * ASK_SECONDS
    )
    lines = done.stdout.strip().splitlines()
    return f"{command[0]} ended with {done.returncode}: {lines[-1] if lines else ''}" if done.returncode else ""


def connect(check: Manifest) -> socket.socket:
    connection = socket.create_connection((check["address"], check["port"]), timeout=ASK_SECONDS)
    if not check["tls"]:
        return connection
    try:
        return secure(check).wrap_socket(connection, server_hostname=check["tls_name"])
    except (OSError, ssl.SSLError):
        connection.close()
        raise


def ask_tcp(check: Manifest) -> str:
    """Sends what the check sends, and reads until the answer matches. With nothing to expect a connection is enough."""
    with connect(check) as connection:
        if not check.get("expect"):
            return ""
        pattern, got, end = re.compile(check["expect"].encode()), b"", time.monotonic() + ASK_SECONDS
        connection.sendall(bytes.fromhex(check["send_hex"]))
        while not pattern.search(got):
            connection.settimeout(max(0.001, end - time.monotonic()))
            try:
                more = connection.recv(ANSWER_BYTES)
            except TimeoutError:
                more = b""
            if not more or len(got) >= ANSWER_BYTES:
                return (
                    f"it answers {got[:80].decode(errors='replace')!r}, and nothing in it matches {check['expect']!r}"
                )
            got += more
    return ""


def ask_http(check: Manifest) -> str:
    with connect(check) as connection:
        head = (f"GET {check['path']} HTTP/1.1", f"Host: {check['tls_name']}", "User-Agent: tiers", "Connection: close")
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read(1 << 20).decode(errors="replace")
    if answer.status != check["status"]:
        return f"GET {check['path']} answers {answer.status} {answer.reason}, and {check['status']} is expected"
    if check["body"] and not re.search(check["body"], body):
        return f"GET {check['path']} answers {answer.status}, but nothing in it matches {check['body']!r}"
    return ""


def listeners(port: int) -> Iterator[tuple[str, int]]:
    """The processes that listen on a port."""
    for line in run("ss", "-Hltnp", f"sport = :{port}").splitlines():
        for name, pid in re.findall(r'\("([^"]*)",pid=(\d+)', line):
            yield name, int(pid)


def belongs(pid: int, unit: str) -> bool:
    try:
        return re.search(rf"/{re.escape(unit)}(/|$)", Path(f"/proc/{pid}/cgroup").read_text(), re.MULTILINE) is not None
    except OSError:
        return False


def wait(home: Path) -> None:
    manifest = read(home / PLACED)
    if manifest is None:
        raise Trouble("nothing is in place that could be asked")
    unit, check = manifest["unit"], manifest["check"]
    end = time.monotonic() + check["timeout"]
    restarts = int(run("systemctl", "show", "--value", "--property=NRestarts", unit).strip() or 0)
    while True:
        # An answer of another process does not count.
        strangers = [(name, pid) for name, pid in listeners(check["port"]) if not belongs(pid, unit)]
        ours = [pid for _name, pid in listeners(check["port"]) if belongs(pid, unit)]
        if strangers and not ours:
            name, pid = strangers[0]
            wrong = f"port {check['port']} is taken by another process: {name} (pid {pid})"
        else:
            wrong = ask(check) if run("systemctl", "is-active", unit).strip() == "active" else "it does not run"
        if not wrong:
            return
        ended = int(run("systemctl", "show", "--value", "--property=NRestarts", unit).strip() or 0) - restarts
        failed = run("systemctl", "is-failed", unit).strip() == "failed"
        if strangers and not ours and (ended or failed):
            raise Trouble(wrong)
        if failed or ended >= MOST_RESTARTS:
            raise Trouble(f"{unit} {'failed' if failed else f'ended {ended} times'} at start ({wrong})")
        if time.monotonic() >= end:
            raise Trouble(f"it was not well within {check['timeout']:g} s: {wrong}")
        time.sleep(0.5)


def main(arguments: list[str], home: Path = HOME) -> int:
    command, *rest = arguments or ["help"]
    try:
        if command == "compare":
            print(json.dumps(compare(home)))
        elif command == "place" and rest in (["next"], ["good"]):
            if place(home, rest[0]):
                print(f"{rest[0]} placed")
        elif command == "stamp":
            write(STAMP, present(generation_in_place(home)))
        elif command == "check":
            if wrong := ask(generation_in_place(home)["check"]):
                raise Trouble(wrong)
        elif command == "wait":
            wait(home)
        elif command == "keep":
            if keep(home):
                print("kept")
        elif command == "packages":
            print("\n".join(packages_before(home)))
        elif command == "before":
            print(json.dumps(before(home)))
        elif command == "back":
            back(home)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (Trouble, OSError, KeyError) as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


def generation_in_place(home: Path) -> Manifest:
    manifest = read(home / PLACED)
    if manifest is None:
        raise Trouble("nothing of the service is in place")
    return manifest


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
