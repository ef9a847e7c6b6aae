# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A product's own command line client. Commands are lists of words, never lines for a shell; a password goes through
the environment only. Every command makes a connection of its own, so there is none to keep or to lose.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    OPERATIONS,
    Access,
    Endpoint,
    Observation,
    Session,
    Unavailable,
    first_that_answers,
    knock,
    observation,
)

# No answer to a probe is longer. A command that says more is ended.
LIMIT = 8 * 1024 * 1024
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


class CommandSession:
    """Runs the commands against the first endpoint that answers, looked for again each time."""

    def __init__(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> None:
        self._endpoints = endpoints
        self._access = access
        self._timeout = timeout
        self.server = self._answering().name

    def _answering(self) -> Endpoint:
        def listens(endpoint: Endpoint) -> None:
            refused_by, why, _ms = knock(endpoint, self._timeout)
            if refused_by:
                raise Unavailable(why, lost=True)

        try:
            return first_that_answers(self._endpoints, listens)[0]
        except Unavailable as error:
            raise Unavailable(str(error)) from error  # all were asked: no reason to ask again

    def run(self, operation: str, **values: str) -> str:
        """The command's standard output."""
        command = self._access.commands.get(operation)
        if not command:
            raise Unavailable(f"the product offers no command for this: access.commands.{operation}")
        endpoint = self._answering()
        self.server = endpoint.name
        known = {**_values(endpoint, self._access), **values}
        words = [_PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), str(word)) for word in command]
        environment = {f"TIERS_{key.upper()}": value for key, value in known.items()}
        password = self._access.commands.get("password") or self._access.password
        if password is not None:
            environment["TIERS_PASSWORD"] = password
        code, output, errors = execute(words, {**os.environ, **environment}, self._timeout)
        if code != 0:
            lines = [line.strip() for line in errors.splitlines() if line.strip()]
            what = f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
            reason = f"{operation}: {words[0]}: {what}" + (f": {lines[-1][:200]}" if lines else "")
            raise Unavailable(self._access.hide(reason))
        return output

    def read(self) -> None:
        self.run("read")

    def write(self, name: str) -> None:
        self.run("write", name=name)

    def names(self, prefix: str) -> set[str]:
        lines = (line.strip() for line in self.run("names", prefix=prefix).splitlines())
        return {line for line in lines if line and line.startswith(prefix)}

    def remove(self, prefix: str) -> int:
        found = self.names(prefix)
        if found:
            self.run("remove", prefix=prefix)
        return len(found)

    def status(self) -> Observation:
        return observation(self.run("status"), f"status: {self._access.commands['status'][0]}")

    def close(self) -> None:
        """Every command has ended already."""


class Command:
    """The driver that runs commands of the inventory."""

    def offers(self, access: Access) -> frozenset[str]:
        offered = {operation for operation in OPERATIONS if access.commands.get(operation)}
        return frozenset(offered if "names" in offered else offered - {"remove"})

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        session = CommandSession([endpoint], access, timeout)
        offered = self.offers(access)
        if "read" in offered:
            session.read()
        return session.status() if "status" in offered else Observation()

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session:
        return CommandSession(endpoints, access, timeout)


def _values(endpoint: Endpoint, access: Access) -> dict[str, str]:
    """The values of the placeholders and of the environment."""
    return {
        "address": endpoint.address,
        "port": str(endpoint.port),
        "user": access.commands.get("user") or access.user or "",
        "ca": access.ca_path or "",
        "certificate": access.certificate_path or "",
        "key": access.key_path or "",
    }


def execute(words: Sequence[str], environment: Mapping[str, str], timeout: float) -> tuple[int, str, str]:
    """Run a command and all it starts, no longer than `timeout` and for no more output than the limit: exit code,
    standard output and standard error."""
    try:
        # run_command limits neither time nor output, nor does it end what was started.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,  # so that what it starts ends with it
        )
    except (OSError, ValueError) as error:
        raise Unavailable(f"{words[0]} cannot be run: {getattr(error, 'strerror', None) or error}") from error
    output, errors = bytearray(), bytearray()
    deadline = time.monotonic() + timeout
    with process, selectors.DefaultSelector() as selector:
        for pipe, into in ((process.stdout, output), (process.stderr, errors)):
            selector.register(pipe, selectors.EVENT_READ, into)  # type: ignore[arg-type]
        try:
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Unavailable(f"{words[0]}: not done within {timeout:g} s")
                for key, _events in selector.select(left):
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                    key.data.extend(data)
                    if len(key.data) > LIMIT:
                        raise Unavailable(f"{words[0]}: it says more than {LIMIT} bytes")
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{words[0]}: not done within {timeout:g} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    return code, output.decode(errors="replace"), errors.decode(errors="replace")
