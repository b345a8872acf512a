"""Recovery: PostgreSQL replays WAL that it gets from an archive. What it starts from is made once, in $WORK."""

import re
import shutil
import sys

import catalogue
from contest import BARMAN, OURS, PGBACKREST, Contender, at_most, case, times_faster
from measure import Failed
from reading import ARCHIVED
from testbed import OURS as OURS_BIN
from testbed import PG, SCALE, WORK, empty, free_port, run, write_configuration

SEGMENTS, SEGMENT_BYTES = 200, 16 << 20
AHEAD = 4
COPY = "cp of plain files"
COPY_BESIDE = "the same, beside ssh and libdeflate"

# pg_ctl does not wait for the end of a recovery. One process that sleeps takes nothing from it.
WAIT = """
import pathlib, sys, time
log, running = map(pathlib.Path, sys.argv[1:])
while 'ready to accept connections' not in log.read_text() and running.exists():
    time.sleep(0.05)
"""


class Source:
    """A base backup, the segments that pgbench wrote after it, and the archives that have these."""

    place = WORK / "recovery-source"
    base, wal, home, config = place / "base", place / "wal", place / "barman", place / "barman.conf"

    def __init__(self, rig):
        made, wanted = self.place / "made", f"{SEGMENTS} segments, scale {SCALE}, {PG}\n"
        if not made.exists() or made.read_text() != wanted:
            empty(self.place)
            self.write(rig.cluster())
            made.write_text(wanted)
        archived = self.place / "archived"
        if not archived.exists():
            self.archive()
            self.archive_by_pgbackrest()
            archived.touch()

    def write(self, cluster):
        """Lets the cluster write, its archive for the other cases put aside meanwhile."""
        shared, aside = WORK / "wal", WORK / "wal.aside"
        if shared.exists():
            shared.rename(aside)
        shared.mkdir()
        run(PG / "pg_basebackup", "-p", cluster.port, "-c", "fast", "-X", "none", "-D", self.base)
        (self.base / "recovery.signal").touch()
        first = re.search(r"START WAL LOCATION: .*file (\w+)", (self.base / "backup_label").read_text())[1]
        for path in shared.iterdir():
            if path.name < first:
                path.unlink()
        wanted = cluster.write_wal(SEGMENTS, only_full=False)
        self.wal.mkdir()
        for path in wanted:
            path.rename(self.wal / path.name)
        shutil.rmtree(shared)
        if aside.exists():
            aside.rename(shared)

    def segments(self):
        return sorted(path.name for path in self.wal.iterdir())

    def archive(self):
        """Has them archived by ours; both programs hand them out."""
        server = self.home / "main"
        empty(self.home)
        write_configuration(self.config, self.home, {"main": ARCHIVED | {"compression": "gzip"}})
        catalogue.make(server, "main", 1, 0)
        for name in self.segments():
            (server / "incoming" / name).hardlink_to(self.wal / name)
        run(OURS_BIN, "-c", self.config, "archive-wal", "main")

    def pgbackrest(self, data, what, *options):
        """A command of pgBackRest for the cluster in `data`."""
        config = self.place / "pgbackrest.conf"
        return ["pgbackrest", f"--config={config}", "--stanza=main", f"--pg1-path={data}", *options, what]

    def archive_by_pgbackrest(self):
        """Has them pushed as by a PostgreSQL that is far behind: many at once."""
        place, wal = empty(self.place / "pgbackrest"), empty(self.base / "pg_wal")
        (self.place / "pgbackrest.conf").write_text(
            f"[global]\nrepo1-path={place}/repo\nlock-path={place}/lock\nlog-level-file=off\narchive-async=y\n"
            f"spool-path={WORK}/spool-pgbackrest\nprocess-max={AHEAD}\n[main]\npg1-path={self.base}\n"
        )
        (wal / "archive_status").mkdir()
        for name in self.segments():
            (wal / name).hardlink_to(self.wal / name)
            (wal / f"archive_status/{name}.ready").touch()
        run(*self.pgbackrest(self.base, "stanza-create", "--no-online"))
        for name in self.segments():
            run(*self.pgbackrest(self.base, "archive-push"), wal / name)
        empty(wal / "archive_status")
        for name in self.segments():
            (wal / name).unlink()


class Recovery:
    """A cluster that recovers until there is no more WAL."""

    data, log = WORK / "recovery", WORK / "recovery.log"

    def __init__(self, rig):
        self.source, self.port = Source(rig), free_port()
        rig.at_end(self.stop)

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            run(PG / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def contender(self, name, restore_command, floor=False, beside=":"):
        """PostgreSQL, from its start until it is open and `beside`, a command of the shell, has ended."""
        def before():
            self.stop()
            shutil.rmtree(self.data, ignore_errors=True)
            self.log.unlink(missing_ok=True)
            for spool in WORK.glob("spool-*"):
                empty(spool)
            run("cp", "-a", "--reflink=auto", self.source.base, self.data)
            with open(self.data / "postgresql.auto.conf", "a") as settings:
                settings.write(
                    f"port = {self.port}\nhot_standby = off\narchive_mode = off\nshared_buffers = 1GB\n"
                    f"restore_command = '{restore_command}'\n"
                )
        wait = f'{sys.executable} -c "$0" {self.log} {self.data}/postmaster.pid'
        start = f"{beside} & b=$!; {PG}/pg_ctl -D {self.data} -l {self.log} -w start && {wait} && wait $b"
        return Contender(name, ["sh", "-c", start, WAIT], before, floor=floor, tell=self.replayed, watched=False)

    def replayed(self):
        """How long the replay took, if it was of everything."""
        log, wanted = self.log.read_text(), self.source.segments()
        restored = set(re.findall(r'restored log file "(\w{24})" from archive', log))
        done = re.search(r"redo done at (\w+)/(\w+) .*elapsed: ([\d.]+) s", log)
        if restored != set(wanted) or not done:
            raise Failed(f"{len(restored)} of {len(wanted)} segments replayed\n{log}")
        reached = f"00000001{int(done[1], 16):08X}{int(done[2], 16) // SEGMENT_BYTES:08X}"
        if reached != wanted[-1]:
            raise Failed(f"replayed until {reached} and not {wanted[-1]}\n{log}")
        return f"redo {done[3]} s"


@case("recovery", f"Recovery that replays {SEGMENTS} segments compressed with gzip, fetched over ssh",
      at_most(1.15, COPY), at_most(1.15, COPY_BESIDE), times_faster(BARMAN, 1), times_faster(PGBACKREST, 1),
      note=f"`barman-wal-restore -p {AHEAD} --keep-compression` for both; pgBackRest fetches ahead by `archive-async`, "
           "without ssh. All processors are busy: what ssh and decoding alone take from the replay, the last row "
           "shows. Beside it one ssh brings all segments, and one process decodes the same files; both throw away what "
           "they get.")
def recovery(rig):
    replay = Recovery(rig)
    source = replay.source

    def client(binary, spool, host):
        options = f"-U {rig.user} -c {source.config} -p {AHEAD} --keep-compression"
        return f"{binary} {options} --spool-dir {empty(WORK / spool)} {host} main %f %p"

    # Sent and decoded all at once, without a process for each file, and written nowhere.
    packed = empty(WORK / "recovery-packed")
    for path in sorted(source.home.glob("main/wals/*/*")):
        (packed / f"{path.name}.gz").symlink_to(path)
    beside = f"{{ ssh database 'cat {packed}/*' & s=$!; libdeflate-gunzip -c {packed}/* && wait $s; }}"
    empty(WORK / "spool-pgbackrest")
    get = " ".join(source.pgbackrest(replay.data, "archive-get"))
    return [
        replay.contender(OURS, client(WORK / "bin/barman-wal-restore", "spool-ours", "database")),
        replay.contender(BARMAN, client(WORK / "peer/bin/barman-wal-restore", "spool-barman", "python")),
        replay.contender(PGBACKREST, f"{get} %f %p"),
        replay.contender(COPY, f"cp {source.wal}/%f %p", floor=True),
        replay.contender(COPY_BESIDE, f"cp {source.wal}/%f %p", floor=True, beside=beside),
    ]
