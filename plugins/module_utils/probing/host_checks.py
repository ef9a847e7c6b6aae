# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the host besides its service: firewall, names, certificates, disks, clock, services of others. Answers are
lists of reasons, empty if all is well; `look_at` and `read` read the host, `compare` and `judge` decide."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import ipaddress
import json
import math
import os
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from ansible_collections.distributed.tiers.plugins.module_utils.probing import sockets
from ansible_collections.distributed.tiers.plugins.module_utils.probing.faults import UNIT
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import Unavailable
from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.command import execute
from ansible_collections.distributed.tiers.plugins.module_utils.probing.traffic import FAILOVER

try:
    from cryptography import x509
except ImportError:
    x509 = None  # type: ignore[assignment]

# Written by role host. `loaded` is what nft listed just after it had loaded the file, below the file's checksum.
FIREWALL = Path("/etc/tiers/firewall.nft")
LOADED = Path("/run/tiers-firewall.loaded")
# A line of it, before the edges of the former plan that a deployment has not closed yet
FORMER_EDGES = "        # edges of the former plan\n"
# The same, before the edges of named clients that the last complete deployment left open until the next one
NAMED_EDGES = "        # edges of named clients of the former plan, until the next deployment\n"
NAMES = Path("/etc/tiers/hosts")
CERTIFICATE = Path("/etc/tiers/tls/server.crt")
AUTHORITY = Path("/etc/tiers/tls/ca.crt")
# The common name of a CA that role host created, before the name of its system
CA_NAME = "CA of "
# The unit of a fault. systemd removes the file when the fault has ended.
FAULT = Path("/run/systemd/transient") / UNIT
# Settings that only a deployment changes, and the checksum of each as the last one left it.
SETTINGS = (
    "/etc/tiers/*",
    "/etc/tiers/failover.d/*",
    "/etc/tiers/lease/*.py",
    "/etc/tiers/arbiter/*",
    "/etc/systemd/system/etcd.service",
    "/etc/haproxy/haproxy.cfg",
    "/etc/keepalived/keepalived.conf",
    "/etc/systemd/system/keepalived.service.d/*.conf",
    "/etc/systemd/system/tiers-*",
    "/etc/tiers-monitoring/*",
)
DEPLOYED_FILES = Path("/var/lib/tiers/deployed-files.json")
# There from the moment in which `restore` stops this server until all servers have the restored data.
RESTORING = Path("/var/lib/tiers/restoring")
# A table that shuts this host, and the note of the watchdog that has loaded it.
ASIDE_TABLE = "tiers_aside"
ASIDE_NOTE = Path("/run/tiers/aside")
# In files of other packages that a deployment replaces.
MARKER = "Written by the Ansible collection distributed.tiers."

# As the unit of the firewall lists it. By number: a package may bring names for protocols later.
_LIST_TABLE = ["/usr/sbin/nft", "--stateless", "--numeric", "list", "table", "inet", "tiers"]
# So many things of one kind are named, the rest is counted.
_NAMED = 3
_DAY = 86400
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
# Protocols in which a service shows its certificate before it is asked anything.
_TLS = ("ldaps", "https", "tls")
# Units of programs that keep a clock right, the names of one program together.
TIME_PROGRAMS = (
    ("chrony", "chronyd"),
    ("systemd-timesyncd", "timesyncd"),
    ("ntp", "ntpd"),
    ("ntpsec",),
    ("openntpd",),
)
TIME_SERVICES = tuple(unit for units in TIME_PROGRAMS for unit in units)


def compare_firewall(checksum: str, loaded: str, listing: str | None) -> list[str]:
    """Why the table in the kernel is not what the file says. `checksum`: of the file now; `loaded`: the record
    made when it was loaded; `listing`: the table now, None if there is none."""
    if listing is None:
        return ["the table `inet tiers` is not loaded, every port of this host is open. Run deploy"]
    recorded, _newline, rules = loaded.partition("\n")
    if not recorded:
        return [f"there is no record of how {FIREWALL} was loaded, so it cannot be compared. Run deploy"]
    if recorded.split()[0] != checksum:
        return [f"{FIREWALL} has changed since it was loaded. Run deploy"]
    before, now = (Counter(filter(None, map(str.strip, text.splitlines()))) for text in (rules, listing))
    reasons = []
    for lines, what in ((before - now, "missing from"), (now - before, "added to")):
        if lines:
            reasons.append(f"{what} the table `inet tiers`: {_some([*lines.elements()])}")
    if not reasons and rules.split() != listing.split():
        reasons.append("the rules of the table `inet tiers` are in another order")
    return [f"{'; '.join(reasons)}. Run deploy"] if reasons else []


def check_firewall(timeout: float) -> list[str]:
    """Why the loaded firewall is not the one that was deployed."""
    if not FIREWALL.exists():
        return [f"{FIREWALL} is missing. Run deploy"]
    try:
        code, listing, _errors = execute(_LIST_TABLE, os.environ, timeout)
    except Unavailable as error:
        return [str(error)]
    checksum = hashlib.sha256(FIREWALL.read_bytes()).hexdigest()
    loaded = LOADED.read_text(encoding="utf-8") if LOADED.exists() else ""
    return compare_firewall(checksum, loaded, listing if code == 0 else None)


def check_former_edges() -> list[str]:
    """A reason if edges of the former plan are open, for clients that the last deployment did not configure."""
    rules = FIREWALL.read_text(encoding="utf-8") if FIREWALL.exists() else ""
    if FORMER_EDGES in rules:
        return ["ports of the former plan are open: the last deployment left out hosts or was interrupted. Run deploy"]
    if NAMED_EDGES in rules:
        return ["ports of the former plan are open to named clients. Distribute their new endpoints, then run deploy"]
    return []


def check_aside(timeout: float) -> list[str]:
    """A reason if a table refuses clients of this host although its watchdog does not step aside."""
    if ASIDE_NOTE.exists():
        return []
    try:
        code, _listing, _errors = execute([_LIST_TABLE[0], "list", "table", "inet", ASIDE_TABLE], os.environ, timeout)
    except Unavailable as error:
        return [str(error)]
    if code:
        return []
    return [
        f"the table `inet {ASIDE_TABLE}` refuses all clients, and the watchdog has not stepped aside:"
        f" nft delete table inet {ASIDE_TABLE}"
    ]


def read_checksums(patterns: Iterable[str]) -> dict[str, str]:
    """The checksum of each file that a pattern matches, by its path."""
    paths = {Path(path) for pattern in patterns for path in glob.glob(pattern)}
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths) if path.is_file()}


def compare_files(deployed: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Which files are not as a deployment left them."""
    changed = sorted(path for path, checksum in now.items() if deployed.get(path, checksum) != checksum)
    kinds = (
        (changed, "changed"),
        (sorted(set(deployed) - set(now)), "removed"),
        (sorted(set(now) - set(deployed)), "added"),
    )
    return [f"{what} since the last deployment: {_some(paths)}. Run deploy" for paths, what in kinds if paths]


def check_files() -> list[str]:
    """Which settings of this host were changed since its deployment, by hand or by an interrupted run."""
    try:
        deployed = json.loads(DEPLOYED_FILES.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [f"there is no record of the deployed files ({DEPLOYED_FILES}). Run deploy"]
    return compare_files(deployed, read_checksums([*SETTINGS, *deployed]))


def compare_listeners(listeners: Iterable[sockets.Listener], let_in: Collection[int]) -> list[str]:
    """The ports of other services that the planned firewall would close. `let_in`: the ports that stay open to
    everyone."""
    programs: dict[int, list[str]] = {}
    for one in listeners:
        if one.port not in let_in:
            programs.setdefault(one.port, []).append(one.program or "another program")
    return [f"{' and '.join(dict.fromkeys(names))} listens on TCP port {port}" for port, names in programs.items()]


def compare_file(path: str, text: str, pattern: str) -> list[str]:
    """The lines of another service's file that match `pattern`, as a reason; empty for a file of this collection."""
    if MARKER in text:
        return []
    found = [" ".join(match.split()) for match in re.findall(pattern, text, re.MULTILINE)]
    return [f"{path} has {_some(found)}"] if found else []


def check_other_services(let_in: Collection[int] | None, files: Mapping[str, str]) -> list[str]:
    """Services of others that a deployment would end: by a firewall that was never loaded here, by a file that it
    replaces. `let_in`: the ports that the firewall leaves open, None without a firewall; `files`: by path, the
    pattern of what it serves."""
    compares = let_in is not None and not FIREWALL.exists()
    reasons = compare_listeners(sockets.read_listeners(), let_in or ()) if compares else []
    for path, pattern in files.items():
        if os.path.exists(path):
            reasons += compare_file(path, Path(path).read_text(encoding="utf-8", errors="replace"), pattern)
    return reasons


def given_names(text: str) -> list[tuple[str, str]]:
    """(name, address) of each line of a hosts file, the line's first name only."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [(words[1], words[0]) for words in lines if len(words) > 1]


def compare_name(name: str, planned: str, found: Sequence[str]) -> list[str]:
    """Why a name does not lead to the planned address. A host's own name may lead to its loopback as well."""
    if not found:
        return [f"{name} does not resolve, planned is {planned}"]
    others = [address for address in found if address != planned and not ipaddress.ip_address(address).is_loopback]
    if planned in found and not others:
        return []
    return [f"{name} resolves to {', '.join(dict.fromkeys(found))}, planned is {planned}"]


def check_names(timeout: float) -> list[str]:
    """Which of the names that this host was given do not resolve to the planned addresses, by its own resolver."""
    if not NAMES.exists():
        return [f"{NAMES} is missing. Run deploy"]
    given = given_names(NAMES.read_text(encoding="utf-8"))

    def check(one: tuple[str, str]) -> list[str]:
        name, planned = one
        database = "ahostsv6" if ":" in planned else "ahostsv4"
        try:
            _code, output, _errors = execute(["getent", database, name], os.environ, timeout)
        except Unavailable as error:
            return [f"{name}: {error}"]
        return compare_name(name, planned, [line.split()[0] for line in output.splitlines()])

    with ThreadPoolExecutor(max_workers=8) as pool:
        reasons = [reason for found in pool.map(check, given) for reason in found]
    return [f"{_some(reasons, '; ')}. Run deploy"] if reasons else []


def _some(things: Iterable[str], between: str = ", ") -> str:
    listed = list(things)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return between.join(listed[:_NAMED]) + more


@dataclass(frozen=True)
class Certificate:
    """One certificate: its subject, the end of its validity in seconds since 1970, and a digest that identifies it."""

    subject: str
    ends: float
    fingerprint: str

    def left(self, now: float) -> str:
        """How long it is still good, in words."""
        days = math.floor(abs(self.ends - now) / _DAY)
        amount = f"{days} day{'' if days == 1 else 's'}"
        return f"expired {amount} ago" if self.ends <= now else f"expires in {amount}"


def read_certificates(pem: str) -> list[Certificate]:
    """The certificates in a PEM file, in its order."""
    return [_certificate(ssl.PEM_cert_to_DER_cert(block)) for block in _PEM.findall(pem)]


def _certificate(der: bytes) -> Certificate:
    loaded = x509.load_der_x509_certificate(der)
    # Debian 12 has an older cryptography, in which times have no zone.
    ends = getattr(loaded, "not_valid_after_utc", None) or loaded.not_valid_after.replace(tzinfo=UTC)
    return Certificate(loaded.subject.rfc4514_string(), ends.timestamp(), hashlib.sha256(der).hexdigest())


def judge_certificates(
    files: Mapping[str, Sequence[Certificate]], served: Mapping[int, Certificate], now: float, alert_days: float
) -> list[str]:
    """Which certificates have expired, will soon, or were renewed and not loaded. `files`: by path, the host's own
    certificate first in its file; `served`: by port."""
    reasons = []
    limit = f"tiers_certificate_alert: {alert_days:g} days"
    own = next((found[0] for path, found in files.items() if path == str(CERTIFICATE) and found), None)
    for path, found in files.items():
        if not found:
            reasons.append(f"{path} holds no certificate. Run deploy")
        for one in found:
            if one.ends <= now + alert_days * _DAY:
                reasons.append(f"{path} ({one.subject}) {one.left(now)} ({limit})")
    # Role host creates CAs of this name. Operators may trust several CAs of their own.
    authorities = [one for one in files.get(str(AUTHORITY), ()) if f"CN={CA_NAME}" in one.subject]
    if len(authorities) > 1:
        reasons.append(
            f"{AUTHORITY} holds {len(authorities)} CAs of this system: a rotation runs, or was interrupted. "
            "Run rotate_certificates, which completes it"
        )
    for port, one in served.items():
        if own and one.subject == own.subject and one.fingerprint != own.fingerprint:
            reasons.append(
                f"port {port} serves a certificate that {one.left(now)}, {CERTIFICATE} is another. Run deploy"
            )
        elif one.ends <= now + alert_days * _DAY and (not own or one.fingerprint != own.fingerprint):
            reasons.append(f"port {port} serves a certificate ({one.subject}) that {one.left(now)} ({limit})")
    return reasons


def check_certificates(
    address: str, port: int, protocol: str, alert_days: float, timeout: float, request: bytes = b""
) -> list[str]:
    """The faults of the certificates on this host and of the one that its service presents. `timeout` in seconds;
    `request`: what the service expects before it speaks TLS."""
    if x509 is None:
        return ["python3-cryptography is missing on this host, so no certificate can be read. Run deploy"]
    files, reasons = {}, []
    for path in (CERTIFICATE, AUTHORITY):
        try:
            files[str(path)] = read_certificates(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reasons.append(f"{path} cannot be read: {error}. Run deploy")
    served = {}
    if (request or protocol in _TLS) and (der := _served(address, port, timeout, request)):
        served[port] = _certificate(der)
    return reasons + judge_certificates(files, served, time.time(), alert_days)


def read_validity(now: float) -> list[dict[str, str | float]]:
    """The certificates in the files of this host, and the days for which each is valid: negative if it has expired.
    `check_certificates` reports a file that cannot be read."""
    found: list[dict[str, str | float]] = []
    for path in (CERTIFICATE, AUTHORITY) if x509 else ():
        with contextlib.suppress(OSError, ValueError):
            found += [
                {"path": str(path), "subject": one.subject, "days": round((one.ends - now) / _DAY, 1)}
                for one in read_certificates(path.read_text(encoding="utf-8"))
            ]
    return found


def _served(address: str, port: int, timeout: float, request: bytes) -> bytes | None:
    """The certificate that a service shows, good or not. None: it shows none, which its probes report."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((address, port), timeout) as plain:
            if request:
                plain.sendall(request)
                plain.recv(1024)  # that it agrees
            with context.wrap_socket(plain) as stream:
                return stream.getpeercert(binary_form=True)
    except OSError:
        return None


@dataclass(frozen=True)
class FileSystem:
    """One file system: under which of the paths it was found, how full it is, and whether it can be written to."""

    paths: tuple[str, ...]
    used_percent: float
    inodes_percent: float
    free: int
    read_only: bool


def judge_file_systems(found: Iterable[FileSystem], alert_percent: float) -> list[str]:
    """Which file systems are full, nearly so, or read-only."""
    reasons = []
    for one in found:
        where = ", ".join(one.paths)
        if one.read_only:
            reasons.append(f"{where}: the file system is read-only")
        for percent, what in ((one.used_percent, "full"), (one.inodes_percent, "full of inodes")):
            if percent >= alert_percent:
                free = f"{one.free / 2**20:.0f} MiB are free"
                reasons.append(f"{where}: {percent:.0f} % {what}, {free} (tiers_disk_alert: {alert_percent:g} %)")
    return reasons


def read_file_systems(paths: Iterable[str]) -> list[FileSystem]:
    """The file systems under the paths that exist. Percents as df has them: what is reserved for root is not free."""
    # A part of a file system that is mounted again may be read-only while the rest is not.
    devices: dict[tuple[int, int], list[str]] = {}
    for path in dict.fromkeys(paths):
        if os.path.exists(path):
            mounted = os.stat(path).st_dev, os.statvfs(path).f_flag & os.ST_RDONLY
            devices.setdefault(mounted, []).append(path)
    found = []
    for held in devices.values():
        seen = os.statvfs(held[0])
        used, inodes = seen.f_blocks - seen.f_bfree, seen.f_files - seen.f_ffree
        found.append(
            FileSystem(
                tuple(held),
                _percent(used, used + seen.f_bavail),
                _percent(inodes, inodes + seen.f_favail),
                seen.f_bavail * seen.f_frsize,
                bool(seen.f_flag & os.ST_RDONLY),
            )
        )
    return found


def _percent(used: int, whole: int) -> float:
    return 100 * used / whole if whole > 0 else 0.0


def check_boot(units: Sequence[str], timeout: float) -> list[str]:
    """Which units would not start at a boot of this host."""
    try:
        code, answer, errors = execute(["systemctl", "show", "--property=UnitFileState", *units], os.environ, timeout)
    except Unavailable as error:
        return [str(error)]
    states = [line.partition("=")[2] for line in answer.splitlines() if line]
    if code or len(states) != len(units):
        why = errors.strip() or f"exit code {code}"
        return [f"systemctl does not tell whether {' and '.join(units)} start at boot: {why}"]
    return [
        f"{unit} does not start at boot ({state or 'it is not installed'}). Run deploy"
        for unit, state in zip(units, states, strict=True)
        if state not in ("enabled", "static", "alias")
    ]


def check_programs(units: Sequence[str], timeout: float, processes: Path = Path("/proc")) -> list[str]:
    """Which units do not run, or have a program that is suspended (SIGSTOP): what has no protocol cannot be asked
    otherwise."""
    try:
        code, answer, errors = execute(
            ["systemctl", "show", "--property=ActiveState,SubState,UnitFileState,MainPID", *units], os.environ, timeout
        )
    except Unavailable as error:
        return [str(error)]
    shown = [dict(line.split("=", 1) for line in block.splitlines()) for block in answer.strip().split("\n\n")]
    if code or len(shown) != len(units):
        return [f"systemctl does not tell whether {' and '.join(units)} run: {errors.strip() or f'exit code {code}'}"]
    found = []
    for unit, properties in zip(units, shown, strict=True):
        if properties["ActiveState"] in ("inactive", "failed") or properties["SubState"] == "auto-restart":
            # The probe of stopped traffic reports a failover daemon that a boot would start.
            if unit not in FAILOVER or properties["UnitFileState"] != "enabled":
                found.append(
                    f"{unit} does not run ({properties['SubState']}). Run deploy, or see `journalctl -u {unit}`"
                )
            continue
        main = properties["MainPID"]
        suspended = [pid for pid in (main, *_children(processes / main)) if _is_suspended(processes / pid)]
        if main != "0" and suspended:
            found.append(
                f"{unit} is suspended (process {', '.join(suspended)}) and does nothing:"
                f" systemctl kill --signal=CONT {unit}"
            )
    return found


def check_faults(unit: Path = FAULT) -> list[str]:
    """Which fault of a drill lasts on this host."""
    try:
        text = unit.read_text(encoding="utf-8")
    except OSError:
        return []
    described = next((line for line in text.splitlines() if line.startswith("Description=")), "")
    return [
        f"a fault of a drill lasts on this host ({described.partition('=')[2]}). The host ends it by itself; "
        f"`systemctl stop {unit.name}` ends it now"
    ]


def check_product(words: Sequence[str], timeout: float) -> list[str]:
    """The findings of the product itself on this host: each line that its command prints."""
    try:
        code, output, errors = execute(words, os.environ, timeout)
    except Unavailable as error:
        return [f"the check of the product: {error}"]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if code:
        reasons = [line.strip() for line in errors.splitlines() if line.strip()]
        lines.append(f"the check of the product failed (exit code {code}): {reasons[-1] if reasons else words[0]}")
    return lines


def check_restore(mark: Path = RESTORING) -> list[str]:
    """Whether a restore stopped before all servers had its data."""
    if not mark.exists():
        return []
    return [
        "a restore was interrupted, so servers may have different data. Run restore again: it starts from the beginning"
    ]


def _children(process: Path) -> list[str]:
    try:
        return (process / "task" / process.name / "children").read_text(encoding="ascii").split()
    except OSError:  # it has ended
        return []


def _is_suspended(process: Path) -> bool:
    try:
        # The state stands behind the name, which may hold blanks and parentheses.
        return (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


def read_time_services(timeout: float) -> list[str]:
    """The running time services of this host, and `kernel` if its clock is synchronised. Empty if systemd does not
    answer."""
    try:
        _code, states, _errors = execute(["systemctl", "is-active", *TIME_SERVICES], os.environ, timeout)
        running = [name for name, state in zip(TIME_SERVICES, states.split(), strict=False) if state == "active"]
        _code, answer, _errors = execute(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"], os.environ, timeout
        )
    except Unavailable:
        return []
    return [*running, *(["kernel"] if answer.strip() == "yes" else [])]
