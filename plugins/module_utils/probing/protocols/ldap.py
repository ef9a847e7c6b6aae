# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LDAP through python-ldap, that is through libldap, the library that the directory's own clients use."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ansible_collections.distributed.tiers.plugins.module_utils.probing.protocols.base import (
    OPERATIONS,
    Access,
    Endpoint,
    Observation,
    Session,
    Unavailable,
)


def import_library() -> Any:
    """python-ldap, None if it is missing."""
    try:
        import ldap as library
        import ldap.filter
    except ImportError:
        return None
    return library


ldap: Any = import_library()

_T = TypeVar("_T")

# Below every size limit a server may have by default (500).
_PAGE = 200
# A quick digest reads the entries up to so many (6,850 took at most 0.14 s), else it only counts them.
_QUICK = 20_000
# Attempts to read the content while nothing is written.
_ATTEMPTS = 3
_PAUSE = 0.2

MISSING = "python-ldap is missing on this host (Debian: python3-ldap; the product's client role installs it)"


def uri(endpoint: Endpoint) -> str:
    """The endpoint as libldap wants it."""
    if endpoint.local:
        return "ldapi:///"
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{endpoint.protocol}://{host}:{endpoint.port}"


def position(values: Sequence[str]) -> dict[str, str]:
    """contextCSN values by the server that wrote: `20260101000000.000000Z#000000#001#000000` is server 1's."""
    return {value.split("#")[2].lstrip("0") or "0": value for value in values if value.count("#") == 3}


class LdapSession:
    """One connection that is bound."""

    def __init__(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> None:
        global ldap
        # Mitogen keeps an interpreter for the whole run, and this module in it, from before the library was installed.
        ldap = ldap or import_library()
        if ldap is None:
            raise Unavailable(MISSING)
        self._access = access
        self._timeout = timeout
        self.server = endpoints[0].name
        self._connection: Any = ldap.initialize(" ".join(map(uri, endpoints)))
        try:
            self._ask(lambda: self._open(endpoints, access, timeout))
        except Unavailable:
            self.close()
            raise

    def _open(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> None:
        connection = self._connection
        connection.protocol_version = ldap.VERSION3
        for option, value in (
            (ldap.OPT_NETWORK_TIMEOUT, timeout),
            (ldap.OPT_TIMEOUT, timeout),
            (ldap.OPT_REFERRALS, 0),
            # A TLS handshake has no timeout of its own: keepalives find out that the other end is gone.
            (ldap.OPT_X_KEEPALIVE_IDLE, 2),
            (ldap.OPT_X_KEEPALIVE_PROBES, 2),
            (ldap.OPT_X_KEEPALIVE_INTERVAL, 1),
            (ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND),
            (ldap.OPT_X_TLS_CACERTFILE, access.ca_path),
            (ldap.OPT_X_TLS_CERTFILE, access.certificate_path),
            (ldap.OPT_X_TLS_KEYFILE, access.key_path),
            (ldap.OPT_X_TLS_NEWCTX, 0),  # makes the TLS options above count: must be the last
        ):
            if value is not None:
                connection.set_option(option, value)
        if endpoints[0].local:
            connection.sasl_external_bind_s()
        else:
            connection.simple_bind_s(access.user or "", access.password or "")
            self.server = self._peer(endpoints)

    def _peer(self, endpoints: Sequence[Endpoint]) -> str:
        """Which of the endpoints libldap took."""
        with socket.socket(fileno=self._connection.get_option(ldap.OPT_DESC)) as borrowed:
            try:
                address, port = borrowed.getpeername()[:2]
            finally:
                borrowed.detach()  # the descriptor is libldap's
        for endpoint in endpoints:
            if (endpoint.address, endpoint.port) == (address, port):
                return endpoint.name
        return f"{address}:{port}"

    def _ask(self, question: Callable[[], _T]) -> _T:
        try:
            return question()
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT) as error:
            raise Unavailable(_text(error), lost=True) from error
        except ldap.LDAPError as error:
            raise Unavailable(_text(error)) from error

    def search(self, base: str, scope: int, what: str, attributes: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        found = self._ask(
            lambda: self._connection.search_ext_s(base, scope, what, list(attributes), timeout=self._timeout)
        )
        return [(name, values) for name, values in found if name is not None]

    def read(self) -> None:
        if not self.search(self._access.base, ldap.SCOPE_BASE, "(objectClass=*)", ["entryUUID"]):
            raise Unavailable(f"{self._access.base} is not there or may not be read")

    def write(self, name: str) -> None:
        entry = [("objectClass", [b"organizationalRole"]), ("cn", [name.encode()])]
        self._ask(lambda: self._connection.add_s(self._row(name), entry))

    def names(self, prefix: str) -> set[str]:
        """Rows whose names begin with the prefix. More than the server gives at once: it refuses, and so does this."""
        rows = self.search(self._access.rows, ldap.SCOPE_ONELEVEL, _begins(prefix), ["cn"])
        return {values["cn"][0].decode() for _dn, values in rows}

    def remove(self, prefix: str) -> int:
        removed = 0
        while page := self._page(prefix):
            for dn in page:
                self._ask(lambda dn=dn: self._delete(dn))  # type: ignore[misc]
            removed += len(page)
        return removed

    def _delete(self, dn: str) -> None:
        with contextlib.suppress(ldap.NO_SUCH_OBJECT):  # a replica may still list what is gone
            self._connection.delete_s(dn)

    def _page(self, prefix: str) -> list[str]:
        """Some names, few enough for every size limit."""
        found: list[str] = []

        def ask() -> None:
            request = self._connection.search_ext(
                self._access.rows, ldap.SCOPE_ONELEVEL, _begins(prefix), ["1.1"], sizelimit=_PAGE
            )
            with contextlib.suppress(ldap.SIZELIMIT_EXCEEDED):
                while True:
                    kind, data, _id, _controls = self._connection.result3(request, all=0, timeout=self._timeout)
                    found.extend(dn for dn, _values in data if dn is not None)
                    if kind == ldap.RES_SEARCH_RESULT:
                        return

        self._ask(ask)
        return found

    def _row(self, name: str) -> str:
        return f"cn={name},{self._access.rows}"

    def role(self) -> str:
        """`replica` when the data's database sends writes elsewhere, as the server's monitor tells."""
        databases = self.search(
            "cn=Databases,cn=Monitor", ldap.SCOPE_ONELEVEL, "(objectClass=*)", ["namingContexts", "monitorUpdateRef"]
        )
        base = _normal(self._access.base)
        for _dn, values in databases:
            contexts = [_normal(value.decode()) for value in values.get("namingContexts", [])]
            if any(base == context or base.endswith("," + context) for context in contexts if context):
                return "replica" if values.get("monitorUpdateRef") else "provider"
        raise Unavailable(f"cn=Monitor shows no database that holds {self._access.base}: its role cannot be seen")

    def position(self) -> dict[str, str]:
        for _dn, values in self.search(self._access.base, ldap.SCOPE_BASE, "(objectClass=*)", ["contextCSN"]):
            return position([value.decode() for value in values.get("contextCSN", [])])
        return {}

    def count(self) -> int | None:
        """How many entries the database of the base holds, as the server's monitor tells. None: it does not."""
        databases = self.search(
            "cn=Databases,cn=Monitor", ldap.SCOPE_ONELEVEL, "(olmMDBEntries=*)", ["namingContexts", "olmMDBEntries"]
        )
        for _dn, values in databases:
            if _normal(self._access.base) in (_normal(value.decode()) for value in values.get("namingContexts", [])):
                return int(values["olmMDBEntries"][0])
        return None

    def digest(self, most: int | None) -> str:
        """How many entries there are, and one hash over the UUID and the last change of each, in whatever order. Above
        `most` entries, the number alone."""
        counted = None if most is None else self.count()
        if counted is not None and most is not None and counted > most:
            return f"{counted} entries"
        mixed = entries = 0
        for _dn, values in self.search(
            self._access.base, ldap.SCOPE_SUBTREE, "(objectClass=*)", ["entryUUID", "entryCSN"]
        ):
            identity = b"".join([*values.get("entryUUID", []), b" ", *values.get("entryCSN", [])])
            mixed ^= int.from_bytes(hashlib.sha256(identity).digest()[:8], "big")
            entries += 1
        return f"{entries} entries, {mixed:016x}"

    def close(self) -> None:
        with contextlib.suppress(ldap.LDAPError):
            self._connection.unbind_ext_s()


class Ldap:
    """ldap://, ldaps:// (certificate verified) and, as root on the server itself, ldapi://."""

    def offers(self, access: Access) -> frozenset[str]:
        return frozenset(OPERATIONS)

    def observe(self, endpoint: Endpoint, access: Access, timeout: float) -> Observation:
        session = LdapSession([endpoint], access, timeout)
        try:
            session.read()
            return Observation(session.role(), session.position())
        finally:
            session.close()

    def digest(self, endpoint: Endpoint, access: Access, timeout: float, whole: bool) -> Observation:
        """Without a digest where something was written each time while the entries were read."""
        session = LdapSession([endpoint], access, timeout)
        try:
            for _attempt in range(_ATTEMPTS):
                before = session.position(), session.digest(None if whole else _QUICK)
                # slapd stores a change a little before it shows it in the position.
                time.sleep(_PAUSE)
                if before == (session.digest(None if whole else _QUICK), session.position())[::-1]:
                    return Observation(position=before[0], digest=before[1])
            return Observation(position=before[0])
        finally:
            session.close()

    def connect(self, endpoints: Sequence[Endpoint], access: Access, timeout: float) -> Session:
        return LdapSession(endpoints, access, timeout)


def _begins(prefix: str) -> str:
    return f"(cn={ldap.filter.escape_filter_chars(prefix)}*)"


def _normal(dn: str) -> str:
    return ",".join(part.strip().lower() for part in dn.split(","))


def _text(error: Exception) -> str:
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    parts = [str(details.get(key)) for key in ("desc", "info") if details.get(key)]
    return f"LDAP: {', '.join(parts) or type(error).__name__}"
