# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let clients in only while the kernel counts down a lease.

The gate is an nftables table. Each countdown is a set of its own whose only element, the port, has a timeout. `count`
creates it before the lease is renewed. `open` makes it the one that counts after etcd has answered, and leaves its
timeout alone: an agent that is stopped between any two of its steps cannot lengthen it. (Adding an element that is
there does not renew its timeout, and a relative timeout that is set after the answer would start when the agent goes
on.)

The gate holds packets in both directions, of established connections, too: a write that a client sent before it
closed is not acknowledged afterwards. The host itself and the peer of the pair pass.

libnftables runs within this process. A program `nft` would need 20 times the processor time, and could outlive its
agent.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass

TABLE = "tiers_lease"


@dataclass(frozen=True)
class Ports:
    port: int
    peer: str  # address of the peer of the pair, or empty


def closed(ports: Ports) -> str:
    """The commands that create the gate, closed, whether it was there or not."""
    family = "ip6" if ":" in ports.peer else "ip"
    incoming = f"{family} saddr {ports.peer} accept" if ports.peer else ""
    outgoing = f"{family} daddr {ports.peer} accept" if ports.peer else ""
    return f"""
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
  chain lease_in {{ }}
  chain lease_out {{ }}
  chain input {{
    type filter hook input priority 20; policy accept;
    iif lo accept
    {incoming}
    tcp dport {ports.port} jump lease_in
    tcp dport {ports.port} reject with tcp reset
  }}
  chain output {{
    type filter hook output priority 20; policy accept;
    oif lo accept
    {outgoing}
    tcp sport {ports.port} tcp flags & rst == rst accept comment "what the chain input answers"
    tcp sport {ports.port} jump lease_out
    tcp sport {ports.port} drop
  }}
}}
"""


def count(countdown: str, seconds: float, ports: Ports) -> str:
    milliseconds = int(seconds * 1000)
    elements = f"elements = {{ {ports.port} timeout {milliseconds}ms }};"
    return f"add set inet {TABLE} {countdown} {{ type inet_service; flags timeout; {elements} }}\n"


def opened(countdown: str) -> str:
    return (
        f"flush chain inet {TABLE} lease_in\n"
        f"flush chain inet {TABLE} lease_out\n"
        f"add rule inet {TABLE} lease_in tcp dport @{countdown} accept\n"
        f"add rule inet {TABLE} lease_out tcp sport @{countdown} accept\n"
    )


class Nftables:
    """libnftables, as the program `nft` uses it. Each call is one transaction of the kernel."""

    def __init__(self) -> None:
        library = ctypes.CDLL("libnftables.so.1")
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        buffers = ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer")
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", *buffers):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        for name in buffers:
            getattr(library, name).restype = ctypes.c_char_p
        self.library, self.context = library, ctypes.c_void_p(library.nft_ctx_new(0))
        library.nft_ctx_buffer_output(self.context)
        library.nft_ctx_buffer_error(self.context)

    def run(self, commands: str) -> str:
        """The output of the commands. OSError: they had no effect."""
        if self.library.nft_run_cmd_from_buffer(self.context, commands.encode()):
            reason = self.library.nft_ctx_get_error_buffer(self.context) or b""
            raise OSError(reason.decode(errors="replace").strip() or "nftables refused the commands")
        return (self.library.nft_ctx_get_output_buffer(self.context) or b"").decode(errors="replace")


class Gate:
    """The gate of this node. The start of the agent and a number name each countdown."""

    def __init__(self, nftables: Nftables, ports: Ports, started: int) -> None:
        self.nftables, self.ports, self.started = nftables, ports, started
        self.open_name = ""
        self.names: set[str] = set()

    def _name(self, countdown: int) -> str:
        return f"lease_{self.started}_{countdown}"

    def exists(self) -> bool:
        try:
            return bool(self.nftables.run(f"list chain inet {TABLE} input"))
        except OSError:
            return False

    def adopt(self) -> bool:
        """Whether the kernel has the gate of these ports, closed or with the countdown of an agent before this one."""
        try:
            found = self.nftables.run(f"list table inet {TABLE}")
        except OSError:
            return False
        if f"dport {self.ports.port} jump" not in found or self.ports.peer not in found:
            return False
        self.names = set(re.findall(r"set (lease_\w+) {", found))
        self.open_name = next(iter(re.findall(r"@(lease_\w+)", found)), "")
        return True

    def close(self) -> None:
        self.nftables.run(closed(self.ports))
        self.names, self.open_name = set(), ""

    def count(self, countdown: int, seconds: float) -> None:
        name = self._name(countdown)
        unused = "".join(f"delete set inet {TABLE} {each}\n" for each in sorted(self.names - {self.open_name}))
        self.nftables.run(unused + count(name, seconds, self.ports))
        self.names = {name, self.open_name} - {""}

    def open(self, countdown: int) -> None:
        name = self._name(countdown)
        self.nftables.run(opened(name))
        self.open_name = name
