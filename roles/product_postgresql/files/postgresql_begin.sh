#!/bin/sh
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Creates an empty database, when Patroni finds none in the arbiter: postgresql-begin MARK BIN LOCALE --scope=… --datadir=…
# The mark exists while a deployment permits it. The directory appears complete or not at all.
set -eu
mark=$1 bin=$2 locale=$3
shift 3
for word; do
    case $word in
        --datadir=*) data=${word#*=} ;;
    esac
done
if [ ! -e "$mark" ]; then
    echo "This server has no data, and no other server of the system leads. Start the servers that have data, or run deploy." >&2
    exit 1
fi
rm -rf "$data.new"
"$bin/initdb" --pgdata="$data.new" --encoding=UTF8 --locale="$locale" --data-checksums --auth=reject --auth-local=peer >&2
cp "$mark" "$data.new/tiers-system"
[ ! -d "$data" ] || rmdir "$data"
mv "$data.new" "$data"
