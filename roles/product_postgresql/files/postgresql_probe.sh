#!/bin/sh
# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# One question of verify, drill or status: postgresql-probe read|write|names|remove|status
# The environment has the server and what to ask: TIERS_ADDRESS, TIERS_PORT, TIERS_USER, TIERS_PASSWORD, TIERS_CA, TIERS_NAME, TIERS_PREFIX.
set -eu
case $1 in
    read) sql="SELECT FROM rows LIMIT 1" ;;
    write) sql="INSERT INTO rows (name) VALUES (:'name') ON CONFLICT DO NOTHING" ;;
    names) sql="SELECT name FROM rows WHERE starts_with(name, :'prefix')" ;;
    remove) sql="DELETE FROM rows WHERE starts_with(name, :'prefix')" ;;
    # The position is the time of the last commit, which is equal on all servers that have it. Commits do not end in the order of
    # their numbers, so the last 100 are looked at.
    status)
        sql="SELECT json_build_object(
            'role', CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'provider' END,
            'position', json_build_object('commits', coalesce(to_char(max(pg_xact_commit_timestamp(number::text::xid))
                AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS.US\"Z\"'), '19700101000000.000000Z')))
            FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next) AS snapshot,
            generate_series(greatest(3, next - 100), next - 1) AS number" ;;
    *) exit 2 ;;
esac
# Debian's psql is a program in Perl that starts this one, and needs more time than the request.
psql=psql
for one in /usr/lib/postgresql/*/bin/psql; do
    [ ! -x "$one" ] || psql=$one
done
export PGPASSWORD="$TIERS_PASSWORD" PGSSLMODE=verify-full PGSSLROOTCERT="$TIERS_CA" PGCONNECT_TIMEOUT=4
exec "$psql" -XAtq -v ON_ERROR_STOP=1 -v name="${TIERS_NAME-}" -v prefix="${TIERS_PREFIX-}" -h "$TIERS_ADDRESS" -p "$TIERS_PORT" \
    -U "$TIERS_USER" -d tiers <<SQL
$sql;
SQL
