#!/usr/bin/env bash
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# May keepalived elect this node? The running failover agent writes it every second. To read it starts no other program.
#   check-electable RUN SECONDS    exit code 0 if it may. What the agent wrote in RUN is too old after so many seconds
set -u
run=$1 agent=${0%/*}/failover-agent
{
    read -r process <"$run/agent.pid" && kill -0 "$process" &&
        read -r code written <"$run/electable" && read -r now _ </proc/uptime
} 2>/dev/null || exec "$agent" check
[ $((${now%.*} - ${written%.*})) -le "$2" ] || exec "$agent" check
exit "$code"
