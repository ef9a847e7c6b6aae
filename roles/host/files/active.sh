#!/bin/sh
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Is this server the active node of its pair? Any user may ask.
#   prints active (exit code 0), promoting or standby (1), unknown (2, with the reason on stderr)
# What each word means, and how late it may be: docs/describe.md. Its settings lie beside it.
set -u
one_serves='' run=''
# shellcheck source=/dev/null
. "$(dirname "$0")/active.conf" || exit 2

answer() {
    echo "$1"
    exit "$2"
}

# The failover agent holds this lock as long as it runs. Without the agent nobody follows the elections.
agent_runs() { ! flock --nonblock --shared "$run/watch.lock" true; }

# A product that elects the node by itself says which one it is.
is_leader=$(dirname "$0")/is-leader
if [ -x "$is_leader" ]; then
    why=$("$is_leader" 2>&1)
    case $? in
        0) answer active 0 ;;
        1) answer standby 1 ;;
        *) echo "$why" >&2 && answer unknown 2 ;;
    esac
fi
[ "$one_serves" = true ] || answer active 0
state_file=$run/state
# The agent before 0.1.0 wrote this file, in other words, and may run until keepalived is reloaded.
[ ! -e "$run/turn" ] || state_file=$run/turn
# A boot empties this directory: nobody is active until elected.
[ -e "$state_file" ] || answer standby 1
read -r state _ <"$state_file" || answer unknown 2
case $state in
    active | serving) ;;
    promoting | taking) answer promoting 1 ;;
    *) answer standby 1 ;;
esac
[ -r "$run/watch.lock" ] || answer unknown 2
# A reload of keepalived replaces the agent within a moment.
agent_runs || { sleep 0.3 && agent_runs; } || answer standby 1
# With a lease, the kernel refuses clients from this moment, also if the agent was stopped. Seconds with two decimals.
if [ -e "$run/serves-until" ]; then
    read -r end <"$run/serves-until" && read -r now _ </proc/uptime || answer unknown 2
    [ "${end%.*}${end#*.}" -gt "${now%.*}${now#*.}" ] || answer standby 1
fi
answer active 0
