"""Cases that move a whole cluster: backup, backup again, restore."""

import os
import shutil

from contest import BARMAN, OURS, PGBACKREST, Contender, at_most, case, times_faster
from testbed import BARMAN as BARMAN_BIN
from testbed import OURS as OURS_BIN
from testbed import PG, SSH, WORK, Home, empty, run

PROGRAMS = {OURS: OURS_BIN, BARMAN: BARMAN_BIN}
JOBS = 2
RAW, PLAIN = "start, two rsync, sync -f, stop", "cp -a, sync -f"


def rsync_server(cluster):
    """The settings of a server that is backed up over ssh."""
    return {
        "archiver": "on", "backup_method": "rsync", "ssh_command": SSH, "conninfo": cluster.conninfo(),
        "immediate_checkpoint": "true", "parallel_jobs": JOBS, "backup_options": "concurrent_backup",
    }


def backup_home(rig, program, name, **options):
    """A home that backs the cluster up over ssh; some WAL is there, as Barman wants to see."""
    home = Home(PROGRAMS[program], f"{name}-{program}", {"main": rsync_server(rig.cluster()) | options})
    segment = rig.cluster().write_wal(1)[0]
    for part in ("incoming", "wals", "base", "meta", "errors", "streaming"):
        (home.server() / part).mkdir(parents=True)
    shutil.copy(segment, home.server() / "incoming")
    home.run("archive-wal", "main")
    rig.cluster().ship_to(home)
    return home


def remove_backups(home):
    """As if no backup had been taken."""
    empty(home.server() / "base")
    for record in (home.server() / "meta").glob("*-backup.info"):
        record.unlink()


def rest_of_wal(home):
    """WAL that the backups wait for; many gigabytes, of which the homes need no copies of their own."""
    for path in (WORK / "wal").iterdir():
        os.link(path, home.server() / "incoming" / path.name)
    home.run("archive-wal", "main")


class PgBackRest:
    """Its repository, and the two ways it gets at the cluster: over ssh for backups, directly for restores."""

    def __init__(self, rig):
        self.path = empty(WORK / "pgbackrest")
        common = (
            f"[global]\nrepo1-path={self.path}/repo\nlog-path={self.path}\nspool-path={self.path}/spool\n"
            f"lock-path={self.path}/lock\nprocess-max={JOBS}\nstart-fast=y\narchive-check=n\nlog-level-console=warn\n"
            f"log-level-file=off\ncmd-ssh={WORK}/ssh/bin/ssh\n"
        )
        server = f"pg1-path={rig.cluster().data}\npg1-port={rig.cluster().port}\npg1-socket-path={WORK}\n"
        self.local = self.path / "local.conf"
        self.local.write_text(f"{common}\n[main]\n{server}")
        self.remote = self.path / "remote.conf"
        over_ssh = f"pg1-host=database\npg1-host-user={rig.user}\npg1-host-config={self.local}\n"
        self.remote.write_text(f"{common}\n[main]\n{server}{over_ssh}")
        self.forget()

    def forget(self):
        """As if no backup had been taken; they would fill the disk."""
        shutil.rmtree(self.path / "repo", ignore_errors=True)
        run(*self.command("stanza-create"))

    def command(self, what, *options, remote=False):
        config = self.remote if remote else self.local
        return ["pgbackrest", f"--config={config}", "--stanza=main", *options, what]

    def backup(self, kind):
        """A backup of the plain files, as the others take it."""
        return self.command("backup", f"--type={kind}", "--compress-type=none", remote=True)


def raw_rsync(rig):
    """The same files by two rsync at once, shared out by size, between PostgreSQL's start and end of a backup.

    As with the others, PostgreSQL is not told to wait until its WAL is archived."""
    data, target = rig.cluster().data, WORK / "floor/backup"
    sizes = sorted(
        ((path.stat().st_size, path.relative_to(data)) for path in data.rglob("*")
         if path.is_file() and path.relative_to(data).parts[0] != "pg_wal" and path.name != "postmaster.pid"),
        reverse=True,
    )
    for half in range(JOBS):
        listed = "".join(f"{path}\n" for _, path in sizes[half::JOBS])
        (WORK / f"floor-files-{half}").write_text(listed)
    copies = " & ".join(
        f"rsync -a --inplace -e 'ssh -F {WORK}/ssh/config' --files-from={WORK}/floor-files-{half} "
        f"database:{data}/ {target}/"
        for half in range(JOBS)
    )
    copy = f"\\! {copies} & wait; sync -f {target}"
    steps = ["SELECT pg_backup_start('floor', true)", copy, "SELECT pg_backup_stop(false)"]
    words = [word for step in steps for word in ("-c", step)]
    command = [str(PG / "psql"), "-p", str(rig.cluster().port), "-d", "postgres", "-AtXq", *words]
    return Contender(RAW, command, lambda: empty(target), floor=True)


@case("backup", f"`backup` over ssh with rsync, {JOBS} jobs", at_most(1.25, RAW), times_faster(BARMAN, 1),
      note="pgBackRest copies the same files, not compressed, with as many processes, and checks page checksums.")
def backup(rig):
    contenders = []
    for program in PROGRAMS:
        home = backup_home(rig, program, "backup")

        def before(home=home):
            remove_backups(home)
            rig.cluster().ship_to(home)

        contenders.append(Contender(program, home.command("backup", "main"), before))
    other = PgBackRest(rig)
    return [*contenders, Contender(PGBACKREST, other.backup("full"), other.forget), raw_rsync(rig)]


@case("backup-again", "`backup` with `reuse_backup = link`, nothing changed since the last one",
      times_faster(BARMAN, 1), times_faster(PGBACKREST, 1))
def backup_again(rig):
    rig.cluster().sql("CHECKPOINT")
    contenders = []
    for program in PROGRAMS:
        home = backup_home(rig, program, "again", reuse_backup="link")
        home.run("backup", "main")
        rest_of_wal(home)
        ship = lambda home=home: rig.cluster().ship_to(home)  # noqa: E731
        contenders.append(Contender(program, home.command("backup", "main"), ship))
    other = PgBackRest(rig)
    run(*other.backup("full"))
    return [*contenders, Contender(PGBACKREST, other.backup("incr"))]


@case("restore", "`restore` to a local directory", at_most(1.25, PLAIN), times_faster(BARMAN, 1),
      times_faster(PGBACKREST, 1))
def restore(rig):
    target = WORK / "restored"
    clear = lambda: empty(target)  # noqa: E731
    contenders = []
    for program in PROGRAMS:
        home = backup_home(rig, program, "restore")
        home.run("backup", "main")
        rest_of_wal(home)
        words = home.command("restore", "--jobs", JOBS, "main", "latest", target)
        contenders.append(Contender(program, words, clear))
    other = PgBackRest(rig)
    run(*other.backup("full"))
    words = other.command("restore", f"--pg1-path={target}", "--type=none")
    data = next((WORK / "homes/restore-ours/main/base").iterdir()) / "data"
    copied = ["sh", "-c", f"cp -a {data}/. {target}/ && sync -f {target}"]
    return [*contenders, Contender(PGBACKREST, words, clear), Contender(PLAIN, copied, clear, floor=True)]
