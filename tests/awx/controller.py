# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of AWX's REST API as the playbook `awx` uses: it stores, looks up, and refuses what AWX refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, StrictUndefined

from ansible_collections.distributed.tiers.plugins.module_utils.operations.awx import HIDDEN, survey_problems

TOKEN = "the-token"
# What AWX brings along.
BUILT_IN = {
    "credential_types": ["Machine", "Vault", "Ansible Galaxy/Automation Hub API Token"],
    "credentials": ["Ansible Galaxy"],
}
UNIFIED = ("job_templates", "projects", "inventory_sources", "workflow_job_templates", "workflow_approval_templates")
SECRET = ("ssh_key_data", "password", "become_password", "vault_password", "token")
DEFAULTS = {"inventories": {"kind": ""}}
# What refers to an object, by which field, and whether it is deleted with it.
REFERENCES: dict[str, dict[str, tuple[str, bool]]] = {
    "organizations": dict.fromkeys(
        ("job_templates", "workflow_job_templates", "projects", "inventories", "credentials"), ("organization", False)
    ),
    "job_templates": {"schedules": ("unified_job_template", True)},
    "workflow_job_templates": {"workflow_job_template_nodes": ("workflow_job_template", True)},
    "workflow_job_template_nodes": {"workflow_approval_templates": ("node", True)},
    "inventories": {"inventory_sources": ("inventory", True)},
    "projects": {"inventory_sources": ("source_project", True), "job_templates": ("project", False)},
}
RELATED = {"job_templates": ("survey_spec",), "projects": ("update",)}


class Controller:
    """The objects AWX has, and the requests it was sent that were to change something."""

    def __init__(self, playbooks: list[str]) -> None:
        self.playbooks = playbooks
        self.objects: dict[str, dict[int, dict[str, Any]]] = {}
        self.surveys: dict[int, Any] = {}
        self.links: dict[tuple[str, int, str], list[int]] = {}
        self.writes: list[tuple[str, str]] = []
        self.number = 0
        self.lock = threading.Lock()
        for kind, names in BUILT_IN.items():
            for name in names:
                self.add(kind, {"name": name, "managed": True})

    def add(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        self.number += 1
        url = f"/api/v2/{kind}/{self.number}/"
        related = {name: f"{url}{name}/" for name in RELATED.get(kind, ())}
        item = {**fields, "id": self.number, "type": kind.rstrip("s"), "url": url, "related": related}
        item["summary_fields"] = {}
        if kind == "projects":
            item["scm_revision"] = "abc"
        self.objects.setdefault(kind, {})[self.number] = item
        return item

    def named(self, kind: str, name: str) -> dict[str, Any]:
        (item,) = [item for item in self.objects.get(kind, {}).values() if item.get("name") == name]
        return item

    def linked(self, kind: str, name: str, link: str) -> list[str]:
        there = {number: item for items in self.objects.values() for number, item in items.items()}
        numbers = self.links.get((kind, self.named(kind, name)["id"], link), [])
        return [there[number].get("name", there[number].get("identifier")) for number in numbers]

    # One request. Returns a status and what is answered.

    def answer(self, method: str, url: str, data: Any) -> tuple[int, Any]:
        parts = urlsplit(url)
        path = [part for part in parts.path.split("/") if part][2:]
        if method != "GET":
            self.writes.append((method, "/".join("N" if part.isdigit() else part for part in path)))
        kind, rest = path[0], path[1:]
        if kind == "project_updates":
            status = {"status": "successful", "finished": True, "event_processing_finished": True, "failed": False}
            return 200, {**status, "scm_revision": "abc"}
        if not rest:
            return self.listed(kind, dict(parse_qsl(parts.query))) if method == "GET" else self.create(kind, data)
        item = self.objects.get(kind, {}).get(int(rest[0]))
        if item is None:
            return 404, {"detail": "Not found."}
        if rest[1:]:
            return self.below(method, kind, item, rest[1], data)
        if method == "GET":
            return 200, shown(item)
        if method == "DELETE":
            if kind == "credential_types" and self.credentials_of(item):
                return 403, {"detail": "Credential types that are in use cannot be deleted."}
            self.delete(kind, item["id"])
            return (202 if kind == "inventories" else 204), None
        problem = self.problem(kind, {**item, **data})
        if problem:
            return 400, problem
        if (
            kind == "credential_types"
            and data.get("inputs", item["inputs"]) != item["inputs"]
            and self.credentials_of(item)
        ):
            return 403, {"detail": "Modifications to inputs are not allowed for credential types that are in use"}
        item |= data
        return 200, shown(item)

    def credentials_of(self, credential_type: Mapping[str, Any]) -> list[dict[str, Any]]:
        every = self.objects.get("credentials", {}).values()
        return [item for item in every if item.get("credential_type") == credential_type["id"]]

    def delete(self, kind: str, number: int) -> None:
        """Delete an object and what AWX deletes with it; what else refers to it loses it."""
        del self.objects[kind][number]
        for other, (field, goes) in REFERENCES.get(kind, {}).items():
            for item in [*self.objects.get(other, {}).values()]:
                if item.get(field) != number:
                    continue
                if goes:
                    self.delete(other, item["id"])
                else:
                    item[field] = None
        for numbers in self.links.values():
            numbers[:] = [each for each in numbers if each != number]

    def listed(self, kind: str, query: dict[str, str]) -> tuple[int, Any]:
        kinds = UNIFIED if kind == "unified_job_templates" else (kind,)
        either = {key.removeprefix("or__"): value for key, value in query.items() if key.startswith("or__")}
        every = {key: value for key, value in query.items() if not key.startswith("or__")}
        found = [
            shown(item)
            for each in kinds
            for item in self.objects.get(each, {}).values()
            if all(str(item.get(key)) == value for key, value in every.items())
            and (not either or any(str(item.get(key)) == value for key, value in either.items()))
        ]
        return 200, {"count": len(found), "next": None, "results": found}

    def create(self, kind: str, data: dict[str, Any]) -> tuple[int, Any]:
        problem = self.problem(kind, data)
        if problem:
            return 400, problem
        given = {key: value for key, value in data.items() if value is not None}
        item = shown(self.add(kind, {**data, **DEFAULTS.get(kind, {}), **given}))
        # A new project is fetched at once.
        return 201, {**item, "summary_fields": {"current_update": {"id": item["id"]}}} if kind == "projects" else item

    def problem(self, kind: str, item: Mapping[str, Any]) -> Any:
        if kind == "job_templates" and item["playbook"] not in self.playbooks:
            return {"playbook": ["Playbook not found for project."]}
        if kind == "schedules" and not ("DTSTART:" in item["rrule"] and "INTERVAL=" in item["rrule"]):
            return {"rrule": ["DTSTART and INTERVAL are required."]}
        return None

    def below(self, method: str, kind: str, item: dict[str, Any], what: str, data: Any) -> tuple[int, Any]:
        if what == "survey_spec":
            if method == "GET":
                return 200, self.surveys.get(item["id"], {})
            if method == "POST" and (problems := [*survey_problems(data)] or ([] if data else ["empty"])):
                return 400, {"error": problems[0]}
            self.surveys[item["id"]] = data if method == "POST" else {}
            return 200, {}
        if what == "update":
            return 202, {"url": f"/api/v2/project_updates/{item['id']}/"}
        if what == "create_approval_template":
            approval = self.add("workflow_approval_templates", {"name": data["name"], "node": item["id"]})
            item["unified_job_template"] = approval["id"]
            item["related"]["unified_job_template"] = approval["url"]
            return 201, shown(approval)
        numbers = self.links.setdefault((kind, item["id"], what), [])
        if method == "GET":
            return 200, {"count": len(numbers), "next": None, "results": [{"id": number} for number in numbers]}
        numbers.remove(data["id"]) if data.get("disassociate") else numbers.append(data["id"])
        return 204, None

    def notification(self, name: str, event: str, variables: Mapping[str, Any]) -> tuple[str, str]:
        """The message that AWX sends about a job with these variables: the texts of the template, or its own with
        all of the job."""
        template = self.named("notification_templates", name)
        job = {"id": 7, "name": "tiers deploy", "status": "failed"}
        url = "https://awx.example/#/jobs/7"
        context = {
            "job_friendly_name": "Job",
            "job": job,
            "url": url,
            "workflow_url": url,
            "approval_node_name": "tiers approve the plan",
            "approval_status": "pending",
            "job_metadata": json.dumps({**job, "url": url, "extra_vars": variables}),
        }
        texts = template.get("messages") or {}
        texts = texts.get(event) or texts.get("workflow_approval", {}).get(event) or {}
        message, body = (texts.get(part) or "{{ job_metadata }}" for part in ("message", "body"))
        if template["notification_type"] == "webhook":
            message = ""
        environment = Environment(undefined=StrictUndefined, autoescape=False)
        return environment.from_string(message).render(context), environment.from_string(body).render(context)


def copy(controller: Controller) -> Controller:
    """A controller with the same objects, of which nothing was asked yet."""
    made = Controller(controller.playbooks)
    for name in ("objects", "surveys", "links", "number"):
        setattr(made, name, deepcopy(getattr(controller, name)))
    return made


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """The object as AWX shows it: without secrets."""
    inputs = item.get("inputs")
    if not isinstance(inputs, Mapping) or "fields" in inputs:
        return dict(item)
    hidden = {key: HIDDEN if key in SECRET or key.startswith(("tiers_", "product_")) else inputs[key] for key in inputs}
    return {**item, "inputs": hidden}


@contextmanager
def serving(controller: Controller) -> Iterator[str]:
    """The controller behind HTTP; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, answer = 401, {"detail": "Authentication credentials were not provided."}
            else:
                with controller.lock:
                    status, answer = controller.answer(self.command, self.path, json.loads(data) if data else {})
            body = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_request

        def log_message(self, *_arguments: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
