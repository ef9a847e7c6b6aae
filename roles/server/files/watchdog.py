# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart a product that runs but has stopped answering, end sessions with servers that HAProxy marked down, and step
aside for the peer while this server cannot write.

    watchdog.py [SETTINGS]    runs until it is stopped; SETTINGS is /etc/tiers/watchdog.json

A running process proves nothing: a stopped or deadlocked one keeps its clients, because the kernel goes on accepting
and acknowledging for it. So each unit is asked in its own protocol. Any answer counts, an error too: whether the
product is healthy is judged elsewhere.

A unit is restarted only after it has answered since its start, so a product that starts or loads data is left alone.
A miss does not count when the program waited for a processor meanwhile: it is slow then. A stopped or deadlocked one
waits for none. Nor does it count when this program itself came too late.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/tiers/watchdog.json")
MISSES = 3
# Interval of this program's ticks and their maximum delay, in seconds. A later tick means that the whole host stalled.
TICK = 0.1
LATE = 2.0
# A check counts only if the threads of the program waited less than this for a processor, in seconds.
WAITED = 0.5
# LDAP message: an anonymous bind, version 3
LDAP_BIND = bytes.fromhex("300c020101600702010304008000")
# Seconds between two checks whether this server can write, and time limits for the answer of a peer and of a command
LOOK = 2.0
PEER_SECONDS = 2.0
COMMAND_SECONDS = 5.0
# systemd restarts this program if one of its threads stalls for this long (WatchdogSec of its unit).
STANDSTILL = 50.0

Settings = dict[str, Any]


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---- Checks


def ask(check: Settings, deadline: float) -> str:
    """The reason if a product does not answer within `deadline` seconds; empty for any answer."""
    try:
        if check["type"] == "command":
            ended, wrong = run_command(check["command"], deadline)
            return "" if ended else wrong
        return ask_socket(check, time.monotonic() + deadline)
    except TimeoutError:
        return f"no answer within {deadline:g} s"
    except OSError as error:
        return str(error)


def run_command(command: list[str], deadline: float) -> tuple[bool, str]:
    """Whether a command ended within `deadline` seconds, and what was wrong. One that does not end is killed."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as child:
        try:
            code = child.wait(deadline)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            return False, f"{command[0]} did not end within {deadline:g} s"
    return True, f"{command[0]} ended with {code}" if code else ""


def ask_socket(check: Settings, end: float) -> str:
    address = (check["address"], check["port"])
    with socket.create_connection(address, timeout=left(end)) as plain:
        connection = plain
        if check["tls"]:
            plain.settimeout(left(end))
            try:
                connection = unverified_tls().wrap_socket(plain)
            except TimeoutError:
                raise
            except ssl.SSLError:
                return ""  # A refused handshake is an answer of the program.
            except ConnectionError as error:
                return str(error)
            if check["type"] == "tcp" and not (check.get("send_hex") or check.get("expect")):
                connection.close()
                return ""
        with connection:
            connection.settimeout(left(end))
            connection.sendall(question(check))
            connection.settimeout(left(end))
            try:
                connection.recv(1)  # A closed connection is an answer, too: the kernel does not close it.
            except ssl.SSLError as error:
                if isinstance(error, TimeoutError):
                    raise
    return ""


@functools.cache
def unverified_tls() -> ssl.SSLContext:
    """TLS without a look at certificates: an expired one is no reason to restart."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def left(end: float) -> float:
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def question(check: Settings) -> bytes:
    if check["type"] == "ldap":
        return LDAP_BIND
    if check["type"] == "http":
        head = (
            f"GET {check['path']} HTTP/1.1",
            f"Host: {check['address']}",
            "User-Agent: tiers-watchdog",
            "Connection: close",
        )
        return "\r\n".join([*head, "", ""]).encode()
    return bytes.fromhex(check["send_hex"])  # Empty if the server sends first.


# ---- Decisions


@dataclass
class Watch:
    """Whether a unit must be restarted, by what its checks found one after the other."""

    invocation: str = ""
    answered: bool = False
    misses: int = 0

    def judge(self, invocation: str, wrong: str, starved: bool) -> bool:
        """`invocation`: systemd's number of the unit's present start, nothing while it does not run."""
        if invocation != self.invocation:
            self.invocation, self.answered, self.misses = invocation, False, 0
        if not wrong:
            self.answered, self.misses = True, 0
        elif self.answered and not starved:
            self.misses += 1
        if self.misses < MISSES:
            return False
        self.answered, self.misses = False, 0
        return True


@dataclass
class Pulse:
    """Ticks of this program: when one came late, the host was short of processor time."""

    clock: Callable[[], float] = time.monotonic
    last: float = 0.0
    late: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    def tick(self) -> None:
        now = self.clock()
        if self.last and now - self.last > TICK + LATE:
            self.late.append(now)
        self.last = now

    def starved(self, since: float) -> bool:
        return self.clock() - self.last > TICK + LATE or any(at >= since for at in self.late)

    def beat(self) -> None:
        while True:
            self.tick()
            time.sleep(TICK)


# ---- Units


def systemctl(*arguments: str) -> str:
    command = ["systemctl", *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired as error:
        log(str(error))
        return ""
    if done.returncode:
        log(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def running(unit: str) -> tuple[str, int]:
    """systemd's number of the unit's present start, nothing while it starts, stops, reloads or does not run; and the
    process id of its main process, 0 if there is none."""
    text = systemctl("show", "--property=ActiveState,InvocationID,MainPID", unit)
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return found.get("InvocationID", "") if found.get("ActiveState") == "active" else "", int(found.get("MainPID", 0))


def wait_of(task: Path) -> int:
    """Nanoseconds that a thread has waited for a processor since its start; 0 where the kernel does not count that."""
    try:
        return int((task / "schedstat").read_text().split()[1])
    except (OSError, ValueError):
        return 0


def waits(pid: int) -> dict[str, int]:
    """The same of each thread of a process and of its children."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError):  # The process may end at this moment.
        for task in Path(f"/proc/{pid}/task").iterdir():
            found[task.name] = wait_of(task)
            with contextlib.suppress(OSError, ValueError):
                for child in (task / "children").read_text().split():
                    found |= waits(int(child))
    return found


def waited(before: dict[str, int], after: dict[str, int]) -> float:
    """Seconds that all threads waited in between."""
    return sum(total - before.get(thread, 0) for thread, total in after.items()) / 1e9


def restart(unit: str) -> None:
    # A stopped or deadlocked process does not handle SIGTERM, and systemd would wait for it.
    systemctl("kill", "--signal=KILL", unit)
    systemctl("restart", "--no-block", unit)


def watch_unit(settings: Settings, watched: Settings, pulse: Pulse, alive: Callable[[], None]) -> None:
    unit, check = watched["unit"], watched["check"]
    # In the worst case the program stalls right after an answer and then misses its checks one by one.
    # A tenth of the time is reserved for the work between checks.
    interval = deadline = 0.9 * settings["within"] / (MISSES + 1)
    watch, myself = Watch(), Path("/proc/thread-self")
    while True:
        alive()
        began = time.monotonic()
        resting = any(Path(note).exists() for note in settings["resting"])
        invocation, pid = ("", 0) if resting else running(unit)
        before, mine = waits(pid) if invocation else {}, wait_of(myself)
        wrong = ask(check, deadline) if invocation else ""
        starved = False
        if wrong:
            seconds, late = waited(before, waits(pid)), (wait_of(myself) - mine) / 1e9
            starved = seconds > WAITED or late > deadline / 2 or pulse.starved(began)
            # The unit was stopped on purpose meanwhile.
            if running(unit)[0] != invocation:
                invocation = wrong = ""
        if wrong:
            why = (
                f". It waited {seconds:.1f} s for a processor, this watchdog {late:.1f} s: not counted"
                if starved
                else ""
            )
            log(f"{unit}: {wrong}{why}")
        if watch.judge(invocation, wrong, starved):
            log(f"{unit}: runs, but {MISSES} checks in a row had no answer. Killing and restarting it")
            restart(unit)
        time.sleep(max(0.0 if wrong else TICK, began + interval - time.monotonic()))


# ---- Sessions


def haproxy(path: str, command: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def dead_sessions(stat: str, after: float) -> list[tuple[str, str, int]]:
    """Servers that have been down for `after` seconds and still have sessions, where another one of the listener is up.

    Gives (listener, server, sessions). Sessions that were still looking for a server when this one was marked down have
    found another by then. If no server is up, all may only be slow, and no other server could take the sessions.
    """
    rows = list(csv.DictReader(stat.lstrip("# ").splitlines()))
    servers = [row for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")]
    serving = {row["pxname"] for row in servers if row["status"].startswith("UP")}
    return [
        (row["pxname"], row["svname"], int(row["scur"]))
        for row in servers
        if row["status"].startswith("DOWN")
        and row["pxname"] in serving
        and int(row["scur"] or 0)
        and int(row["lastchg"] or 0) >= after
    ]


def watch_sessions(balancer: Settings, pulse: Pulse, alive: Callable[[], None]) -> None:
    while True:
        alive()
        time.sleep(1)
        # HAProxy's checks are late, too, if the host lacks processor time.
        if pulse.starved(time.monotonic() - balancer["after"]):
            continue
        try:
            stat = haproxy(balancer["socket"], "show stat")
            for listener, server, sessions in dead_sessions(stat, balancer["after"]):
                haproxy(balancer["socket"], f"shutdown sessions server {listener}/{server}")
                log(f"{server}: marked down by HAProxy in {listener}. Ended {sessions} session(s) that were left")
        except OSError:
            continue  # HAProxy does not run; if it should, the check of its unit handles that


# ---- Stepping aside


def full(path: Path, limit: float, before: bool) -> str:
    """Why the file system of `path` takes no writes, or soon will: less than `limit` percent of it is free.

    If there was too little room `before`, it takes half as much again until the room suffices.
    """
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    found = os.statvfs(there)
    if found.f_flag & os.ST_RDONLY:
        return f"{path} is read-only"
    # Space that users other than root may use, like df.
    free = 100 * found.f_bavail / ((found.f_blocks - found.f_bfree + found.f_bavail) or 1)
    if free >= limit * (1.5 if before else 1):
        return ""
    return f"{free:.1f} % of the file system of {path} is free, the limit is {limit:g} %"


def unreached(stat: str, listener: str) -> str:
    """Why no write gets on from here: HAProxy has no server for the relay."""
    rows = csv.DictReader(stat.lstrip("# ").splitlines())
    down = any(
        row["pxname"] == listener and row["svname"] == "BACKEND" and row["status"].startswith("DOWN") for row in rows
    )
    return "it reaches no master" if down else ""


def may_write(answer: Any) -> bool:
    """Whether the peer said that it can take over. No answer, or another one, means no."""
    return isinstance(answer, dict) and answer.get("can_write") is True


@dataclass
class Aside:
    """Whether this server steps aside for its peer, from successive checks.

    A server that cannot write reports it to its peer at once. It steps aside `after` seconds later, only if the peer
    reports that it can write. So no two servers step aside for each other.
    """

    after: float
    aside: bool = False
    bad_since: float | None = None
    good_since: float | None = None
    alone_since: float | None = None

    def look(self, now: float, blocked: str, peer_can: bool) -> bool:
        self.bad_since = (now if self.bad_since is None else self.bad_since) if blocked else None
        self.good_since = None if blocked else (now if self.good_since is None else self.good_since)
        self.alone_since = None if peer_can else (now if self.alone_since is None else self.alone_since)
        if not self.aside:
            self.aside = peer_can and self.lasts(self.bad_since, now)
        elif self.lasts(self.good_since, now) or self.lasts(self.alone_since, now):
            self.aside = False
        return self.aside

    def lasts(self, since: float | None, now: float) -> bool:
        return since is not None and now - since >= self.after


class Gate:
    """The firewall that closes this server for all hosts except itself and its peer."""

    def __init__(self, settings: Settings) -> None:
        self.nft, self.rules, self.table = settings["nft"], settings["rules"], settings["table"]
        self.flag, self.note = Path(settings["flag"]), Path(settings["note"])

    def is_meant_shut(self) -> bool:
        return self.flag.exists()

    def is_shut(self) -> bool:
        """Another program may have flushed all tables."""
        command = [self.nft, "list", "table", "inet", self.table]
        return self.flag.exists() and (
            not self.rules or subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 0
        )

    def shut(self) -> None:
        self.flag.touch()
        if self.rules:
            subprocess.run([self.nft, "--file", self.rules], check=True, timeout=10)

    def open(self) -> None:
        if self.rules:
            # One transaction, whether the table exists or not
            text = f"table inet {self.table}\ndelete table inet {self.table}\n"
            subprocess.run([self.nft, "--file", "-"], input=text, text=True, check=True, timeout=10)
        self.flag.unlink(missing_ok=True)

    def write(self, note: str) -> None:
        """For `status`: why this server cannot write, and what follows."""
        if not note:
            self.note.unlink(missing_ok=True)
        elif not self.note.exists() or self.note.read_text(encoding="utf-8") != note:
            self.note.write_text(note, encoding="utf-8")


class Writing:
    """Whether this server can write, for its peer who asks."""

    can_write = False

    def takes_over(self, settings: Settings) -> bool:
        """Whether clients of the peer would be served here now: the product answers, and traffic is not stopped."""
        if not self.can_write:
            return False
        if not settings["rules"]:
            return True  # The failover agent starts the product before it accepts clients.
        command = [settings["nft"], "list", "table", "inet", settings["drain_table"]]
        drained = subprocess.run(command, check=False, capture_output=True, timeout=PEER_SECONDS).returncode == 0
        return not drained and not (settings["check"] and ask(settings["check"], PEER_SECONDS / 2))


def of_the_system(settings: Settings, purpose: ssl.Purpose) -> ssl.SSLContext:
    """TLS of both ends, by the certificates of the servers."""
    tls = Path(settings["tls"])
    context = ssl.create_default_context(purpose, cafile=str(tls / "ca.crt"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    return context


def ask_peer(settings: Settings) -> Any:
    peer = settings["peer"]
    context = of_the_system(settings, ssl.Purpose.SERVER_AUTH)
    with (
        socket.create_connection((peer["address"], settings["port"]), timeout=PEER_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=peer["tls_name"]) as connection,
    ):
        return json.loads(connection.recv(1000))


def report_to_peer(settings: Settings, writing: Writing, alive: Callable[[], None]) -> None:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(PEER_SECONDS)
            with contextlib.suppress(OSError):
                context = of_the_system(settings, ssl.Purpose.CLIENT_AUTH)
                with context.wrap_socket(self.request, server_side=True) as connection:
                    connection.sendall(json.dumps({"can_write": writing.takes_over(settings)}).encode())

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in settings["address"] else socket.AF_INET
        allow_reuse_address, daemon_threads = True, True

        def service_actions(self) -> None:
            alive()

    with Server((settings["address"], settings["port"]), Handler) as server:
        server.serve_forever()


def blocked(settings: Settings, before: bool) -> str:
    """Why this server cannot write; nothing if it can. `before`: it could not at the last check."""
    for path in settings["paths"]:
        if why := full(Path(path), settings["free_percent"], before):
            return why
    if settings["command"] and (why := run_command(settings["command"], COMMAND_SECONDS)[1]):
        return why
    if settings["relay"]:
        with contextlib.suppress(OSError):
            return unreached(haproxy(settings["socket"], "show stat"), settings["relay"])
    return ""


def watch_writing(
    settings: Settings, resting: list[str], writing: Writing, pulse: Pulse, alive: Callable[[], None]
) -> None:
    gate, peer = Gate(settings), settings["peer"].get("name", "")
    state = Aside(settings["after"], bool(peer) and gate.is_meant_shut())
    why = ""
    while True:
        alive()
        began = time.monotonic()
        out = any(Path(note).exists() for note in resting)
        why = blocked(settings, bool(why))
        writing.can_write = not (why or state.aside or out)
        peer_can, trouble = False, "no peer can take its place"
        if peer and (why or state.aside):
            try:
                peer_can = may_write(ask_peer(settings))
                trouble = f"{peer} says that it cannot write either"
            except (OSError, ValueError) as error:
                trouble = f"{peer} cannot be asked ({error})"
        before = state.aside
        # If a host lacks processor time, the answers of both nodes are late.
        if not pulse.starved(began):
            state.look(time.monotonic(), "" if out else why, peer_can)
        if state.aside != before:
            log(f"steps aside for {peer}: {why}" if state.aside else f"serves again: {why or 'it can write again'}")
        if state.aside and not gate.is_shut():
            gate.shut()
        elif not state.aside and gate.is_meant_shut():
            gate.open()
        then = f"it has stepped aside for {peer}" if state.aside else f"it serves, and writes may fail: {trouble}"
        if not state.aside and peer_can:
            then = f"it is about to step aside for {peer}"
        gate.write(f"cannot write: {why}; {then}" if why else "")
        time.sleep(max(TICK, began + LOOK - time.monotonic()))


# ---- Main program


def notify(text: str) -> None:
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(path.replace("@", "\0", 1) if path.startswith("@") else path)
            connection.sendall(text.encode())


def stamp(*paths: Path) -> list[tuple[int, int]]:
    return [(found.st_mtime_ns, found.st_ino) for found in map(Path.stat, paths)]


def end_with(failure: threading.ExceptHookArgs) -> None:
    """A thread that ends takes the program with it, and systemd starts it again."""
    threading.__excepthook__(failure)
    os._exit(1)


def main(path: Path = SETTINGS) -> None:
    program = Path(__file__)
    began_with = stamp(program, path)
    settings: Settings = json.loads(path.read_text(encoding="utf-8"))
    pulse = Pulse()
    last: dict[str, float] = {}
    threading.excepthook = end_with

    def begin(name: str, target: Callable[..., None], *arguments: Any) -> None:
        def alive() -> None:
            last[name] = time.monotonic()

        alive()
        threading.Thread(target=target, args=(*arguments, alive), name=name, daemon=True).start()

    threading.Thread(target=pulse.beat, daemon=True).start()
    for watched in settings["units"] if settings["within"] else ():
        begin(watched["unit"], watch_unit, settings, watched, pulse)
    if settings["balancer"]:
        begin("sessions", watch_sessions, settings["balancer"], pulse)
    about = settings["writing"]
    writing, gate = Writing(), Gate(about)
    if about["peer"]:
        begin("peer", report_to_peer, about, writing)
    elif gate.is_meant_shut():
        gate.open()  # The peer was removed from the plan.
    if about["peer"] or about["paths"] or about["command"]:
        begin("writing", watch_writing, about, settings["resting"], writing, pulse)
    else:
        gate.write("")  # An earlier program may have left a note.
    notify("READY=1")
    while True:
        time.sleep(1)
        if min(last.values(), default=time.monotonic()) > time.monotonic() - STANDSTILL:
            notify("WATCHDOG=1")
        # Runs the installed program and settings, even if the run that wrote them was interrupted.
        with contextlib.suppress(FileNotFoundError):
            if stamp(program, path) != began_with:
                json.loads(path.read_text(encoding="utf-8"))
                os.execv(sys.executable, [sys.executable, str(program), str(path)])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
