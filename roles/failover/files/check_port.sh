#!/usr/bin/env bash
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Does a program on this host accept connections? keepalived asks.
#   check-port PORT [PATH]    exit code 0 if it does, and answers PATH with 200 if one is given
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
[ $# = 1 ] && exit
printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
read -r -t 1 _ code _ <&3 && [ "$code" = 200 ]
