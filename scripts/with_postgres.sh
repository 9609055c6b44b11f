#!/usr/bin/env bash
# Run a command with a throw-away PostgreSQL server for the tests; its address is in SAMPLEINFO_TEST_POSTGRES.
# Where PostgreSQL is missing and cannot be installed, the command runs without: those tests are skipped then.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }
[ -z "${SAMPLEINFO_TEST_POSTGRES:-}" ] || exec "$@"

without() {
    echo "No PostgreSQL server for the tests: $1" >&2
    shift
    exec "$@"
}

find_programs() {
    local folder
    for folder in /usr/lib/postgresql/*/bin "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ]; then
            echo "$folder"
            return
        fi
    done
}

# Debian starts a server of its own with the package; told before, it does not.
install_postgres() {
    command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] || return 1
    echo "Installing PostgreSQL for the tests." >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || true
    apt-get install -y -qq postgresql-common >/dev/null &&
        sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf &&
        apt-get install -y -qq postgresql >/dev/null
}

programs=$(find_programs)
if [ -z "$programs" ]; then
    install_postgres || without "PostgreSQL is not installed (Debian: sudo apt-get install postgresql)." "$@"
    programs=$(find_programs)
    [ -n "$programs" ] || without "initdb and pg_ctl were not found after the installation." "$@"
fi

# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as=(runuser -u "$user" --)
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/sampleinfo-postgres.XXXXXX")
stop() {
    (cd / && "${as[@]}" "$programs/pg_ctl" stop -D "$folder/data" -m immediate -w >/dev/null 2>&1) || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "$password" >"$folder/password"
[ ${#as[@]} = 0 ] || chown -R "$user" "$folder"

start() {
    (cd / && "${as[@]}" "$programs/initdb" -D "$folder/data" -U sampleinfo -A scram-sha-256 \
        --pwfile "$folder/password" --locale C -E UTF8) >"$folder/log" 2>&1 || return 1
    local port
    for _ in 1 2 3; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        if (cd / && "${as[@]}" "$programs/pg_ctl" start -D "$folder/data" -w -t 60 -l "$folder/data/log" \
            -o "-c listen_addresses=127.0.0.1 -p $port -k $folder") >>"$folder/log" 2>&1; then
            export SAMPLEINFO_TEST_POSTGRES="postgresql://sampleinfo:$password@127.0.0.1:$port/postgres"
            return
        fi
    done
    return 1
}

if ! start; then
    cat "$folder/log" "$folder/data/log" >&2 2>/dev/null || true
    echo "No PostgreSQL server for the tests: it did not start, for the reason above." >&2
fi
"$@"
