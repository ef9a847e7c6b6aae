# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Play a random history of writes on both sides of a network split against five slapds, and account for each of them.

Runs in a container that has slapd and python-ldap. The configuration of each server lies below /lab (see render.yml).
Two masters (m1, m2) replicate to each other. Three replicas (px-a, px-b, p1) follow a master each through a relay.
During the split m1 and m2 do not reach each other, and px-b follows m2. Clients write on both sides all the time.

Prints one JSON object: what was acknowledged, what is missing on which server, which servers differ from m1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import select
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ldap
import ldap.modlist

LAB = Path("/lab")
SUFFIX = "dc=example,dc=org"
PEOPLE = f"ou=people,{SUFFIX}"
MASTERS = {"m1": 7001, "m2": 7002}
REPLICAS = {"px-a": 7003, "px-b": 7004, "p1": 7005}
SERVERS = {**MASTERS, **REPLICAS}
LOG = os.environ.get("SLAPD_LOG", "none")
SLACK = 0.5  # seconds
UPSTREAM = 1000  # the relay of a server listens this much above its own port


class Relay(threading.Thread):
    """A link between two servers that can be cut, and led to another server."""

    def __init__(self, port: int, target: str | None) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=50)
        self.start()

    def lead_to(self, target: str | None, cut: bool = True) -> None:
        """Sends new connections to that server (None: to nobody); those that stand end, or stay, as behind HAProxy."""
        with self.lock:
            self.target = target
            for pair in self.pairs if cut else ():
                for end in pair:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
            if cut:
                self.pairs.clear()

    def run(self) -> None:
        while True:
            near, _peer = self.listener.accept()
            with self.lock:
                try:
                    if self.target is None:
                        raise OSError
                    far = socket.create_connection(("127.0.0.1", SERVERS[self.target]), timeout=2)
                    far.settimeout(None)
                except OSError:
                    near.close()
                    continue
                self.pairs.append((near, far))
            threading.Thread(target=self.copy, args=(near, far), daemon=True).start()

    @staticmethod
    def copy(near: socket.socket, far: socket.socket) -> None:
        try:
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    (far if ready is near else near).sendall(data)
        except OSError:
            return
        finally:
            near.close()
            far.close()


class Server:
    def __init__(self, name: str) -> None:
        self.name = name
        self.path = LAB / name
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return "ldapi://" + str(self.path / "ldapi").replace("/", "%2F")

    def start(self) -> None:
        """Start slapd as its unit does, and wait until it answers."""
        subprocess.run([self.path / "openldap-prepare"], check=True)
        chosen = self.path / "options"
        options = shlex.split(chosen.read_text().partition("=")[2])[0].split() if chosen.exists() else []
        # Not the account of slapd as packaged: the driver is root in the container, and root is the directory's root.
        self.process = subprocess.Popen(
            [
                "/usr/sbin/slapd",
                "-d",
                LOG,
                "-F",
                str(self.path / "config"),
                "-h",
                f"ldaps://127.0.0.1:{SERVERS[self.name]}/ {self.uri}",
                *options,
            ],
            stderr=(self.path / "log").open("ab"),
        )
        until = time.monotonic() + 30
        while True:
            try:
                self.connect().unbind_s()
                (self.path / "data" / "clean").unlink(missing_ok=True)
                return
            except ldap.SERVER_DOWN:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"{self.name} does not start: {(self.path / 'log').read_text()[-2000:]}")
                time.sleep(0.1)

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(30)
        (self.path / "data" / "clean").touch()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(30)

    def connect(self) -> Any:
        connection = ldap.initialize(self.uri)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 5)
        connection.set_option(ldap.OPT_TIMEOUT, 20)
        connection.sasl_non_interactive_bind_s("EXTERNAL")
        return connection

    def csns(self) -> list[bytes]:
        try:
            connection = self.connect()
            found = connection.search_s(SUFFIX, ldap.SCOPE_BASE, attrlist=["contextCSN"])
            connection.unbind_s()
            return sorted(found[0][1].get("contextCSN", []))
        except ldap.LDAPError:
            return []

    def entries(self) -> dict[str, dict[str, Any]]:
        found = self.connect().search_s(SUFFIX, ldap.SCOPE_SUBTREE, attrlist=["*", "entryUUID", "entryCSN"])
        return {
            attributes["entryUUID"][0].decode(): {"dn": dn.lower()} | {k: sorted(v) for k, v in attributes.items()}
            for dn, attributes in found
        }


class Book:
    """Every acknowledged write, in the order of acknowledgement."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writes: list[dict[str, Any]] = []
        self.refused: Counter[str] = Counter()
        self.phase = "before"

    def note(self, **write: Any) -> None:
        with self.lock:
            self.writes.append(write | {"at": time.time(), "phase": self.phase})


class Writer(threading.Thread):
    """A client that adds, modifies, deletes and renames at one server, some tens of times a second."""

    def __init__(self, side: str, server: Server, book: Book, options: argparse.Namespace) -> None:
        super().__init__(daemon=True)
        self.side, self.server, self.book, self.options = side, server, book, options
        self.chance = random.Random(f"{options.seed} {side}")
        self.own: dict[str, str] = {}  # identity → dn as this client knows it
        self.number = 0
        self.ended = threading.Event()
        self.connection: Any = None

    def move(self, server: Server) -> None:
        self.server, self.connection = server, None

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                if self.connection is None:
                    self.connection = self.server.connect()
                self.write()
            except ldap.LDAPError as error:
                self.book.refused[f"{self.side} {type(error).__name__}"] += 1
                if isinstance(error, (ldap.SERVER_DOWN, ldap.TIMEOUT)):
                    self.connection = None
                    time.sleep(0.3)
            time.sleep(self.chance.expovariate(self.options.rate / 2))

    def find(self, identity: str) -> str | None:
        """The place of an entry that both sides write, as this side sees it."""
        found = self.connection.search_s(PEOPLE, ldap.SCOPE_SUBTREE, f"(employeeNumber={identity})", ["1.1"])
        return found[0][0] if found else None

    def write(self) -> None:
        connection, draw = self.connection, self.chance.random()
        self.number += 1
        token = f"{self.side}-{self.number}"
        if draw < 0.45 or len(self.own) < 5:
            dn = f"uid={token},{PEOPLE}"
            entry = {
                "objectClass": [b"inetOrgPerson"], "uid": [token.encode()], "cn": [token.encode()], "sn": [b"x"],
                "employeeNumber": [token.encode()],
            }  # fmt: skip
            connection.add_s(dn, ldap.modlist.addModlist(entry))
            self.own[token] = dn
            self.book.note(op="add", side=self.side, id=token, server=self.server.name)
            return
        if self.chance.random() < self.options.trees:
            self.write_tree(token.encode())
            return
        shared = self.chance.random() < self.options.conflicts
        identity = f"s-{self.chance.randrange(self.options.shared)}" if shared else self.chance.choice(sorted(self.own))
        dn = self.find(identity) if shared else self.own[identity]
        if dn is None:
            return
        note = {"side": self.side, "id": identity, "shared": shared, "server": self.server.name}
        if draw < 0.65:
            connection.modify_s(dn, [(ldap.MOD_ADD, "description", [token.encode()])])
            self.book.note(op="describe", value=token, **note)
        elif draw < 0.75:
            connection.modify_s(dn, [(ldap.MOD_REPLACE, "title", [token.encode()])])
            self.book.note(op="title", value=token, **note)
        elif draw < 0.87:
            connection.delete_s(dn)
            self.own.pop(identity, None)
            self.book.note(op="delete", **note)
        else:
            connection.rename_s(dn, f"uid={token}", delold=1)
            if not shared:
                self.own[identity] = f"uid={token},{PEOPLE}"
            self.book.note(op="rename", value=token, **note)

    def write_tree(self, token: bytes) -> None:
        """Make or delete an entry of a subtree that the other side makes and deletes, too."""
        parent = f"ou=team-{self.chance.randrange(6)},{PEOPLE}"
        child = f"uid=c-{self.chance.randrange(3)},{parent}"
        kind = self.chance.random()
        with contextlib.suppress(ldap.NO_SUCH_OBJECT, ldap.ALREADY_EXISTS, ldap.NOT_ALLOWED_ON_NONLEAF):
            if kind < 0.2:
                self.connection.delete_s(parent)
            elif kind < 0.4:
                self.connection.add_s(parent, [("objectClass", [b"organizationalUnit"])])
            elif kind < 0.7:
                entry = [("objectClass", [b"inetOrgPerson"]), ("cn", [token]), ("sn", [b"x"])]
                self.connection.add_s(child, entry)
            else:
                self.connection.delete_s(child)


def is_contradicted(write: dict[str, Any], later: list[dict[str, Any]]) -> bool:
    """Whether slapd may drop this write: the other master took a later write of the same entry after the split began.

    Replication carries whole entries: where both masters changed one, the newest version stands. The masters order
    writes by the time they took them, a client by the acknowledgement: within SLACK seconds either may be later.
    """
    return write["phase"] != "before" and any(
        other["server"] != write["server"] and other["phase"] != "before" and other["at"] > write["at"] - SLACK
        for other in later
    )


def is_deleted_while_merging(those: list[dict[str, Any]]) -> bool:
    """Whether an entry was deleted while the masters met again. Such a deletion may be undone (docs/products.md)."""
    return any(write["op"] == "delete" and write["phase"] == "merging" for write in those)


def account(book: Book, entries: dict[str, dict[str, Any]]) -> list[str]:
    """Which acknowledged writes a server lacks, of those that no later write contradicts."""
    by_id = {e["employeeNumber"][0].decode(): e for e in entries.values() if "employeeNumber" in e}
    writes: dict[str, list[dict[str, Any]]] = {}
    for write in book.writes:
        writes.setdefault(write["id"], []).append(write)
    missing: list[dict[str, Any]] = []

    for identity, those in writes.items():
        entry = by_id.get(identity)
        deletes = [write for write in those if write["op"] == "delete"]
        if is_deleted_while_merging(those):
            continue
        if deletes:
            # An entry that was deleted on one side and changed on the other may stay.
            changed_at = {write["server"] for write in those if write["phase"] != "before" and write["op"] != "delete"}
            if entry is not None and not any(changed_at - {delete["server"]} for delete in deletes):
                missing.append(deletes[0])
        elif entry is None:
            missing.append(those[0])
        else:
            missing += lacking(entry, those)
    return [f"{w['op']} {w['id']} {w.get('value', '')} ({w['server']}, {w['phase']}, {w['at']:.2f})" for w in missing]


def lacking(entry: dict[str, Any], those: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Changes that cannot be seen in the entry."""
    for write in those:
        described = write["op"] != "describe" or write["value"].encode() in entry.get("description", [])
        if not described and not is_contradicted(write, those):
            yield write
    for op, attribute in (("title", "title"), ("rename", "uid")):
        last = next((write for write in reversed(those) if write["op"] == op), None)
        if last and not is_contradicted(last, those):
            near = {w["value"].encode() for w in those if w["op"] == op and w["at"] > last["at"] - SLACK}
            if not near & set(entry.get(attribute, [])):
                yield last


def wait_until_in_step(servers: Iterable[Server], seconds: float) -> bool:
    """Whether all servers have come to one position, and stayed there for four seconds."""
    until, since, last = time.monotonic() + seconds, time.monotonic(), None
    while time.monotonic() < until:
        now = [server.csns() for server in servers]
        if now != last or not now[0] or any(csns != now[0] for csns in now):
            since, last = time.monotonic(), now
        elif time.monotonic() - since > 4:
            return True
        time.sleep(0.4)
    return False


def begin(servers: dict[str, Server], options: argparse.Namespace) -> None:
    servers["m1"].start()
    connection = servers["m1"].connect()

    def add(dn: str, **attributes: Any) -> None:
        connection.add_s(
            dn, [(k, [v.encode()] if isinstance(v, str) else [x.encode() for x in v]) for k, v in attributes.items()]
        )

    add(SUFFIX, objectClass=["top", "dcObject", "organization"], dc="example", o="example")
    for dn in (PEOPLE, f"ou=tiers,{SUFFIX}", f"ou=crashes,ou=tiers,{SUFFIX}", f"ou=servers,ou=tiers,{SUFFIX}"):
        add(dn, objectClass="organizationalUnit", ou=dn.partition(",")[0][3:])
    for name in SERVERS:
        add(f"cn={name},ou=servers,ou=tiers,{SUFFIX}", objectClass="device", cn=name)
    for number in range(options.shared):
        token = f"s-{number}"
        add(f"uid={token},{PEOPLE}", objectClass="inetOrgPerson", uid=token, cn=token, sn="x", employeeNumber=token)
    servers["m2"].start()
    if not wait_until_in_step([servers["m1"], servers["m2"]], 60):
        sys.exit("the masters do not replicate: " + (LAB / "m2" / "log").read_text()[-2000:])
    # Masters must know each other's position before the first split. The role has each write once (check.yml).
    connection = servers["m2"].connect()
    add(f"cn=m2,ou=crashes,ou=tiers,{SUFFIX}", objectClass="device", cn="m2")
    for name in REPLICAS:
        servers[name].start()


def clean_up(name: str) -> None:
    """Give a server an empty directory, as after an orderly stop."""
    path = LAB / name
    for made in ("data", "config"):
        shutil.rmtree(path / made, ignore_errors=True)
    for made in ("log", "options"):
        (path / made).unlink(missing_ok=True)
    (path / "data").mkdir()
    (path / "data" / "clean").touch()


def split_and_heal(chance: random.Random, options: argparse.Namespace, book: Book, servers: dict[str, Server]) -> None:
    """Have two clients write before, during and after a split; they are gone when this returns."""
    relays = {"m1": Relay(MASTERS["m1"] + UPSTREAM, "m2"), "m2": Relay(MASTERS["m2"] + UPSTREAM, "m1")}
    relays |= {name: Relay(port + UPSTREAM, "m1") for name, port in REPLICAS.items()}
    begin(servers, options)
    if not wait_until_in_step(servers.values(), 60):
        sys.exit("a replica is not in step at the beginning")
    writers = [Writer(side, servers["m1"], book, options) for side in ("a", "b")]
    for writer in writers:
        writer.start()
    time.sleep(chance.uniform(2, 4))

    book.phase = "split"
    relays["m1"].lead_to(None)
    relays["m2"].lead_to(None)
    relays["px-b"].lead_to("m2")
    writers[1].move(servers["m2"])
    time.sleep(chance.uniform(0.6, 1) * options.split)

    book.phase = "merging"
    links = [("m1", "m2"), ("m2", "m1"), ("px-b", "m1")]
    chance.shuffle(links)
    for name, target in links:
        # HAProxy keeps the session of px-b with m2, which has not failed.
        relays[name].lead_to(target, cut=name != "px-b" or options.leave)
        time.sleep(chance.uniform(0, 1.5))
    time.sleep(chance.uniform(0, 3))
    writers[1].move(servers["m1"])
    time.sleep(4)
    for writer in writers:
        writer.ended.set()
        writer.join()


def compare(book: Book, contents: dict[str, dict[str, Any]]) -> tuple[dict[str, list[str]], int]:
    """Entries by which a server differs from m1, with their writes; and how many deletions were undone in merging."""
    first, found, undone = contents["m1"], {}, set()
    for name, entries in contents.items():
        for uuid in first.keys() | entries.keys():
            entry = first.get(uuid) or entries[uuid]
            identity = entry.get("employeeNumber", [b""])[0].decode()
            writes = [write for write in book.writes if write["id"] == identity]
            if is_deleted_while_merging(writes):
                undone.add(identity)
            elif first.get(uuid) != entries.get(uuid):
                what = "lacks" if uuid not in entries else "has more" if uuid not in first else "has otherwise"
                seen = [f"{write['op']} {write['server']} {write['phase']} {write['at']:.3f}" for write in writes]
                found.setdefault(name, []).append(f"{what} {identity}: {', '.join(seen)}")
    return found, len(undone)


def play(options: argparse.Namespace) -> dict[str, Any]:
    for name in SERVERS:
        clean_up(name)
    servers = {name: Server(name) for name in SERVERS}
    book = Book()
    try:
        split_and_heal(random.Random(options.seed), options, book, servers)
        in_step = wait_until_in_step(servers.values(), options.patience)
        if options.leave:
            servers["px-b"].stop()
            servers["px-b"].start()
            time.sleep(2)
            in_step = wait_until_in_step(servers.values(), options.patience)
        contents = {name: server.entries() for name, server in servers.items()}
        differ, undone = compare(book, contents)
        missing = {name: account(book, entries) for name, entries in contents.items()}
        return {
            "seed": options.seed,
            "acknowledged": len(book.writes),
            "operations": Counter(write["op"] for write in book.writes),
            "refused": book.refused,
            "in_step": in_step,
            "missing": {name: writes for name, writes in missing.items() if writes},
            "differ": differ,
            "undone_deletions": undone,
        }
    finally:
        for server in servers.values():
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--rate", type=float, default=60, help="writes a second, both sides together")
    parser.add_argument("--split", type=float, default=10, help="longest split in seconds")
    parser.add_argument("--shared", type=int, default=100, help="entries that both sides write")
    parser.add_argument("--conflicts", type=float, default=0.0, help="share of changes that go to such entries")
    parser.add_argument(
        "--trees", type=float, default=0.0, help="share of writes to subtrees that both sides make and delete"
    )
    parser.add_argument(
        "--leave", action="store_true", help="px-b leaves m2 while m1 is behind, and is restarted at the end"
    )
    parser.add_argument("--patience", type=float, default=60, help="seconds until all servers must be in step")
    print(json.dumps(play(parser.parse_args())), flush=True)
    os._exit(0)  # relays still wait for connections


if __name__ == "__main__":
    main()
