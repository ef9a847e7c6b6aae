# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done on the controller, by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: topology_validate
short_description: Check a tiered topology and compute its plan
version_added: 0.1.0
description:
  - Reads the inventory of the run, applies all rules to it and computes the plan, which has the client
    allocation, the permitted connections and the order of starts.
  - Runs on the controller without a connection to a host, so one task with C(run_once) is enough for all hosts.
  - Reports all findings at once and fails if one of them is an error.
  - Reads the deployed state from the local facts of the servers, if an earlier task gathered them. Without them the
    plan is made as for fresh hosts.
author:
  - The distributed.tiers authors (@distributed-tiers)
extends_documentation_fragment:
  - distributed.tiers.attributes
attributes:
  check_mode:
    support: full
    details: Changes only the files that O(write_plan) and O(write_findings) name, and in check mode no file.
  diff_mode:
    support: full
    details: The report lists each server whose deployed state differs from the plan.
options:
  previous:
    description:
      - The former allocation, C(allocation) in RV(plan) of an earlier run. As few clients as possible are moved from
        it.
      - Without it, the local facts of the servers have the deployed state.
    type: dict
  plan_file:
    description:
      - A file with RV(plan) of an earlier run as JSON. The module uses this plan instead of computing one.
      - Only the rules about single hosts are applied. It is a finding if the plan is damaged, belongs to another system
        or version, lacks a host of this inventory, or has other settings of a host.
    type: path
    version_added: 0.1.0
  plan:
    description: The same as O(plan_file), as data. Only one of the two can be given.
    type: dict
    version_added: 0.1.0
  part:
    description:
      - Whether the inventory may be a part of the one that the plan was made of, such as a slice of an AWX job. Without
        it, hosts that only the plan has are a finding.
      - Use it only for operations that treat each host by itself.
    type: bool
    default: false
    version_added: 0.1.0
  judges:
    description:
      - Whether the playbook reports the state of the running system and changes nothing. If no server can be read
        with O(deployed=read), the finding is then a warning, not an error, so that the playbook can report an outage
        of all servers.
    type: bool
    default: false
    version_added: 0.1.0
  deployed:
    description:
      - The source of the deployed state. With V(known), the local facts that this run or a fact cache has.
      - With V(none), nothing counts as deployed. The plan is computed as for fresh hosts.
      - With V(read), the records that C(playbooks/tasks/read.yml) read in this run. Servers that did not answer are a
        finding.
    type: str
    choices: [known, read, none]
    default: known
    version_added: 0.1.0
  digest:
    description:
      - The C(digest) of the plan that was approved. A plan with another digest is a finding.
    type: str
    version_added: 0.1.0
  brief:
    description:
      - Return the findings and the report only, and on failure only the message. With a large inventory, Ansible
        takes longer to copy the plan than to compute it.
    type: bool
    default: false
    version_added: 0.1.0
  artifacts:
    description: Pass RV(ansible_stats) to the next jobs of a workflow, as M(ansible.builtin.set_stats) does.
    type: bool
    default: false
    version_added: 0.1.0
  excerpt:
    description: Return RV(excerpt), too, for M(distributed.tiers.report_page).
    type: bool
    default: false
    version_added: 0.1.0
  write_plan:
    description:
      - Path of a file on the controller for RV(plan) as JSON. A relative path begins at the working directory.
      - With O(brief), a large plan is written here instead of returned.
    type: path
    version_added: 0.1.0
  write_findings:
    description: Path of a file on the controller for C(schema) 1 and RV(findings) as JSON, also if one is an error.
    type: path
    version_added: 0.1.0
seealso:
  - plugin: distributed.tiers.topology
    plugin_type: filter
    description: The same as a filter.
"""

EXAMPLES = r"""
- name: Check the inventory
  hosts: all
  gather_facts: false
  tasks:
    - name: Apply the rules and compute the plan
      distributed.tiers.topology_validate:
      run_once: true
      register: tiers_validation

    - name: Show the plan
      distributed.tiers.show:
        text: "{{ tiers_validation.report }}"
      run_once: true
"""

RETURN = r"""
excerpt:
  description: The part of the plan that a report shows, with clients as numbers.
  returned: success, with O(excerpt)
  type: dict
findings:
  description: The findings of the rules, errors first.
  returned: always, but not on failure with O(brief)
  type: list
  elements: dict
  contains:
    rule:
      description: Name of the rule. C(docs/rules.md) explains it.
      type: str
    severity:
      description: V(error) or V(warning).
      type: str
    host:
      description: The hosts it is about, for a person; null for the whole system. It names at most five.
      type: str
    hosts:
      description:
        - The names of the hosts, or of the clients of a population, each once and sorted.
        - The first 1,000 of RV(findings[].count); empty for the system as a whole.
      type: list
      elements: str
    count:
      description: How many hosts or clients it is about.
      type: int
    variable:
      description: The variable it is about, if any.
      type: str
    message:
      description: The problem.
      type: str
    remedy:
      description: How to repair it.
      type: str
    why:
      description: The operator's reason for overriding the severity of the rule, if there is one.
      type: str
  sample:
    - rule: backup-same-zone
      severity: warning
      host: m2
      hosts: [m2]
      count: 1
      variable: tiers_zone
      message: It is in the zone of its primary m1 (rack-a).
      remedy: Put the backup into another zone, or correct tiers_zone.
report:
  description: The plan and the findings as a text for a person. On failure the message has the findings.
  returned: when no finding is an error
  type: str
unread:
  description: The servers whose deployment record could not be read, with O(deployed=read).
  returned: always
  type: list
  elements: str
unread_report:
  description: A sentence about RV(unread), empty if there are none.
  returned: when no finding is an error
  type: str
answered:
  description: The hosts of the system that answered.
  returned: with O(deployed=read)
  type: list
  elements: str
lock_servers:
  description:
    - Up to three servers whose locks the run needs before it may change the system, in the order in which every run
      takes them with M(distributed.tiers.run_lock). So one of two runs that begin together can continue.
  returned: when no finding is an error, with O(deployed=read)
  type: list
  elements: str
ansible_stats:
  description:
    - The extra variables of the next jobs of an AWX workflow, as by M(ansible.builtin.set_stats) -
      C(tiers_plan_digest), C(tiers_plan_data) with the plan unless it is too large, and C(tiers_plan_summary), what
      changes and what the findings are, for anyone who approves the plan.
  returned: when no finding is an error, with O(artifacts)
  type: dict
preview:
  description:
    - The cost of a failure of each server, zone and site, the worst first.
    - Empty with O(plan_file). It was shown when the plan was computed.
  returned: when no finding is an error, without O(brief)
  type: list
  elements: dict
  contains:
    kind:
      description: V(server), V(zone) or V(site).
      type: str
    name:
      description: Name of the server, zone or site.
      type: str
    servers:
      description: The servers that fail with it.
      type: list
      elements: str
    lost:
      description: How many clients have no server then, and RV(preview[].lost_weight) their connections.
      type: int
    lost_weight:
      description: The connections of the clients that have no server then.
      type: int
    moved:
      description: The number of clients that move to each other server.
      type: dict
    moved_weight:
      description: The connections of the clients that go to other servers.
      type: int
    beyond_weight:
      description: The connections that exceed the capacities of their new servers.
      type: int
    fullest:
      description: The server that is fullest then.
      type: str
    fullest_percent:
      description: How full that is.
      type: int
    writes:
      description: Whether writes continue.
      type: bool
    pool:
      description: Whether the pool continues to serve; null without a pool.
      type: bool
difference:
  description: The changes that a deployment of this plan would make to the servers whose local facts were gathered.
  returned: when no finding is an error, without O(brief)
  type: dict
  contains:
    new:
      description: Servers on which nothing is deployed yet.
      type: list
      elements: str
    changed:
      description: For each server that changes, its changed settings, as deployed and as planned.
      type: dict
    retired:
      description: Servers of this system that are in no tier any more, with their former tier and number of clients.
      type: dict
    unseen:
      description: Servers that were not reached, or not asked.
      type: list
      elements: str
    same:
      description: How many servers stay as they are.
      type: int
    clients:
      description: The number of clients that move from one proxy to another, the largest number first. Null means no
        proxy.
      type: list
      elements: dict
loss:
  description: The failure that C(tiers_loss) names, in the form of RV(preview[]); null without one.
  returned: when no finding is an error, without O(brief)
  type: dict
plan:
  description: Everything computed from the inventory.
  returned: when no finding is an error, without O(brief)
  type: dict
  contains:
    schema:
      description: Version of this structure.
      type: int
    system:
      description: Name of the system.
      type: str
    domain:
      description: Domain under which the servers know each other.
      type: str
    digest:
      description: A digest of the plan. It does not depend on what is deployed.
      type: str
    servers:
      description: For each server the values that its roles read.
      type: dict
    clients:
      description: For each client host the servers that it connects to.
      type: dict
    edges:
      description: Every planned connection between two hosts of the inventory.
      type: list
      elements: dict
    waves:
      description: The servers in the order of their start, one list for each wave.
      type: list
      elements: list
    upgrade_order:
      description: The servers in the order in which they restart for another release.
      type: list
      elements: str
    allocation:
      description: The client allocation, its moves, and the result if a proxy fails.
      type: dict
    sites:
      description: Servers and clients of each site.
      type: dict
    findings:
      description: The findings that are no errors.
      type: list
      elements: dict
"""
