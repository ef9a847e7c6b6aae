"""The decisions of the failover agent, its requests to etcd, and its gate in the kernel."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import subprocess
import sys
import threading
import time
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

import pytest

from ansible_collections.distributed.tiers.tests.unit.roles.lease_model import FILES, lease

sys.modules["lease"] = lease
sys.path.insert(0, str(FILES))
import etcd  # noqa: E402
import gate  # noqa: E402

sys.path.remove(str(FILES))
TIMING = lease.Timing.of(3.0)
PRIMARY = lease.Policy("m1", True, "manual", timing=TIMING)
BACKUP = lease.Policy("m2", False, "manual", timing=TIMING)
WELL = lease.Condition()


def at(**position: int) -> lease.Condition:
    return WELL._replace(tells_position=True, position=tuple(position.items()))


def held_by(name: str, **fields) -> lease.View:
    return lease.View(7, lease.Record(name, 4, 3.0, **fields))


@pytest.mark.parametrize(
    ("view", "unchanged", "expected"),
    [
        (held_by("m1"), 2.99, False),
        (held_by("m1"), 3.0, True),
        (held_by("m1")._replace(paused=True), 60.0, False),
        (held_by("m2"), 0.0, True),
        (held_by("m2")._replace(paused=True), 0.0, True),
        (held_by(""), 0.0, True),
        (held_by("")._replace(paused=True), 0.0, True),
        (held_by("", successor="m2"), 0.0, True),
        (held_by("", successor="m1"), 0.0, False),
        (held_by("", successor="m1"), 3.0, True),
        (lease.View(), 1.0, False),
        (lease.View(), 6.0, True),
    ],
)
def test_backup_takes_the_lease_only_if_no_other_node_can_hold_it(view, unchanged, expected):
    assert lease.may_acquire(BACKUP, view, unchanged, WELL) is expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (WELL, True),
        (WELL._replace(healthy=False), False),
        (WELL._replace(eligible=False), False),
        (WELL._replace(needs_resync=True), False),
        (at(m1=100), True),
        (at(m1=100, m2=7), True),
        (at(m1=99), False),
        # Writes of its own make up for none of the holder's.
        (at(m1=99, m2=500), False),
        (at(m2=500), False),
        (WELL._replace(tells_position=True), False),
    ],
)
def test_node_that_is_ill_or_behind_does_not_take_the_lease(node, expected):
    assert lease.may_acquire(BACKUP, held_by("m1", position=(("m1", 100),)), 7.0, node) is expected


def test_lag_that_the_product_allows_does_not_prevent_a_promotion():
    policy = lease.Policy("m2", False, "manual", allowed_lag=5)
    assert lease.may_acquire(policy, held_by("m1", position=(("m1", 100),)), 7.0, at(m1=95))
    assert not lease.may_acquire(policy, held_by("m1", position=(("m1", 101),)), 7.0, at(m1=95))


@pytest.mark.parametrize("node", [at(m1=1), WELL._replace(tells_position=True), WELL._replace(needs_resync=True)])
def test_node_that_is_behind_leaves_the_lease_to_a_better_one_for_a_limited_time(node):
    view = held_by("m1", position=(("m1", 100),))
    limit = view.record.ttl + BACKUP.behind_seconds
    assert not lease.may_acquire(BACKUP, view, limit - 0.1, node)
    assert lease.may_acquire(BACKUP, view, limit, node)


def test_node_that_lacks_the_last_writes_of_one_that_stepped_down_waits_for_them_at_most_for_a_lease():
    policy = lease.Policy("m2", False, "manual", allowed_lag=5, timing=TIMING)
    view = held_by("", successor="m2", position=(("m1", 100),))
    assert lease.may_acquire(policy, view, 0.0, at(m1=100))
    assert not lease.may_acquire(policy, view, TIMING.ttl - 0.1, at(m1=98))
    assert lease.may_acquire(policy, view, TIMING.ttl, at(m1=98))


def test_target_of_a_switchover_confirms_it_with_the_data_that_the_holder_had_before():
    """While clients write, the holder is always some writes ahead of what its peer has read."""
    view = held_by("m1", position=(("m1", 100),))._replace(switchover=lease.Switchover("m2"))
    confirmed = lease.Switchover("m2", confirmed=True)
    assert lease.wanted_switchover(BACKUP, view, at(m1=95)._replace(aim=(("m1", 95),))) == confirmed
    assert lease.wanted_switchover(BACKUP, view, at(m1=94)._replace(aim=(("m1", 95),))) is None


def active(now: float) -> lease.State:
    return lease.State("active", 7, 4, held_from=now, due=now + 0.5, hook_started=True, promoted=True, gate_open=True)


def test_holder_starts_the_countdown_before_it_asks_for_the_renewal():
    state, action = lease.decide(PRIMARY, active(100.0), 100.5, WELL)
    assert action.kind == "count"
    state, action = lease.decide(PRIMARY, state, 100.6, WELL)
    assert (action.kind, action.request.kind, state.sent) == ("request", "renew", 100.6)
    state = lease.receive(PRIMARY, state, 100.9, lease.Answer(True, held_by("m1")._replace(revision=8)))
    assert (state.held_from, state.revision) == (100.6, 8)
    assert lease.decide(PRIMARY, state, 100.9, WELL)[1].kind == "open"


def test_holder_that_cannot_renew_stops_traffic_before_the_kernel_does():
    stop = 100.0 + TIMING.stop_seconds
    assert lease.decide(PRIMARY, active(100.0)._replace(earliest=stop + 9), stop - 0.01, WELL)[1].kind == "wait"
    state, action = lease.decide(PRIMARY, active(100.0), stop, WELL)
    assert (state.phase, action.kind) == ("stepping-down", "close")
    assert TIMING.stop_seconds < TIMING.gate_seconds < TIMING.ttl


def test_holder_releases_the_lease_to_the_confirmed_target_of_a_switchover_after_the_demotion():
    state = active(100.0)._replace(view=lease.View(switchover=lease.Switchover("m2", confirmed=True)))
    state, action = lease.decide(PRIMARY, state, 100.1, WELL)
    assert action.kind == "close"
    state, action = lease.decide(PRIMARY, state, 100.1, WELL)
    assert action.kind == "demote"
    assert lease.decide(PRIMARY, state, 100.2, WELL._replace(hook="runs"))[1].kind == "wait"
    _state, action = lease.decide(PRIMARY, state, 100.3, WELL._replace(hook="succeeded"))
    assert (action.request.kind, action.request.record.holder, action.request.record.successor) == ("release", "", "m2")


def test_holder_ignores_a_switchover_that_its_target_has_not_confirmed():
    state = active(100.0)._replace(view=lease.View(switchover=lease.Switchover("m2")))
    assert lease.decide(PRIMARY, state, 100.1, WELL)[1].kind == "wait"


def test_lost_answer_to_a_renewal_that_succeeded_does_not_cost_the_lease():
    state, _action = lease.decide(PRIMARY, active(100.0)._replace(counting=True), 100.5, WELL)
    state = lease.receive(PRIMARY, state, 101.0, None)
    state, _action = lease.decide(PRIMARY, state._replace(counting=True), 101.1, WELL)
    state = lease.receive(PRIMARY, state, 101.2, lease.Answer(False, held_by("m1")._replace(revision=8)))
    assert (state.phase, state.revision, state.held_from) == ("active", 8, 100.0)


def test_primary_fails_back_by_a_request_only_where_the_policy_says_so():
    standby = lease.State(view=held_by("m2"), view_from=99.0, due=100.5)
    ready = WELL._replace(returns=True)
    assert lease.decide(PRIMARY, standby, 100.0, ready)[1].kind == "wait"
    action = lease.decide(lease.Policy("m1", True, "auto"), standby, 100.0, ready)[1]
    assert action.request.switchover == lease.Switchover("m1")


# ---- etcd


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=lab",
        ]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt"],
        check=True,
        capture_output=True,
    )
    return folder


class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reply: ClassVar[dict] = {}
    status = 200
    headers_sent: ClassVar[dict] = {}
    raw = b""  # sent instead of an answer of HTTP
    chunk = 0  # bytes of each chunk; 0: the answer has a Content-Length
    seconds = 0.0
    drip = False
    asked: ClassVar[list] = []
    connections: ClassVar[set] = set()

    def do_POST(self):
        self.connections.add(self.client_address)
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        time.sleep(self.seconds)
        if self.raw:
            self.wfile.write(self.raw)
            self.close_connection = True
            return
        body = json.dumps(self.reply).encode()
        self.send_response(self.status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        if self.chunk:
            self.send_header("Transfer-Encoding", "chunked")
            parts = [bytes(part) for part in zip_longest(*[iter(body)] * self.chunk, fillvalue=ord(" "))]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body:
            self.wfile.write(bytes([byte]))
            if self.drip:
                time.sleep(0.05)

    def log_message(self, *_args):
        pass


@pytest.fixture
def gateway(certificate):
    handler = type("Handler", (Gateway,), {"asked": [], "connections": set()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "crt", certificate / "key")
    context.load_verify_locations(certificate / "crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_args: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.port = server.server_address[1]
    yield handler
    server.shutdown()
    server.server_close()


def store(certificate: Path, *ports: int):
    tls = etcd.client_context(str(certificate / "crt"), str(certificate / "crt"), str(certificate / "key"))
    return etcd.Store([("127.0.0.1", port) for port in ports], "/tiers/demo/m1", tls)


def encoded(name: str, value: str, revision: int) -> dict:
    return {"key": etcd.encode(f"/tiers/demo/m1/{name}"), "value": etcd.encode(value), "mod_revision": str(revision)}


def test_answer_of_etcd_becomes_a_view(certificate, gateway):
    record = lease.Record("m1", 4, 3.0, (("001", 17),))
    keys = [
        # A later release may write more.
        encoded("lease", json.dumps(record._asdict() | {"colour": "red"}), 9),
        encoded("switchover", '{"target": "m2"}', 8),
        encoded("paused", '{"until": 1767225600.0}', 3),
    ]
    gateway.reply = {"succeeded": True, "responses": [{"response_put": {}}, {"response_range": {"kvs": keys}}]}
    answer = store(certificate, gateway.port).ask(lease.Request("read", deadline=3))
    assert answer == lease.Answer(True, lease.View(9, record, lease.Switchover("m2"), 8, True, 1767225600.0))


def test_acquisition_is_one_transaction_on_the_revision_that_was_read():
    body = etcd.build("/p/", lease.Request("acquire", 9, lease.Record("m1", 5, 3.0), only_unpaused=True))
    compared = [(base64.b64decode(each["key"]), each["target"]) for each in body["compare"]]
    assert compared == [(b"/p/lease", "MOD"), (b"/p/paused", "VERSION")]
    assert body["compare"][0]["mod_revision"] == "9"
    assert [next(iter(each)) for each in body["success"]] == ["request_put", "request_delete_range", "request_range"]
    assert [next(iter(each)) for each in body["failure"]] == ["request_range"]


@pytest.mark.parametrize(("seconds", "drip"), [(5.0, False), (0.0, True)], ids=["silent", "one byte at a time"])
def test_request_ends_by_its_deadline(certificate, gateway, seconds, drip):
    gateway.seconds, gateway.drip, gateway.reply = seconds, drip, {"responses": ["x" * 100]}
    began = time.monotonic()
    with pytest.raises(etcd.Unanswered):
        store(certificate, gateway.port).ask(lease.Request("read", deadline=0.5))
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("chunk", [0, 1, 7, 1000])
def test_answer_is_read_in_one_piece_or_in_chunks_over_one_connection(certificate, gateway, chunk):
    """etcd sends a longer answer in chunks."""
    gateway.chunk = chunk
    asked = store(certificate, gateway.port)
    for revision in range(1, 4):
        record = lease.Record("m1", revision, 3.0)
        key = encoded("lease", json.dumps(record._asdict()), revision)
        gateway.reply = {"responses": [{"response_range": {"kvs": [key]}}]}
        assert asked.ask(lease.Request("read", deadline=3)).view == lease.View(revision, record)
    assert len(gateway.connections) == 1


def test_connection_that_etcd_does_not_keep_is_opened_again(certificate, gateway):
    gateway.headers_sent, gateway.reply = {"Connection": "close"}, {"responses": [{"response_range": {}}]}
    asked = store(certificate, gateway.port)
    for _request in range(2):
        assert asked.ask(lease.Request("read", deadline=3)).view == lease.View()
    assert len(gateway.connections) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"220 mail.example.org ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{",
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_answer_that_etcd_does_not_give_counts_as_none(certificate, gateway, raw):
    gateway.raw, gateway.status = raw, 500
    asked = store(certificate, gateway.port)
    with pytest.raises(etcd.Unanswered):
        asked.ask(lease.Request("read", deadline=3))
    # Nothing that is left of it becomes a part of the next answer.
    gateway.raw, gateway.status, gateway.reply = b"", 200, {"responses": [{"response_range": {}}]}
    assert asked.ask(lease.Request("read", deadline=3)).view == lease.View()


def test_request_that_fails_leaves_the_next_one_to_the_next_endpoint(certificate, gateway):
    gateway.reply = {"succeeded": True, "responses": [{"response_range": {}}]}
    asked = store(certificate, 1, gateway.port)
    with pytest.raises(etcd.Unanswered):
        asked.ask(lease.Request("read", deadline=3))
    assert asked.ask(lease.Request("read", deadline=3)).view == lease.View()


# ---- The gate


class Recorder:
    def __init__(self) -> None:
        self.commands: list[str] = []

    def run(self, commands: str) -> None:
        self.commands.append(commands)


def test_opening_the_gate_leaves_the_timeout_of_its_countdown_alone():
    kernel = Recorder()
    door = gate.Gate(kernel, gate.Ports(8443, "192.0.2.2"), 77)
    door.count(1, 2.92)
    door.open(1)
    assert "lease_77_1" in kernel.commands[0] and "8443 timeout 2920ms" in kernel.commands[0]
    assert "timeout" not in kernel.commands[1] and "@lease_77_1 accept" in kernel.commands[1]


def test_countdown_that_no_answer_put_in_force_is_removed_and_the_open_one_stays():
    kernel = Recorder()
    door = gate.Gate(kernel, gate.Ports(8443, ""), 77)
    door.count(1, 1)
    door.open(1)
    door.count(2, 1)
    door.count(3, 1)
    assert "delete" not in kernel.commands[2]
    assert kernel.commands[3].startswith("delete set inet tiers_lease lease_77_2\nadd set")


@pytest.mark.parametrize(("kind", "write"), [("pause", "request_put"), ("resume", "request_delete_range")])
def test_operator_pauses_failover_by_a_key_that_every_answer_shows(kind, write):
    body = etcd.build("/p/", lease.Request(kind))
    assert [next(iter(each)) for each in body["success"]] == [write, "request_range"]
    assert base64.b64decode(body["success"][0][write]["key"]) == b"/p/paused"


def test_pause_with_an_end_is_a_key_that_etcd_removes_then(certificate, gateway):
    gateway.reply = {"ID": "77", "TTL": "60", "succeeded": True, "responses": [{"response_range": {}}]}
    end = time.time() + 60
    store(certificate, gateway.port).ask(lease.Request("pause", paused_until=end, deadline=3))
    grant, transaction = gateway.asked
    assert 58 <= int(grant["TTL"]) <= 60
    put = transaction["success"][0]["request_put"]
    assert put["lease"] == "77" and json.loads(base64.b64decode(put["value"])) == {"until": end}


@pytest.mark.parametrize("paused", [False, True])
def test_active_node_keeps_an_ill_service_only_while_failover_is_paused(paused):
    state = lease.State("active", 9, 4, 10.0, lease.View(paused=paused), promoted=True, due=11.0)
    after, action = lease.decide(PRIMARY, state, 10.5, WELL._replace(healthy=False))
    assert (after.phase, action.kind) == (("active", "wait") if paused else ("stepping-down", "close"))
