#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own, whose URL is in ASOF_TEST_POSTGRES. The server listens on a socket in
# a temporary folder only, keeps nothing, and is gone afterwards. One that is running already is used instead, if that
# variable is set. PostgreSQL is installed on Debian and Ubuntu where that is possible; where it is not, the command is
# left out, with a word.
set -euo pipefail

[ $# -gt 0 ] || { printf 'usage: %s COMMAND…\n' "$0" >&2 && exit 2; }
[ -z "${ASOF_TEST_POSTGRES:-}" ] || exec "$@"

say() { printf 'postgres: %s\n' "$*"; }
programs() { # the folder of initdb and pg_ctl, the newest first
  local found
  found=$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1) || return 1
  [ -n "$found" ] && dirname "$found"
}
install() {
  command -v apt-get >/dev/null || return 1
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || return 1
    as_root=(sudo -n)
  fi
  say 'installing postgresql with apt-get'
  "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}

bin=$(programs) || { install && bin=$(programs); } || {
  say "there is no PostgreSQL here and it cannot be installed; not run: $*"
  exit 0
}

folder=$(mktemp -d)
as=() # a server refuses to run as root
if [ "$(id -u)" -eq 0 ]; then
  as=(runuser -u postgres --)
  chown postgres "$folder"
fi
server() { "${as[@]}" "$bin/pg_ctl" --silent --pgdata "$folder/data" "$@"; }
finish() {
  server --mode immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap finish EXIT
cd "$folder"
"${as[@]}" "$bin/initdb" --pgdata "$folder/data" --username asof --auth trust --encoding UTF8 --no-locale >/dev/null
server --log "$folder/log" --wait --options "-c listen_addresses= -c unix_socket_directories=$folder -c fsync=off -c max_connections=300" start >/dev/null
cd "$OLDPWD"
ASOF_TEST_POSTGRES="postgres://asof@localhost/postgres?host=$folder" "$@"
