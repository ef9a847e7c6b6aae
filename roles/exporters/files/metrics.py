# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what this host knows about its server as metrics, into a file that the node exporter reads.

    metrics.py [SETTINGS]    writes the file once and ends; SETTINGS is /etc/tiers-monitoring/metrics.json

Every value is read on this host: from the records of deployments and of stopped traffic, from the failover agent, the
watchdog, systemd and the kernel.
All probes run at the same time. One that does not answer within its deadline is left out and reported as failed. The
file has the time of its writing, so an alert notices a program that no longer runs.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/tiers-monitoring/metrics.json")
# Seconds for which a command or a voter may answer, and for which all probes together may run.
COMMAND_SECONDS = 4.0
ALL_SECONDS = 8.0
# Seconds for which the result of the product's own check counts: it costs more than the other probes.
CHECK_SECONDS = 60.0
# Families of etcd that alerts and the dashboard use; the Go runtime's own would clash with those of the node exporter.
ETCD = ("etcd_server_", "etcd_disk_", "etcd_mvcc_db_", "etcd_network_peer_round_trip_time_")
ESTABLISHED = "01"
# A position that is a time, such as 20260101120000.123456Z. OpenLDAP adds more to it.
TIME = re.compile(r"(\d{14})(?:\.(\d{1,6}))?Z")

Settings = dict[str, Any]


class NoAnswerError(Exception):
    """A probe has no answer; the text says why."""


@dataclass
class Family:
    """All values of one metric."""

    name: str
    help: str
    kind: str = "gauge"
    values: list[tuple[dict[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> Family:
        self.values.append((labels, value))
        return self

    def text(self) -> str:
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.kind}"]
        for labels, value in self.values:
            named = ",".join(f'{key}="{escape(text)}"' for key, text in sorted(labels.items()))
            lines.append(f"{self.name}{{{named}}} {value:.17g}" if named else f"{self.name} {value:.17g}")
        return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def gauge(name: str, meaning: str, value: float, **labels: str) -> Family:
    return Family(name, meaning).add(value, **labels)


# ---- Reading


def run(command: list[str], environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and output of a command. One that does not end in time is killed, and not waited for."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        output, _errors = child.communicate(timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        raise NoAnswerError(f"{command[0]} did not end within {COMMAND_SECONDS:g} s") from None
    return child.returncode, output


def read_json(path: str) -> dict[str, Any] | None:
    """A JSON object; None if there is no such file."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(found, dict):
        raise NoAnswerError(f"{path} holds no object")
    return found


def uptime() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


# ---- Probes


def probe_record(settings: Settings) -> Iterator[Family]:
    with contextlib.suppress(FileNotFoundError):
        deployed = Path(settings["record"]).stat().st_mtime
        yield gauge("tiers_deployed_timestamp_seconds", "When this server was last deployed.", deployed)


def probe_traffic(settings: Settings) -> Iterator[Family]:
    note = read_json(settings["drained"])
    complete = note is not None and note.get("complete", True)
    yield gauge("tiers_drained", "Whether an operator drained this server.", float(complete))
    yield gauge(
        "tiers_traffic_interrupted",
        "Whether an operation that stopped the traffic of this server has not ended.",
        float(note is not None and not complete),
    )


def probe_active(settings: Settings) -> Iterator[Family]:
    if not settings["active"]:
        return
    code, output = run([settings["active"]])
    if code not in (0, 1):
        raise NoAnswerError(f"{settings['active']} ended with {code}")
    meaning = "Whether this server serves: one node of an active/standby pair does, and every other server."
    yield gauge("tiers_active", meaning, float(code == 0))
    yield gauge(
        "tiers_promoting", "Whether this node of a pair is being promoted.", float(output.strip() == "promoting")
    )


def probe_lease(settings: Settings) -> Iterator[Family]:
    lease = read_json(settings["lease"])
    if lease is None:
        return
    age = max(0.0, uptime() - lease["read"])
    yield gauge("tiers_lease_age_seconds", "Seconds since the arbiter answered this node of a pair.", age)
    yield gauge("tiers_lease_ttl_seconds", "Seconds for which a lease lasts without an answer.", lease["ttl"])
    yield gauge("tiers_failover_paused", "Whether automatic failover of the pair is paused.", float(lease["paused"]))


def probe_watchdog(settings: Settings) -> Iterator[Family]:
    meaning = "Whether the watchdog found that this server cannot write."
    yield gauge("tiers_cannot_write", meaning, float(Path(settings["cannot_write"]).exists()))
    meaning = "Whether this server stepped aside for its peer because it cannot write."
    yield gauge("tiers_stepped_aside", meaning, float(Path(settings["aside"]).exists()))


def probe_certificates(settings: Settings) -> Iterator[Family]:
    family = Family("tiers_certificate_expiry_timestamp_seconds", "When the first certificate in the file expires.")
    for name, path in sorted(settings["certificates"].items()):
        ends = [end_of_certificate(text) for text in certificates_in(Path(path).read_text(encoding="ascii"))]
        if ends:
            family.add(min(ends), file=name)
    yield family


def certificates_in(text: str) -> list[str]:
    return re.findall(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?", text)


def end_of_certificate(certificate: str) -> float:
    """Seconds since 1970. From the encoded certificate: the second of the two times that follow each other in it."""
    encoded = ssl.PEM_cert_to_DER_cert(certificate)
    # UTCTime (tag 23, 13 bytes) and GeneralizedTime (tag 24, 15 bytes), both in UTC
    times = re.findall(rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)", encoded)
    if len(times) < 2:
        raise NoAnswerError("a certificate without a validity")
    short, long = times[1]
    century = b"19" if short and int(short[:2]) >= 50 else b"20"
    text = (long or century + short).decode()
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def probe_units(settings: Settings) -> Iterator[Family]:
    units: list[str] = settings["units"]
    if not units:
        return
    active = Family("tiers_unit_active", "Whether a unit that must run on this server is active.")
    started = Family("tiers_unit_start_timestamp_seconds", "When the unit was last started.")
    properties = "--property=Id,ActiveState,ActiveEnterTimestampMonotonic"
    code, output = run(["systemctl", "show", properties, *units])
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in output.split("\n\n")]
    if code or len(blocks) != len(units):
        raise NoAnswerError(f"systemctl ended with {code}")
    boot = time.time() - uptime()
    for unit, shown in zip(units, blocks, strict=True):
        active.add(float(shown.get("ActiveState") in ("active", "reloading")), unit=unit)
        if since := int(shown.get("ActiveEnterTimestampMonotonic") or 0):
            started.add(boot + since / 1e6, unit=unit)
    yield active
    yield started


def probe_connections(settings: Settings) -> Iterator[Family]:
    ports = set(settings["client_ports"])
    if not ports:
        return
    tables = [path.read_text(encoding="ascii") for path in map(Path, settings["connections"]) if path.exists()]
    meaning = "Connections at the ports of clients, except from this host."
    yield gauge("tiers_client_connections", meaning, count_connections(tables, ports))


def count_connections(tables: Iterable[str], ports: set[int]) -> int:
    """Established connections at these local ports that come from another host, by /proc/net/tcp and /proc/net/tcp6."""
    found = 0
    for table in tables:
        for line in table.splitlines()[1:]:
            words = line.split()
            if len(words) < 4 or words[3] != ESTABLISHED:
                continue
            local, _colon, port = words[1].rpartition(":")
            if int(port, 16) in ports and words[2].rpartition(":")[0] != local:
                found += 1
    return found


def probe_position(settings: Settings) -> Iterator[Family]:
    about = settings["position"]
    if not about:
        return
    code, output = run(about["command"], about.get("environment"))
    if code:
        raise NoAnswerError(f"{about['command'][0]} ended with {code}")
    family = Family("tiers_position", "How far the data of this server are, for each server that accepts writes.")
    for writer, position in sorted(positions_in(output, about.get("pattern") or "").items()):
        if (value := number_of(position)) is not None:
            family.add(value, writer=writer)
    yield family


def positions_in(output: str, pattern: str) -> dict[str, str]:
    """Positions by writer: by a pattern with the groups `writer` and `position`, else from a JSON object."""
    if pattern:
        return {found["writer"]: found["position"] for found in re.finditer(pattern, output, re.MULTILINE)}
    found = json.loads(output)
    return {str(writer): str(position) for writer, position in (found.get("position") or {}).items()}


def number_of(position: str) -> float | None:
    """A position as a number that grows with it: a time as seconds since 1970. None if it is neither."""
    if match := TIME.match(position):
        at = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
        return at + float(f"0.{match[2] or 0}")
    try:
        return float(position)
    except ValueError:
        return None


def probe_check(settings: Settings) -> Iterator[Family]:
    """The number of findings of the product's own check. It prints one on each line; `status` shows them."""
    command: list[str] = settings["check"]
    if not command:
        return
    last, now = read_json(settings["checked"]), uptime()
    if last is None or not 0 <= now - last["read"] < CHECK_SECONDS:
        code, output = run(command)
        if code:
            raise NoAnswerError(f"{command[0]} ended with {code}")
        last = {"read": now, "findings": sum(bool(line.strip()) for line in output.splitlines())}
        write(Path(settings["checked"]), json.dumps(last))
    meaning = "How many faults the product's own check found on this server; status prints them."
    yield gauge("tiers_product_findings", meaning, last["findings"])


def probe_voter(settings: Settings) -> Iterator[str]:
    """etcd's own metrics. Its port asks for a certificate that may write, too, so nobody else is let in for them."""
    voter = settings["voter"]
    if not voter:
        return
    tls = settings["tls"]
    context = ssl.create_default_context(cafile=f"{tls}/ca.crt")
    context.load_cert_chain(f"{tls}/server.crt", f"{tls}/server.key")
    connection = http.client.HTTPSConnection(voter["address"], voter["port"], timeout=COMMAND_SECONDS, context=context)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"etcd: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise NoAnswerError(f"etcd answers {answer.status}")
    yield families_of(text, ETCD)


def families_of(text: str, prefixes: tuple[str, ...]) -> str:
    """The lines of the metrics whose names begin with one of the prefixes."""
    lines = []
    for line in text.splitlines():
        name = line.split(None, 3)[2] if line.startswith(("# HELP ", "# TYPE ")) else line
        if name.startswith(prefixes):
            lines.append(f"{line}\n")
    return "".join(lines)


PROBES: dict[str, Callable[[Settings], Iterator[Family | str]]] = {
    "record": probe_record,
    "traffic": probe_traffic,
    "active": probe_active,
    "lease": probe_lease,
    "watchdog": probe_watchdog,
    "certificates": probe_certificates,
    "units": probe_units,
    "connections": probe_connections,
    "position": probe_position,
    "check": probe_check,
    "voter": probe_voter,
}


# ---- The file


def planned(settings: Settings) -> list[Family]:
    """The metrics that follow from the plan."""
    families = [gauge("tiers_server_info", "What this server is by the plan.", 1.0, **settings["info"])]
    for name, (meaning, value) in sorted(settings["planned"].items()):
        families.append(gauge(name, meaning, value))
    return families


def collect(settings: Settings, seconds: float = ALL_SECONDS) -> list[Family | str]:
    """All metrics. Probes that have not ended after `seconds` are left out."""
    began = time.monotonic()
    pool = concurrent.futures.ThreadPoolExecutor(len(PROBES))
    running = {name: pool.submit(lambda probe=probe: list(probe(settings))) for name, probe in PROBES.items()}
    concurrent.futures.wait(running.values(), timeout=seconds)
    found: list[Family | str] = [*planned(settings)]
    success = Family("tiers_metrics_probe_success", "Whether a probe of this host had an answer.")
    for name, future in running.items():
        why = f"no answer within {seconds:g} s"
        if future.done():
            error = future.exception()
            why = f"{type(error).__name__}: {error}" if error else ""
        if not why:
            found += future.result()
        else:
            print(f"{name}: {why}", file=sys.stderr)
        success.add(float(not why), probe=name)
    duration = time.monotonic() - began
    written = gauge("tiers_metrics_written_timestamp_seconds", "When these metrics were written.", time.time())
    took = gauge("tiers_metrics_duration_seconds", "How long the probes of this host took.", duration)
    return [*found, success, took, written]


def write(path: Path, text: str) -> None:
    """Replace the file in one step, readable by the node exporter."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.rename(path)


def main(path: Path = SETTINGS) -> None:
    settings: Settings = json.loads(path.read_text(encoding="utf-8"))
    parts = collect(settings)
    write(Path(settings["file"]), "".join(part if isinstance(part, str) else part.text() for part in parts))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
    # A thread of a probe that hangs must not hold the program.
    sys.stderr.flush()
    os._exit(0)
