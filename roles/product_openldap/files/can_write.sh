#!/bin/sh
# Ends with 1 if an administrator set a database of slapd read-only. Other checks judge a slapd that does not answer.
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
! timeout 2 ldapsearch -LLLQ -Y EXTERNAL -H ldapi:/// -b cn=config '(olcReadOnly=TRUE)' 1.1 2>/dev/null | grep -q '^dn'
