# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook on hosts that exist only in a directory: `python fake_hosts.py DIRECTORY ARGUMENT…`

Everything on the controller is real: playbooks, roles, templates, the plan and the actions that judge. A fake host
answers in place of every module and command that Ansible would run on a host. It keeps files, units, firewall tables
and the state of HAProxy and of the product in DIRECTORY/hosts/NAME, and appends what was done to it to DIRECTORY/calls.
DIRECTORY/faults says which calls fail.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import importlib.util
import io
import json
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.executor.process.worker import WorkerProcess
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

Result = dict[str, Any]
OK: Result = {"changed": False}
KEEPALIVED = "keepalived.service"
AGENT = "tiers-failover.service"
FIRST_START = "/etc/tiers/arbiter/first-start.env"
RUN = os.getpid()
FACTS = "/etc/ansible/facts.d"
# What a server answers whose lock another run holds, one of another controller
OTHER_RUN = {"id": "3f2a9c1b", "playbook": "deploy", "user": "ann", "controller": "desk", "awx": {}, "shared": ""}
OTHER_RUN |= {"process": dict.fromkeys(("host", "boot", "namespace", "pid", "started"), "other")}
OTHER_RUN |= {"since": "2026-11-29 18:05:50 UTC", "held": 60.0, "left": 90.0}


class Host:
    """One fake host."""

    def __init__(self, home: Path, name: str, run_for: str) -> None:
        self.home, self.name, self.run_for = home, name, run_for
        self.root = home / "hosts" / name
        self.state: dict[str, Any] = {}

    @contextlib.contextmanager
    def opened(self) -> Iterator[Host]:
        """The host with its state, for one process at a time."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "state.json").open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            self.state = json.loads(
                file.read() or '{"units": {}, "stamps": {}, "tables": [], "out": [], "product": {}, "voters": []}'
            )
            yield self
            file.truncate(0)
            file.write(json.dumps(self.state))

    def path(self, name: str) -> Path:
        return self.root / "files" / name.strip("/")

    def log(self, call: str) -> None:
        line = {"host": self.name, "for": self.run_for, "call": call}
        with (self.home / "calls").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def other(self, name: str) -> dict[str, Any]:
        """The state of another host."""
        path = self.home / "hosts" / name / "state.json"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return dict(json.loads(text)) if text else {"units": {}, "product": {}, "tables": [], "out": []}

    def fault(self, call: str) -> str:
        """How this call fails: not at all, `fail`, or `kill` with the whole run."""
        return self.faults().get(self.name, {}).get(call, "")

    def faults(self) -> dict[str, dict[str, str]]:
        return dict(json.loads((self.home / "faults").read_text(encoding="utf-8")))

    # ---- what modules do

    def call(self, module: str, given: Mapping[str, Any], check_mode: bool) -> Result:
        name = module.rpartition(".")[2]
        handler = getattr(self, f"on_{name}", None)
        return handler(given, check_mode) if handler else dict(OK)

    def on_setup(self, _given: Mapping[str, Any], _check_mode: bool) -> Result:
        if self.fault("setup"):
            return {"unreachable": True, "msg": "No route to host"}
        facts = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in self.path(FACTS).glob("*.fact")}
        return {"changed": False, "ansible_facts": {"ansible_local": facts}}

    def on_stat(self, given: Mapping[str, Any], _check_mode: bool) -> Result:
        path = self.path(given["path"])
        if not path.exists():
            return {"changed": False, "stat": {"exists": False}}
        found = {"exists": True, "isdir": path.is_dir(), "isreg": path.is_file(), "islnk": False}
        if path.is_file():
            found["checksum"] = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
        return {"changed": False, "stat": found}

    def on_slurp(self, given: Mapping[str, Any], _check_mode: bool) -> Result:
        text = "" if self.fault(f"slurp {given['src']}") else self.read(given["src"])
        return {"changed": False, "content": base64.b64encode(text.encode()).decode()} if text else {"failed": True}

    def on_copy(self, given: Mapping[str, Any], check_mode: bool) -> Result:
        if check_mode:
            return {"changed": True}
        self.write(given["dest"], Path(given["src"]).read_text(encoding="utf-8"))
        return {"changed": True}

    def read(self, name: str) -> str:
        path = self.path(name)
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def write(self, name: str, text: str) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if name.endswith("/tiers.fact"):
            self.log("record deployed")
        elif name.endswith("/tiers_drained.fact"):
            record = json.loads(text)
            self.log(f"record {record['operation']}{', complete' if record['complete'] else ''}")

    def on_file(self, given: Mapping[str, Any], check_mode: bool) -> Result:
        path = self.path(given.get("path") or given["dest"])
        if given.get("state") == "directory":
            there = path.is_dir()
            if not check_mode:
                path.mkdir(parents=True, exist_ok=True)
            return {"changed": not there}
        if given.get("state") != "absent" or not path.exists():
            return dict(OK)
        if not check_mode:
            if path.is_file():
                path.unlink()
            for file in sorted(path.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
            if path.name == "tiers_drained.fact":
                self.log("remove record")
            elif path.name == "tiers.fact":
                self.log("remove record deployed")
        return {"changed": True}

    def on_systemd_service(self, given: Mapping[str, Any], check_mode: bool) -> Result:
        wanted = {"started": "active", "restarted": "active", "reloaded": "active", "stopped": "inactive"}.get(
            given.get("state") or ""
        )
        unit = given.get("name")
        if not unit or wanted is None or (self.state["units"].get(unit) == wanted and given["state"] != "restarted"):
            return dict(OK)
        if not check_mode:
            self.set_unit(unit, wanted)
        return {"changed": True}

    def set_unit(self, unit: str, wanted: str) -> None:
        verb = "start" if wanted == "active" else "stop"
        call = f"{verb} {unit.removesuffix('.service')}"
        self.log(call)
        self.state["units"][unit] = wanted
        if unit == self.decides():
            self.elect()
        elif unit == "etcd.service":
            self.state["voters"] = re.findall(r"([^=,]+)=(https:[^,\n]+)", self.path(FIRST_START).read_text("utf-8"))

    def decides(self) -> str:
        """The unit by which this node of a pair is elected."""
        return AGENT if AGENT in self.state["units"] else KEEPALIVED

    def on_tier_unit(self, given: Mapping[str, Any], check_mode: bool) -> Result:
        unit, wanted = given["name"], "active" if given.get("state", "started") == "started" else "inactive"
        texts = [path.read_text(encoding="utf-8") for name in given["files"] if (path := self.path(name)).is_file()]
        stamp = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        before = self.state["stamps"].get(unit)
        if self.state["units"].get(unit, "inactive") == wanted and (wanted == "inactive" or before == stamp):
            return {"changed": False, "actions": []}
        if not check_mode:
            if self.state["units"].get(unit) == wanted:
                self.log(f"reload {unit.removesuffix('.service')}")
            else:
                self.set_unit(unit, wanted)
            self.state["stamps"][unit] = stamp
        return {"changed": True, "actions": ["start"]}

    def on_tier_election(self, given: Mapping[str, Any], check_mode: bool) -> Result:
        unit = {"joined": "started", "left": "stopped"}.get(given["state"])
        if unit:
            return self.on_systemd_service({"name": self.decides(), "state": unit}, check_mode)
        is_late = given["state"] == "active" and not check_mode and not self.is_active()
        return {"changed": False, "failed": True, "msg": "This node is not active"} if is_late else dict(OK)

    def on_tier_files(self, _given: Mapping[str, Any], _check_mode: bool) -> Result:
        return {"changed": False, "count": 0}

    def on_run_lock(self, given: Mapping[str, Any], _check_mode: bool) -> Result:
        if given.get("state") == "absent":
            self.log("unlock")
            return {"changed": False, "held": False}
        if self.fault("lock"):
            return {"changed": False, "held": False, "refused_by": OTHER_RUN}
        self.log("lock")
        return {"changed": False, "held": True}

    def on_tier_host(self, given: Mapping[str, Any], _check_mode: bool) -> Result:
        now = time.time()
        clock = {"synchronized_by": ["chrony"], "named": given.get("time_service", ""), "began": now, "ended": now}
        return {"changed": False, "findings": [], "clock": clock, "ssh": {"connection": "", "ports": [22]}}

    def on_tier_firewall(self, given: Mapping[str, Any], check_mode: bool) -> Result:
        from ansible_collections.distributed.tiers.plugins.modules import tier_firewall

        name = str(tier_firewall.host_checks.FIREWALL)
        rules, deployed = given["content"], self.read(name)
        keep = given["keep_former"]
        former = tier_firewall.former_rules(rules, deployed, keep)
        rules = tier_firewall.add_rules(rules, former, keep)
        if rules != deployed and not check_mode:
            self.write(name, rules)
            after, before = ({*tier_firewall.planned_edges(text)} for text in (rules, deployed))
            changes = {"close former ports": before - after, "open planned ports": after - before}
            self.log(next((call for call, edges in changes.items() if edges), "load the firewall"))
        return {"changed": rules != deployed, "former": former}

    def on_tier_voter(self, _given: Mapping[str, Any], _check_mode: bool) -> Result:
        members = [{"id": name, "name": name, "peer": url, "learner": False} for name, url in self.state["voters"]]
        runs = bool(members)
        found = {"has_data": runs, "is_established": runs, "token": "", "answers": runs, "healthy": runs, "why": ""}
        return {"changed": False, **found, "voter": {"id": self.name, "learner": False, "members": members}}

    def on_command(self, given: Mapping[str, Any], check_mode: bool) -> Result:
        words = [*map(str, given.get("argv") or shlex.split(given.get("cmd") or given.get("_raw_params") or ""))]
        if given.get("_uses_shell"):
            return self.shell(given.get("cmd") or given.get("_raw_params") or "")
        if words[0] == "fake-product":
            return self.product(words[1], *words[2:])
        if given.get("creates") and self.path(given["creates"]).exists():
            return answer(0)
        if check_mode:
            return {"changed": False, "skipped": True, "rc": 0, "stdout": "", "stderr": ""}
        if words[0] == "ip":
            return answer(0, '[{"ifname": "eth0"}]')
        if words[-1] == "is-active":
            return answer(0 if self.is_active() else 1)
        if words[0].endswith("/failover-agent") and words[1] in ("pause", "resume"):
            self.log(" ".join(words[1:]))
            (self.home / "paused").write_text(json.dumps(words[1] == "pause"), encoding="utf-8")
            return answer(0)
        if words[0] == "test":
            return answer(0 if self.path(words[-1]).exists() else 1)
        if words[0] == "grep":
            return answer(0 if words[2] in self.read(words[3]) else 1)
        if words[:2] == ["systemctl", "is-active"]:
            return answer(0 if self.state["units"].get(words[2]) == "active" else 3)
        if words[:2] == ["systemctl", "is-enabled"]:
            return answer(0 if words[2] in self.state["units"] else 1)
        if words[0] == "nft" and words[1] == "list":
            return answer(0 if words[-1] in self.state["tables"] else 1)
        rules = given.get("stdin") or (self.read(words[2]) if words[:2] == ["nft", "--file"] else "")
        if words[0] == "nft" and (table := re.search(r"table inet (\w+)", str(rules))):
            self.log(f"load {table[1]}")
            self.state["tables"] = sorted({*self.state["tables"], table[1]})
        return answer(0)

    def shell(self, text: str) -> Result:
        if "delete table inet tiers_drain" in text and "tiers_drain" in self.state["tables"]:
            self.state["tables"].remove("tiers_drain")
            self.log("start traffic")
            return answer(0, "removed")
        if "failover-agent is-active" in text:
            return answer(0 if self.is_active() else 1)
        return answer(0)

    def script(self, words: list[str]) -> Result:
        """The script of the pool at a distributor: `disable MEMBER SECONDS` or `enable MEMBER`."""
        verb, member = words[0], words[1]
        if fault := self.fault(f"{verb} {member}"):
            return self.failed(f"{verb} {member}", fault)
        if (member in self.state["out"]) == (verb == "disable"):
            return answer(0)
        self.log(f"{verb} {member}")
        self.state["out"] = (
            [*self.state["out"], member] if verb == "disable" else [m for m in self.state["out"] if m != member]
        )
        return answer(0, f"{member} {verb}")

    # ---- the product

    def product(self, entry: str, *words: str) -> Result:
        """An entry point of the product role. A unit runs with the files that were written when it started."""
        self.log(entry)
        if fault := self.fault(entry):
            return self.failed(entry, fault)
        product = self.state["product"]
        if entry.startswith("configure_"):
            product |= {"written": list(words), "installed": words[0]}
            if product.get("running") and product["running"] != product["written"]:
                return answer(0, "reload" if product["running"][:2] == product["written"][:2] else "restart")
        elif entry == "start":
            if product.get("running") and product["running"][0] != product["written"][0]:
                product["previous"] = product["running"][0]
            product["running"] = product["written"]
        elif entry == "stop":
            product["running"] = None
        elif entry == "drain":
            self.state["tables"] = sorted({*self.state["tables"], "tiers_drain"})
        elif entry == "undrain":
            self.state["tables"] = [table for table in self.state["tables"] if table != "tiers_drain"]
        elif entry == "earlier":
            return answer(
                0, json.dumps({"from": (product.get("running") or [""])[0], "to": product.get("previous", "")})
            )
        elif entry == "roll_back":
            product["written"] = [product["previous"], *product["written"][1:]]
        elif entry == "remove":
            self.state["product"] = {}
        return answer(0)

    def failed(self, call: str, fault: str) -> Result:
        if fault == "kill":
            os.kill(RUN, signal.SIGKILL)
            os._exit(1)
        return answer(1, f"{call} fails on {self.name}") | {"failed": True, "msg": f"{call} fails on {self.name}"}

    # ---- what a host shows

    def is_active(self) -> bool:
        """Whether this node of an active/standby pair serves."""
        return self.name in self.holders() and "serve" not in self.faults().get(self.name, {})

    def holders(self) -> list[str]:
        """The nodes that were elected."""
        path = self.home / "holders"
        return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []

    def elect(self) -> None:
        """A node that joins is elected if its peer is not; one that leaves is replaced by its peer."""
        pairs = json.loads((self.home / "pairs").read_text(encoding="utf-8"))
        (peer,) = set(pairs[self.name]) - {self.name}
        holders = {*self.holders()}
        if self.state["units"][self.decides()] == "active":
            holders |= {self.name} if peer not in holders else set()
        elif self.name in holders:
            holders.remove(self.name)
            holders |= {peer} if self.other(peer)["units"].get(self.decides()) == "active" else set()
        (self.home / "holders").write_text(json.dumps(sorted(holders)), encoding="utf-8")

    def on_tier_probe(self, given: Mapping[str, Any], _check_mode: bool) -> Result:
        self.log("probe")
        edges = [self.seen(edge) for edge in given.get("edges") or []]
        wrong = [f"{edge['name']}: {edge['why']}" for edge in edges if not edge["ok"]]
        result: Result = {"changed": False, "edges": edges}
        return result | ({"failed": True, "msg": "; ".join(wrong)} if wrong else {})

    def seen(self, edge: Mapping[str, Any]) -> Result:
        # Ansible's loader of collections is there only once its command runs.
        from ansible_collections.distributed.tiers.plugins.module_utils.probing import traffic

        found: Result = {"address": None, "port": None, "expect": "open", **edge}
        found |= {"role": edge.get("role"), "position": {"m1": "000001"}, "digest": "d", "at": time.time()}
        state = self.state if edge["name"] == self.name else self.other(edge["name"])
        protocol = edge["protocol"]
        if protocol == "drained":
            record = self.path(f"{FACTS}/tiers_drained.fact")
            judged = traffic.judge(
                record.read_text(encoding="utf-8") if record.exists() else None,
                has_table="tiers_drain" in state["tables"],
                failover_stopped="keepalived" if state["units"].get(KEEPALIVED) == "inactive" else "",
                is_deployed=self.path(f"{FACTS}/tiers.fact").exists(),
            )
            reachable = judged.state in (traffic.DRAINED, traffic.INTERRUPTED)
            found |= {"traffic": judged.state, "why": judged.why}
        elif protocol in ("active", "address"):
            reachable = self.is_active()
            if (paused := self.home / "paused").exists():
                is_paused = json.loads(paused.read_text(encoding="utf-8"))
                found["lease"] = {"holder": "", "paused": is_paused, "paused_until": 0, "age": 0.1, "ttl": 3.0}
        elif protocol == "haproxy":
            names = [*edge.get("up", []), *(name for names in edge.get("one_up_of", []) for name in names)]
            found["servers"] = {name: self.backend(name) for name in names}
            reachable = True
        elif str(edge["address"]).startswith(f"{edge['name']}."):
            reachable = "old machine" in self.faults().get(edge["name"], {})
        elif protocol in ("port", "writes") or not state["product"]:
            reachable = self.state["units"].get("haproxy.service") == "active" or protocol in ("port", "writes")
        else:
            reachable = self.answers(edge["name"])
        ok = reachable == (edge.get("expect", "open") == "open") or edge.get("expect") == "either"
        found |= {"reachable": reachable, "ok": ok, "refused_by": None if reachable else "closed"}
        return (
            found if ok else {"why": "connection refused"} | found | ({} if found.get("why") else {"why": "is closed"})
        )

    def backend(self, name: str) -> str:
        """The state of a server at the HAProxy of this host."""
        if name in self.state["out"]:
            return "DRAIN"
        return "UP" if self.answers(name) and "tiers_drain" not in self.other(name)["tables"] else "DOWN"

    def answers(self, name: str) -> bool:
        """Whether the product of this or another host runs and answers. A node that is elected starts it."""
        state = self.state if name == self.name else self.other(name)
        is_running = bool(state["product"].get("running")) or name in self.holders()
        return is_running and "answer" not in self.faults().get(name, {})


def answer(code: int, stdout: str = "") -> Result:
    return {"changed": True, "rc": code, "stdout": stdout, "stderr": "", "stdout_lines": stdout.splitlines()}


def install(home: Path) -> None:
    """Have the fake hosts answer in place of real ones."""

    def host_of(action: ActionBase) -> Host:
        run_for = str(action._templar.available_variables["inventory_hostname"])
        return Host(home, str(action._task.delegate_to or run_for), run_for)

    def execute_module(
        self: ActionBase,
        module_name: Any = None,
        module_args: Any = None,
        tmp: Any = None,
        task_vars: Any = None,
        **_: Any,
    ) -> Result:
        given = json.loads(json.dumps(self._task.args if module_args is None else module_args, default=str))
        with host_of(self).opened() as host:
            result = host.call(str(module_name or self._task.action), given, bool(self._task.check_mode))
        # Where a module itself fails for its code, Ansible's `command` sets this.
        if result.get("rc") and "failed" not in result:
            result |= {"failed": True, "msg": "non-zero return code"}
        return result

    def make_tmp_path(self: ActionBase, remote_user: Any = None) -> str:
        self._connection._shell.tmpdir = tempfile.mkdtemp(dir=home / "sent")
        return str(self._connection._shell.tmpdir)

    def transfer_file(self: ActionBase, local_path: str, remote_path: str) -> str:
        Path(remote_path).write_bytes(Path(local_path).read_bytes())
        return remote_path

    def low_level(self: ActionBase, cmd: str, **_: Any) -> Result:
        words = shlex.split(cmd)
        script = next((place for place, word in enumerate(words) if word.endswith("pool_member.py")), None)
        if script is None:
            return {"rc": 0, "stdout": "", "stdout_lines": [], "stderr": "", "stderr_lines": []}
        with host_of(self).opened() as host:
            return {"stderr_lines": [], **host.script(words[script + 1 :])}

    def nothing(self: ActionBase, *_: Any, **__: Any) -> None:
        return None

    ActionBase._execute_module = execute_module
    ActionBase._make_tmp_path = make_tmp_path
    ActionBase._transfer_file = transfer_file
    ActionBase._low_level_execute_command = low_level
    ActionBase._fixup_perms2 = nothing
    ActionBase._remove_tmp_path = nothing


def run_tasks_in_place() -> None:
    """Have the run execute its tasks itself, in order: two thirds of the time goes into a process for each of them.

    From ansible-core 2.21 on, a task calls the run back and waits for its answer, so there it needs its own process.
    """

    def start(self: WorkerProcess) -> None:
        host, task, streams = self._host, self._task, (sys.stdin, sys.stdout, sys.stderr)
        vars_before, groups_before = host.vars, host.groups
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._task = task.copy()
        self._new_stdin = None  # of ansible-core 2.18
        try:
            self.run()
        finally:
            host.vars, host.groups = vars_before, groups_before
            sys.stdin, sys.stdout, sys.stderr = streams
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def detach(self: WorkerProcess) -> None:
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()

    def hard_exit(self: WorkerProcess, e: str) -> None:
        raise RuntimeError(e)

    WorkerProcess.start = start
    WorkerProcess._detach = detach
    WorkerProcess._hard_exit = hard_exit
    Display.set_queue = lambda self, queue: None


def has_rpc_host() -> bool:
    """Whether this ansible-core needs a process for each task, as 2.21 does."""
    internal = importlib.util.find_spec("ansible._internal")
    return internal is not None and importlib.util.find_spec("ansible._internal._rpc_host") is not None


def main() -> None:
    from ansible.cli.playbook import main as playbook

    home = Path(sys.argv[1])
    (home / "sent").mkdir(exist_ok=True)
    install(home)
    if not has_rpc_host():
        run_tasks_in_place()
    playbook(["ansible-playbook", *sys.argv[2:]])


if __name__ == "__main__":
    main()
