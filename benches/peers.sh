#!/usr/bin/env bash
#
# Measures this program beside its peers, and writes doc/benchmarks.md.
#
#   bash benches/peers.sh            every case; takes an hour and 45 GB below /var/tmp
#   bash benches/peers.sh CASE...    these only (`bash benches/peers.sh --list` names them; `growth` is all
#                                    growth-...); the others keep their figures
#   bash benches/peers.sh --clean    removes what was made below /var/tmp
#
# For Debian with Rust, as root or as a user with sudo. Installs the peers: Barman 3.19.1 from PyPI, pgBackRest and
# hyperfine from Debian. PostgreSQL, sshd and all data are its own. Nothing else should run on the machine meanwhile.
#
# ROUNDS=7, SCALE=100 (of pgbench; 100 are 1.5 GB) and WORK=/var/tmp/barman-peers can be set.

set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
# PostgreSQL refuses to run as root.
as_tester() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}

export WORK=${WORK:-/var/tmp/barman-peers} ROUNDS=${ROUNDS:-7} SCALE=${SCALE:-100}
if [ "${1:-}" = --clean ]; then
    as_root rm -rf "$WORK"
    exit
fi

missing=()
needs() { eval "$1" >/dev/null 2>&1 || missing+=("$2"); }   # needs 'test of presence' package
needs '[ -x /usr/lib/postgresql/15/bin/initdb ]' postgresql-15
needs '[ -x /usr/sbin/sshd ]'         openssh-server
needs 'command -v rsync'              rsync
needs '/usr/bin/python3 -c "import ensurepip"' python3-venv
needs 'command -v pgbackrest'         pgbackrest
needs 'command -v hyperfine'          hyperfine
needs 'command -v zstd'               zstd
needs 'command -v lz4'                lz4
needs 'command -v libdeflate-gunzip'  libdeflate-tools
needs '[ -x /usr/bin/time ]'          time
if [ ${#missing[@]} -gt 0 ]; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"
fi

cargo build --release --locked
mkdir -p "$WORK/bin"
chmod 755 "$WORK" "$WORK/bin"
# Under their own names, where user `postgres` can read them.
install -m 755 "${CARGO_TARGET_DIR:-target}/release/barman" "$WORK/bin/barman"
ln -sf barman "$WORK/bin/barman-wal-restore"
if [ ! -x "$WORK/peer/bin/barman" ]; then
    /usr/bin/python3 -m venv "$WORK/peer"
    # psycopg2-binary stands for psycopg2, which has to be compiled.
    "$WORK/peer/bin/pip" -q install psycopg2-binary python-dateutil zstandard lz4 python-snappy cramjam
    "$WORK/peer/bin/pip" -q install --no-deps barman==3.19.1
fi
rm -rf "$WORK/rig"
cp -a benches/peers "$WORK/rig"
[ "$(id -u)" -ne 0 ] || chown -R postgres: "$WORK"

# The page itself is no change.
COMMIT=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD -- . ':!doc/benchmarks.md' 2>/dev/null || COMMIT+=-dirty
export COMMIT
as_tester /usr/bin/python3 "$WORK/rig/run.py" "$@"
[ ! -f "$WORK/benchmarks.md" ] || cp "$WORK/benchmarks.md" doc/benchmarks.md
