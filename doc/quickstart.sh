#!/usr/bin/env bash
#
# The main job of Barman, shown on a throw-away PostgreSQL: back it up while it runs, ship its WAL,
# lose a table, and go back to the moment before.
#
#   bash doc/quickstart.sh
#
# Works on Debian with Rust, as root or as a user with sudo. Missing packages are installed; everything else
# lives in one directory under /tmp and is gone at the end, whatever that end is.
#
# BARMAN_BIN=/path/to/barman shows another program instead of building this one.

set -euo pipefail
cd "$(dirname "$0")/.."

# ----------------------------------------------------------------------------------------------------------
# Speaking

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else bold='' dim='' green='' red='' plain=''; fi

where='the start'
chapter() { where=$1; printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
note()    { printf '   %s\n' "$*"; }
indented() { sed -u "s/^/   $dim|$plain /"; }

fail() {
    printf '\n%sFAIL%s in "%s": %s\n' "$red" "$plain" "$where" "$*"
    told=yes
    exit 1
}

# expect "what it is" expected actual
expect() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
    printf '   %sok%s  %s: %s\n' "$green" "$plain" "$1" "$3"
}

# ----------------------------------------------------------------------------------------------------------
# Whatever happens, nothing stays

work=''
told=''

# Stops what runs and removes what we made; may be called again.
tidy() {
    local data
    for data in "$work/pg" "$work/restored"; do
        [ ! -f "$data/postmaster.pid" ] || as_user "$pg/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1
    done
    [ ! -f "$work/ssh/sshd.pid" ] || kill "$(cat "$work/ssh/sshd.pid")"
    rm -rf "$work"
}

at_exit() {
    local status=$?
    trap - EXIT
    set +e
    if [ "$status" -ne 0 ] && [ -s "$work/barman.log" ]; then
        printf '\nThe end of the log:\n'
        tail -n 15 "$work/barman.log" | indented
    fi
    [ -z "$work" ] || tidy
    [ "$status" -eq 0 ] || [ -n "$told" ] || printf '\n%sFAIL%s in "%s"\n' "$red" "$plain" "$where"
    exit "$status"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ----------------------------------------------------------------------------------------------------------
chapter '1. Packages'

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

newest_postgresql() {
    find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1
}

missing=()
needs() { eval "$1" >/dev/null 2>&1 || missing+=("$2"); }   # needs 'test of presence' package
needs '[ -n "$(newest_postgresql)" ]' postgresql
needs '[ -x /usr/sbin/sshd ]'         openssh-server
needs 'command -v ssh'                openssh-client
needs 'command -v rsync'              rsync
if [ -z "${BARMAN_BIN:-}" ]; then
    needs 'command -v cc'             gcc
    needs 'command -v pkg-config'     pkg-config
    needs 'pkg-config --exists openssl' libssl-dev
fi

if [ ${#missing[@]} -eq 0 ]; then
    note 'all there'
else
    note "installing ${missing[*]}"
    # The packages would start an ssh server and a database of their own; this asks them not to.
    policy=/usr/sbin/policy-rc.d
    [ -e $policy ] && policy=''
    [ -z "$policy" ] || printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
    installed=yes
    as_root env DEBIAN_FRONTEND=noninteractive sh -c '
        (apt-get update && apt-get install -y --no-install-recommends "$@") </dev/null' sh "${missing[@]}" 2>&1 |
        tail -n 3 | indented || installed=no
    [ -z "$policy" ] || as_root rm -f "$policy"
    [ $installed = yes ] || fail "apt-get could not install ${missing[*]}"
fi
pg=$(dirname "$(newest_postgresql)")
note "$("$pg/postgres" --version), $(rsync --version | sed -n 's/^rsync *version \([^ ]*\).*/rsync \1/p')"

# ----------------------------------------------------------------------------------------------------------
chapter '2. The program'

if [ -n "${BARMAN_BIN:-}" ]; then
    program=$BARMAN_BIN
    note "as given: $program"
else
    command -v cargo >/dev/null || fail 'cargo was not found; install Rust from https://rustup.rs'
    note 'cargo build --release'
    cargo build --release --locked </dev/null
    program=${CARGO_TARGET_DIR:-target}/release/barman
fi
[ -x "$program" ] || fail "there is no program at '$program'"
started=$SECONDS

# ----------------------------------------------------------------------------------------------------------
chapter '3. A database host and a backup host, both on this machine'

# PostgreSQL refuses to run as root; the package has made an account for it.
if [ "$(id -u)" -eq 0 ]; then user=postgres; else user=$(id -un); fi
work=$(mktemp -d /tmp/barman-quickstart.XXXXXX)
chmod 755 "$work"
mkdir "$work"/{bin,home,ssh,socket,tablespace,barman}
install -m 755 "$program" "$work/bin/barman"   # a copy: the checkout may be closed to other users
[ "$(id -u)" -ne 0 ] || chown -R "$user:" "$work"

# as_user command...: runs it as the unprivileged user, in an environment of our making.
as_user() {
    local become=()
    [ "$(id -u)" -ne 0 ] || become=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups)
    (cd "$work" && exec "${become[@]}" env -i HOME="$work/home" USER="$user" LOGNAME="$user" LANG=C.UTF-8 \
        PATH="$work/bin:$pg:/usr/local/bin:/usr/bin:/bin:/usr/sbin" BARMAN_CONFIG_FILE="$work/barman.conf" "$@")
}
write() { as_user tee "$work/$1" >/dev/null; }

free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

# An sshd of our own on loopback; one key opens both directions.
ssh_port=$(free_port)
as_user ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host_key"
as_user ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/key"
as_user cp "$work/ssh/key.pub" "$work/ssh/authorized_keys"
write ssh/sshd_config <<END
ListenAddress 127.0.0.1
Port $ssh_port
HostKey $work/ssh/host_key
AuthorizedKeysFile $work/ssh/authorized_keys
PidFile $work/ssh/sshd.pid
UsePAM no
StrictModes no
PasswordAuthentication no
END
write ssh/config <<END
Host database backup
    HostName 127.0.0.1
    Port $ssh_port
    User $user
    IdentityFile $work/ssh/key
    IdentitiesOnly yes
    UserKnownHostsFile $work/ssh/known_hosts
    BatchMode yes
    LogLevel ERROR
END
write ssh/known_hosts <<<"[127.0.0.1]:$ssh_port $(cut -d' ' -f1,2 "$work/ssh/host_key.pub")"
as_user /usr/sbin/sshd -f "$work/ssh/sshd_config" -E "$work/sshd.log"
as_user ssh -F "$work/ssh/config" database true || fail "sshd does not answer: $(tail -n 3 "$work/sshd.log")"
note "sshd on port $ssh_port"

# A cluster with a table, and one more in a tablespace.
port=$(free_port)
as_user "$pg/initdb" -D "$work/pg" -U postgres -A trust -E UTF8 --locale=C -k --no-sync >"$work/initdb.log" 2>&1 ||
    fail "initdb: $(tail -n 3 "$work/initdb.log")"
as_user tee -a "$work/pg/postgresql.conf" >/dev/null <<END
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work/socket'
archive_mode = on
archive_command = 'rsync -a -e "ssh -F $work/ssh/config" %p backup:$work/barman/main/incoming/%f'
END
as_user mkdir -p "$work/barman/main/incoming"
as_user "$pg/pg_ctl" -D "$work/pg" -l "$work/pg.log" -w start >/dev/null || fail "$(tail -n 3 "$work/pg.log")"

ask() { as_user "$pg/psql" -h "$work/socket" -p "$port" -U postgres -XAtq -v ON_ERROR_STOP=1 -c "$1" "${2:-postgres}"; }
ask "CREATE TABLESPACE fast LOCATION '$work/tablespace'"
ask 'CREATE TABLE orders (id int PRIMARY KEY, note text)'
ask 'CREATE TABLE prices (item int PRIMARY KEY, price numeric) TABLESPACE fast'
ask "INSERT INTO orders SELECT n, 'before the backup' FROM generate_series(1, 100000) n"
ask 'INSERT INTO prices SELECT n, n * 1.19 FROM generate_series(1, 50000) n'
note "PostgreSQL on port $port: 100000 orders, 50000 prices in tablespace 'fast'"

write barman.conf <<END
[barman]
barman_user = $user
barman_home = $work/barman
log_file = $work/barman.log

[main]
description = "Our shop"
conninfo = host=127.0.0.1 port=$port user=postgres dbname=postgres
ssh_command = ssh -F $work/ssh/config database
backup_method = rsync
backup_options = concurrent_backup
parallel_jobs = 2
archiver = on
compression = gzip
END
note "barman.conf (BARMAN_CONFIG_FILE names it, so that the commands below need no --config):"
as_user cat "$work/barman.conf" | indented

# barman arguments...: shows the command as a person types it, then its output.
barman() {
    local word typed='' status=0
    for word in "$@"; do
        case $word in *' '*) typed+=" '$word'" ;; *) typed+=" $word" ;; esac
    done
    printf '\n   %s$ barman%s%s\n' "$bold" "$typed" "$plain"
    as_user barman "$@" </dev/null 2>&1 | indented || status=$?
    [ "$status" -eq 0 ] || fail "'barman $*' ended with exit code $status"
}

# ----------------------------------------------------------------------------------------------------------
chapter '4. Is everything ready?'

barman switch-wal --force --archive main
barman check main

# ----------------------------------------------------------------------------------------------------------
chapter '5. A backup of the running server'

barman backup main --immediate-checkpoint --wait
barman list-backups main
expect 'base backups in the catalogue' 1 "$(as_user barman list-backups --minimal main | wc -l)"

# ----------------------------------------------------------------------------------------------------------
chapter '6. Life goes on, and then it happens'

ask "INSERT INTO orders SELECT n, 'after the backup' FROM generate_series(100001, 100500) n"
ask 'UPDATE prices SET price = price * 2 WHERE item <= 100'
prices=$(ask 'SELECT sum(price) FROM prices')
note '500 new orders, 100 new prices'
moment=$(ask 'SELECT clock_timestamp()')
sleep 1
ask 'DROP TABLE orders'
note "DROP TABLE orders;   -- a second after $moment"
barman switch-wal --force --archive main

# ----------------------------------------------------------------------------------------------------------
chapter '7. Back to the moment before'

barman restore main latest "$work/restored" --tablespace "fast:$work/restored-tablespace" \
    --target-time "$moment" --target-action promote

as_user "$pg/pg_ctl" -D "$work/pg" -m fast -w stop >/dev/null
as_user "$pg/pg_ctl" -D "$work/restored" -l "$work/restored.log" -w start >"$work/start.log" 2>&1 ||
    fail "PostgreSQL does not start on the restored directory: $(tail -n 5 "$work/restored.log")"
for _ in {1..300}; do
    [ "$(ask 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ] && break
    sleep 0.1
done

note 'PostgreSQL is up on the restored directory'
expect 'recovery has ended, the server takes writes' f "$(ask 'SELECT pg_is_in_recovery()')"
expect 'orders' 100500 "$(ask 'SELECT count(*) FROM orders')"
expect 'orders made after the backup' 500 "$(ask "SELECT count(*) FROM orders WHERE note = 'after the backup'")"
expect 'sum of all prices' "$prices" "$(ask 'SELECT sum(price) FROM prices')"
expect "tablespace 'fast'" "$work/restored-tablespace" \
    "$(ask "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'")"
expect "table in tablespace 'fast'" prices "$(ask "SELECT relname FROM pg_class c JOIN pg_tablespace t
    ON t.oid = c.reltablespace WHERE spcname = 'fast' AND relkind = 'r'")"
expect 'timeline' 00000002 "$(ask 'SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)')"
as_user "$pg/pg_ctl" -D "$work/restored" -m fast -w stop >/dev/null
expect 'pages with a wrong checksum' 0 \
    "$(as_user "$pg/pg_checksums" -c -D "$work/restored" | sed -n 's/^Bad checksums: *//p')"

# ----------------------------------------------------------------------------------------------------------
chapter '8. Nothing is left behind'

directory=$work
tidy
running=''
for process in /proc/[0-9]*; do
    if tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -qF "$directory"; then running+=" ${process#/proc/}"; fi
done
expect 'programs left running' none "${running:-none}"
expect 'files left' none "$(ls -d "$directory" 2>/dev/null || echo none)"

printf '\n%sPASS%s  backup and point-in-time recovery work on this machine (%s seconds after the build)\n' \
    "$green" "$plain" $((SECONDS - started))
