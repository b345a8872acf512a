"""PostgreSQL with pgbench's data, an sshd, and the homes of those who back it up. Made once, below $WORK."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

WORK = Path(os.environ["WORK"])
SCALE = int(os.environ["SCALE"])
PG = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name))
USER = pwd.getpwuid(os.getuid()).pw_name
ENV = {
    "PATH": f"{WORK}/ssh/bin:{WORK}/bin:/usr/bin:/bin:{PG}",
    "HOME": str(WORK),
    "LANG": "C.UTF-8",
    "PGHOST": str(WORK),
}
OURS = str(WORK / "bin/barman")
BARMAN = str(WORK / "peer/bin/barman")
SSH = f"ssh -F {WORK}/ssh/config database"


def run(*command, **options):
    """Runs what prepares a case; its output is shown when it fails."""
    done = subprocess.run([str(word) for word in command], env=ENV, cwd=WORK, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def empty(directory):
    """An empty directory in place of whatever was there."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(what, holds):
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise SystemExit(f"{what}: not within a minute")


class Sshd:
    """Lets our own user in, as host `database`; `ssh` in PATH finds it. On host `python`, `barman` is the other one."""

    def __init__(self):
        place = empty(WORK / "ssh")
        (place / "bin").mkdir()
        for name in ("host_key", "key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name)
        ports = {"database": free_port(), "python": free_port()}
        (place / "authorized_keys").write_text((place / "key.pub").read_text())
        (place / "known_hosts").write_text(f"database {(place / 'host_key.pub').read_text()}")
        (place / "sshd_config").write_text(
            f"Port {ports['database']}\nPort {ports['python']}\nListenAddress 127.0.0.1\nHostKey {place}/host_key\n"
            f"PidFile none\nUsePAM no\nAuthorizedKeysFile {place}/authorized_keys\nStrictModes no\nMaxStartups 100\n"
            f"Match LocalPort {ports['database']}\n  SetEnv PATH={ENV['PATH']}\n"
            f"Match LocalPort {ports['python']}\n  SetEnv PATH={WORK}/peer/bin:{ENV['PATH']}\n"
        )
        hosts = "".join(f"Host {name}\n  Port {port}\n" for name, port in ports.items())
        (place / "config").write_text(
            f"{hosts}Host *\n  HostName 127.0.0.1\n  HostKeyAlias database\n  User {USER}\n"
            f"  IdentityFile {place}/key\n  IdentitiesOnly yes\n  UserKnownHostsFile {place}/known_hosts\n"
            "  BatchMode yes\n  LogLevel ERROR\n"
        )
        wrapper = place / "bin/ssh"
        wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {place}/config "$@"\n')
        wrapper.chmod(0o755)
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", place / "sshd_config"], stderr=open(place / "log", "w")
        )
        wait_for("sshd", lambda: subprocess.run([wrapper, "database", "true"], capture_output=True).returncode == 0)

    def stop(self):
        self.process.terminate()


class Cluster:
    """PostgreSQL with pgbench's tables.

    Archives into `$WORK/wal` while that exists, and where `$WORK/incoming` points."""

    def __init__(self, scale=SCALE):
        suffix = "" if scale == SCALE else f"-{scale}"
        self.data, self.wal, self.incoming = (WORK / f"{name}{suffix}" for name in ("pg", "wal", "incoming"))
        self.port = free_port()
        if not (self.data / "PG_VERSION").exists():
            self.make()
        with open(self.data / "postgresql.auto.conf", "w") as settings:
            settings.write(
                f"port = {self.port}\nlisten_addresses = ''\nunix_socket_directories = '{WORK}'\nfsync = off\n"
                "synchronous_commit = off\nautovacuum = off\nmax_wal_size = 8GB\ncheckpoint_timeout = 1h\n"
                "wal_level = replica\narchive_mode = on\nmax_wal_senders = 10\nshared_buffers = 256MB\n"
                "archive_command = "
                f"'for d in {self.wal} {self.incoming}; do test ! -d $d || cp %p $d/%f || exit; done'\n"
            )
        self.start()
        if not self.made():
            run(PG / "pgbench", "-p", self.port, "-i", "-q", "-s", scale, "postgres")
            self.sql("CHECKPOINT")

    def make(self):
        run(PG / "initdb", "-D", self.data, "--auth=trust", "--data-checksums", "--username", USER)

    def made(self):
        return self.sql("SELECT count(*) FROM pg_class WHERE relname = 'pgbench_accounts_pkey'") == "1"

    def start(self):
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        run(PG / "pg_ctl", "-D", self.data, "-l", f"{self.data}.log", "-w", "start")

    def stop(self):
        run(PG / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def sql(self, text):
        return run(PG / "psql", "-p", self.port, "-d", "postgres", "-AtXqc", text).strip()

    def conninfo(self):
        return f"host={WORK} port={self.port} user={USER} dbname=postgres"

    def ship_to(self, home):
        """Archives for `home`, as for a server that is backed up by it."""
        self.incoming.unlink(missing_ok=True)
        self.incoming.symlink_to(home.server() / "incoming")

    def write_wal(self, segments, only_full=True):
        """So many segments of pgbench, with full page images, in `$WORK/wal`.

        What is there already counts, but for what the backups of other cases have closed early."""
        place = self.wal
        place.mkdir(exist_ok=True)
        def there():
            found = sorted(path for path in place.iterdir() if len(path.name) == 24)
            return [path for path in found if is_full(path) or not only_full]
        while len(there()) < segments:
            self.sql("CHECKPOINT")
            run(PG / "pgbench", "-p", self.port, "-n", "-c", 2, "-t", 4000, "postgres")
        return there()[:segments]


def is_full(segment):
    """Whether there is something on its last page."""
    with open(segment, "rb") as content:
        content.seek(-8192, os.SEEK_END)
        return any(content.read())


def write_configuration(path, home, servers):
    """A configuration that both programs read; `servers` has the options of each by its name."""
    text = f"[barman]\nbarman_home = {home}\nbarman_user = {USER}\nlog_file = {home}/barman.log\n"
    text += f"barman_lock_directory = {home}\nconfiguration_files_directory = {home}/conf.d\nlog_level = INFO\n"
    for name, options in servers.items():
        text += f"\n[{name}]\ndescription = {name}\n"
        text += "".join(f"{key} = {value}\n" for key, value in options.items())
    home.mkdir(parents=True, exist_ok=True)
    (home / "conf.d").mkdir(exist_ok=True)
    path.write_text(text)
    return path


class Home:
    """A `barman_home` of one program, with its configuration."""

    def __init__(self, program, name, servers):
        self.path = WORK / "homes" / name
        self.config = WORK / "homes" / f"{name}.conf"
        self.program = program
        empty(self.path)
        write_configuration(self.config, self.path, servers)

    def command(self, *words):
        return [self.program, "-c", str(self.config), *map(str, words)]

    def run(self, *words):
        return run(*self.command(*words))

    def server(self, name="main"):
        return self.path / name
