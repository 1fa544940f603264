#!/usr/bin/env bash
# Starts a private PostgreSQL server for one run of the tests and writes its address where nextest reads it. The
# server ends by itself when the run has. Nothing on it outlives the run: it is told not to wait for the disk.
set -euo pipefail

run=$PPID
bin=$(pg_config --bindir 2>/dev/null || true)
if [[ ! -x $bin/initdb ]]; then
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
fi
if [[ ! -x $bin/initdb ]]; then
  printf 'the tests need a PostgreSQL server (Debian: apt install postgresql)\n' >&2
  exit 1
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/usher-postgresql.XXXXXX")
# PostgreSQL does not run as root.
as_other=()
if ((EUID == 0)); then
  chown nobody "$place"
  as_other=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
fi
chmod 711 "$place"
"${as_other[@]}" "$bin/initdb" --pgdata "$place/data" --username usher --auth trust --no-sync --locale C \
  --encoding UTF8 >"$place/initdb.log" 2>&1 </dev/null || {
  cat "$place/initdb.log" >&2
  exit 1
}
# As many connections as many tests at once open; by its socket alone, so that no port is taken.
"${as_other[@]}" "$bin/pg_ctl" start --wait --silent --pgdata "$place/data" --log "$place/data/server.log" --options \
  "-c listen_addresses='' -c unix_socket_directories=$place/data -c fsync=off -c full_page_writes=off \
   -c max_connections=300 -c shared_buffers=64MB -c autovacuum_naptime=5min" </dev/null >/dev/null 2>&1 || {
  cat "$place/data/server.log" >&2
  exit 1
}
chmod 711 "$place/data" 2>/dev/null || true

# Ends the server with the run, also where that is killed.
(
  while kill -0 "$run" 2>/dev/null; do sleep 1; done
  "${as_other[@]}" "$bin/pg_ctl" stop --silent --mode immediate --pgdata "$place/data" >/dev/null 2>&1
  rm -rf "$place"
) >/dev/null 2>&1 </dev/null &
disown

printf 'USHER_TEST_POSTGRES=%s\n' "$place/data" >>"$NEXTEST_ENV"
