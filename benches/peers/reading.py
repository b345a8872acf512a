"""Cases that read: start, lists, one WAL file."""

import shutil

import catalogue
from contest import BARMAN, OURS, Contender, at_most, case, memory_below, times_faster, within
from testbed import BARMAN as BARMAN_BIN
from testbed import OURS as OURS_BIN
from testbed import WORK, Home, run

ARCHIVED = {"archiver": "on", "ssh_command": "ssh database", "conninfo": "host=/nowhere"}


def both(home, *words, **options):
    """The same command by ours and by Barman, on one home."""
    return [
        Contender(OURS, [OURS_BIN, "-c", str(home.config), *words], **options),
        Contender(BARMAN, [BARMAN_BIN, "-c", str(home.config), *words], **options),
    ]


def home_of(name, backups, segments, **options):
    home = Home(OURS_BIN, name, {"main": ARCHIVED | options})
    catalogue.make(home.server(), "main", backups, segments)
    return home


START = [times_faster(BARMAN, 20), within(0.010), memory_below(16)]


@case("version", "`--version`", *START)
def version(rig):
    return [*both(home_of("small", 3, 100), "--version"), Contender("true(1)", ["/bin/true"], floor=True)]


@case("list-servers", "`list-servers`", *START)
def list_servers(rig):
    return both(home_of("small", 3, 100), "list-servers")


@case("list-backups-small", "`list-backups` of 3 backups and 100 WAL files", *START)
def list_backups_small(rig):
    return both(home_of("small", 3, 100), "list-backups", "main")


@case("list-backups-1m", "`list-backups` of 20 backups, 1,000,000 lines in `xlog.db`",
      times_faster(BARMAN, 300), memory_below(64))
def list_backups_million(rig):
    return both(home_of("million", 20, 1_000_000), "list-backups", "main")


@case("list-backups-10m", "`list-backups` of 20 backups, 10,000,000 lines", within(1), memory_below(64),
      note="Barman would take minutes.")
def list_backups_ten_million(rig):
    return both(home_of("ten-million", 20, 10_000_000), "list-backups", "main")[:1]


@case("list-backups-500", "`list-backups` of 500 backups, 1,000,000 lines", memory_below(64),
      note="Barman would take ten minutes.")
def list_backups_many(rig):
    return both(home_of("many", 500, 1_000_000), "list-backups", "main")[:1]


@case("show-backup-1m", "`show-backup latest`, 1,000,000 lines", within(0.020))
def show_backup(rig):
    return both(home_of("million", 20, 1_000_000), "show-backup", "main", "latest")


@case("list-files-1m", "`list-files --target wal latest`, 1,000,000 lines", times_faster(BARMAN, 20))
def list_files(rig):
    return both(home_of("million", 20, 1_000_000), "list-files", "--target", "wal", "main", "latest")


GUNZIP = "libdeflate-gunzip"


def get_wal(program):
    """`get-wal` of a segment that `program` has archived, and what only decodes it."""
    def make(rig):
        source = rig.cluster().write_wal(64)[10]
        home = home_of("get-wal", 1, 1, compression="gzip")
        (home.server() / "wals/main-xlog.db").unlink()
        shutil.copy(source, home.server() / "incoming")
        run(program, "-c", home.config, "archive-wal", "main")
        packed = WORK / "floor.gz"   # they want the suffix
        shutil.copy(home.server() / "wals" / source.name[:16] / source.name, packed)
        return [
            *both(home, "get-wal", "main", source.name),
            Contender(GUNZIP, [GUNZIP, "-c", str(packed)], floor=True),
            Contender("gzip -dc", ["gzip", "-dc", str(packed)], floor=True),
        ]
    return make


for name, title, program in (
    ("get-wal", "`get-wal` of a segment compressed with gzip", OURS_BIN),
    ("get-wal-of-barman", "`get-wal` of a segment that Barman has compressed with gzip", BARMAN_BIN),
):
    case(name, title, times_faster(BARMAN, 8), at_most(1.5, GUNZIP))(get_wal(program))
