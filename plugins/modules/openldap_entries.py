#!/usr/bin/python
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: openldap_entries
short_description: Create the entries that an OpenLDAP master must have
version_added: 0.1.0
author: The distributed.tiers authors (@distributed)
description:
  - Creates the missing entries of a list in one call, on the server itself and as its root (C(ldapi), SASL EXTERNAL).
  - Creates the base of an empty directory only if no other server can have its data. If O(source) has data, the module
    waits until they arrive by replication.
options:
  base:
    description: The suffix. The first of O(entries) must be its entry.
    type: str
    required: true
  entries:
    description: Parents before children.
    type: list
    elements: dict
    required: true
    suboptions:
      dn:
        description: The name of the entry.
        type: str
        required: true
      attributes:
        description: Its attributes, each a value or a list of values.
        type: dict
        required: true
      exact:
        description: Whether the attributes of an existing entry are corrected. By default it is not changed.
        type: bool
        default: false
  only_children_of:
    description: Entries directly under this one that are not in O(entries) are removed.
    type: str
  passwords:
    description:
      - Passwords by the names of accounts, each a text or a list of texts. An account accepts exactly these. They are
        set if a login with one of them fails, or if the account has another number of passwords.
      - Several passwords of an account are stored as SHA-512 hashes (C({CRYPT}$6$)), a single one as slapd is
        configured.
    type: dict
    default: {}
  source:
    description: URI of the other master, which is checked for data if this server has none.
    type: str
  begin:
    description: Whether an empty directory may be created here.
    type: bool
    default: true
  tls_directory:
    description: Directory of C(ca.crt), C(server.crt) and C(server.key) for the connection to O(source).
    type: path
    default: /etc/tiers/tls
  timeout:
    description: Seconds to wait for the server to answer, and for the data to arrive from O(source).
    type: int
    default: 60
requirements:
  - python-ldap
  - openssl, for an account with several passwords
attributes:
  check_mode:
    description: Reports the changes without making them.
    support: full
  diff_mode:
    description: Shows the names of the entries, never a password.
    support: full
"""

EXAMPLES = r"""
- name: Make the entries of the directory
  distributed.tiers.openldap_entries:
    base: dc=example,dc=org
    entries:
      - dn: dc=example,dc=org
        attributes: {objectClass: [top, dcObject, organization], dc: example, o: example}
      - dn: ou=people,dc=example,dc=org
        attributes: {objectClass: organizationalUnit, ou: people}
"""

RETURN = r"""
added:
  description: Names of the entries that were missing.
  type: list
  elements: str
  returned: always
modified:
  description: Names of the corrected entries.
  type: list
  elements: str
  returned: always
removed:
  description: Names of the removed entries.
  type: list
  elements: str
  returned: always
passwords_set:
  description: Accounts whose password was set.
  type: list
  elements: str
  returned: always
waited_for_source:
  description: Whether the data came from O(source).
  type: bool
  returned: always
"""

import time
import traceback
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import ldap
    import ldap.dn
    import ldap.modlist
    import ldap.sasl
except ImportError:
    LDAP_ERROR: str | None = traceback.format_exc()
else:
    LDAP_ERROR = None

LOCAL = "ldapi:///"


def normal(dn: str) -> str:
    """A name in one spelling, to compare by."""
    return ",".join("+".join(f"{attr}={value}" for attr, value, _flags in rdn) for rdn in ldap.dn.str2dn(dn.lower()))


def values_of(value: Any) -> list[bytes]:
    return [str(item).encode() for item in (value if isinstance(value, list) else [value])]


def connect(uri: str, timeout: int, tls: str | None = None) -> Any:
    connection = ldap.initialize(uri)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, timeout)
    connection.set_option(ldap.OPT_TIMEOUT, timeout)
    if tls:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, f"{tls}/ca.crt")
        connection.set_option(ldap.OPT_X_TLS_CERTFILE, f"{tls}/server.crt")
        connection.set_option(ldap.OPT_X_TLS_KEYFILE, f"{tls}/server.key")
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.sasl_non_interactive_bind_s("EXTERNAL")
    return connection


def read(connection: Any, dn: str) -> dict[str, list[bytes]] | None:
    try:
        found = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["*", "authzTo", "contextCSN"])
    except ldap.NO_SUCH_OBJECT:
        return None
    return {name.lower(): values for name, values in found[0][1].items()} if found else None


def opens(dn: str, password: str) -> bool:
    try:
        ldap.initialize(LOCAL).simple_bind_s(dn, password)
    except ldap.INVALID_CREDENTIALS:
        return False
    return True


class Entries:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.until = time.monotonic() + self.params["timeout"]
        self.result: dict[str, Any] = {
            "added": [], "modified": [], "removed": [], "passwords_set": [], "waited_for_source": False,
        }  # fmt: skip
        self.connection = self.wait_for_server()

    def wait_for_server(self) -> Any:
        while True:
            try:
                return connect(LOCAL, 5)
            except ldap.SERVER_DOWN as error:
                if time.monotonic() > self.until:
                    self.module.fail_json(msg=f"slapd does not answer on {LOCAL}: {error}. See: journalctl -u slapd")
            time.sleep(0.5)

    def is_whole(self, connection: Any) -> bool:
        """Whether the first copy is complete. An incomplete one has entries, but no contextCSN."""
        return "contextcsn" in (read(connection, self.params["base"]) or {})

    def source_is_whole(self) -> bool:
        try:
            return self.is_whole(connect(self.params["source"], 5, self.params["tls_directory"]))
        except (ldap.SERVER_DOWN, ldap.TIMEOUT):
            return False

    def obtain_data(self) -> None:
        """Have the data come from the other master, or see that they may be begun here."""
        base, source = self.params["base"], self.params["source"]
        if source and self.source_is_whole():
            self.result["waited_for_source"] = True
            while not self.is_whole(self.connection):
                if time.monotonic() > self.until:
                    self.module.fail_json(msg=f"{source} holds {base}, but not all came here. See: journalctl -u slapd")
                time.sleep(0.5)
        elif not self.params["begin"]:
            self.module.fail_json(
                msg=f"This server holds no {base}, {source or 'no other master'} does not give it, and other servers "
                "of the system run, or are not in this run (--limit): the data is elsewhere. Start the other master, "
                "or restore a dump; to begin an empty directory in spite of that, set "
                "product_openldap_begin: true."
            )

    def ensure(self, dn: str, attributes: dict[str, list[bytes]], exact: bool) -> None:
        present = read(self.connection, dn)
        if present is None:
            self.result["added"].append(dn)
            if not self.module.check_mode:
                self.connection.add_s(dn, ldap.modlist.addModlist(attributes))
        elif exact:
            wrong = {
                name: values
                for name, values in attributes.items()
                if sorted(present.get(name.lower(), [])) != sorted(values)
            }
            if wrong:
                self.result["modified"].append(dn)
                if not self.module.check_mode:
                    self.connection.modify_s(dn, [(ldap.MOD_REPLACE, name, values) for name, values in wrong.items()])

    def remove_others(self, parent: str, planned: set[str]) -> None:
        try:
            children = [dn for dn, unused in self.connection.search_s(parent, ldap.SCOPE_ONELEVEL, attrlist=["1.1"])]
        except ldap.NO_SUCH_OBJECT:
            return
        for dn in children:
            if normal(dn) not in planned:
                self.result["removed"].append(dn)
                if not self.module.check_mode:
                    self.connection.delete_s(dn)

    def set_passwords(self, dn: str, passwords: list[str]) -> None:
        """Have an account accept exactly these passwords. There is no moment in which it accepts none of them."""
        present = (read(self.connection, dn) or {}).get("userpassword", [])
        if len(present) == len(passwords) and all(opens(dn, password) for password in passwords):
            return
        self.result["passwords_set"].append(dn)
        if self.module.check_mode:
            return
        if len(passwords) == 1:
            self.connection.passwd_s(dn, None, passwords[0])
        else:
            hashes = [self.hashed(password) for password in passwords]
            self.connection.modify_s(dn, [(ldap.MOD_REPLACE, "userPassword", hashes)])

    def hashed(self, password: str) -> bytes:
        """slapd hashes only a password that replaces all others."""
        command = ["openssl", "passwd", "-6", "-stdin"]
        _code, hashed, _error = self.module.run_command(command, data=password, check_rc=True)
        return b"{CRYPT}" + str(hashed).strip().encode()

    def run(self) -> dict[str, Any]:
        if not self.is_whole(self.connection):
            self.obtain_data()
        for entry in self.params["entries"]:
            attributes = {name: values_of(value) for name, value in entry["attributes"].items()}
            try:
                self.ensure(entry["dn"], attributes, entry["exact"])
            except ldap.LDAPError as error:
                self.module.fail_json(msg=f"{entry['dn']}: {error}", **self.result)
        if self.params["only_children_of"]:
            self.remove_others(
                self.params["only_children_of"], {normal(entry["dn"]) for entry in self.params["entries"]}
            )
        for dn, given in self.params["passwords"].items():
            self.set_passwords(dn, list(dict.fromkeys(given if isinstance(given, list) else [given])))
        changes = [
            f"{what} {dn}" for what in ("added", "modified", "removed", "passwords_set") for dn in self.result[what]
        ]
        self.result["changed"] = bool(changes)
        self.result["diff"] = {"before": "", "after": "".join(f"{change}\n" for change in changes)}
        return self.result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "base": {"type": "str", "required": True},
            "entries": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "dn": {"type": "str", "required": True},
                    "attributes": {"type": "dict", "required": True},
                    "exact": {"type": "bool", "default": False},
                },
            },
            "only_children_of": {"type": "str"},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "source": {"type": "str"},
            "begin": {"type": "bool", "default": True},
            "tls_directory": {"type": "path", "default": "/etc/tiers/tls"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if LDAP_ERROR:
        module.fail_json(msg=missing_required_lib("python-ldap"), exception=LDAP_ERROR)
    try:
        module.exit_json(**Entries(module).run())
    except ldap.LDAPError as error:
        module.fail_json(msg=f"The directory refused: {error}")


if __name__ == "__main__":
    main()
