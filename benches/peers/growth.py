"""How the cost of our commands grows with what there is. The sizes take the places of contenders, all of them ours."""

import functools
import gzip
import math
import shutil
from dataclasses import dataclass, replace

import catalogue
from archiving import archiver, one_more
from contest import CASES, OURS, Case, Contender, Target
from copying import remove_backups, rsync_server
from reading import ARCHIVED
from testbed import OURS as OURS_BIN
from testbed import SCALE, WORK, Home, empty
from upkeep import quiet

LINES = (1_000, 100_000, 1_000_000, 10_000_000)     # of xlog.db
FILES = (1_000, 5_000, 20_000, 80_000)               # of WAL in the archive
BACKUPS = (20, 100, 500, 2_000)
SERVERS = (1, 10, 50, 200)
ARRIVED = (4, 16, 64, 128)                           # segments in `incoming`
SCALES = tuple(max(SCALE * percent // 100, 1) for percent in (1, 6, 25, 100))   # of pgbench
FEW_BACKUPS, FEW_LINES = BACKUPS[0], LINES[1]


@dataclass(frozen=True)
class Growth(Case):
    """One command, at sizes of one thing, with the reason why it costs what it does."""

    command: str
    grows: str


def exponent(results, since=0):
    """`e` when the cost grows as the size to the power of `e`, from one of the sizes to the greatest."""
    sizes = [(size_of(name), figures["median"]) for name, figures in results.items()]
    (least, before), (greatest, after) = sizes[since], sizes[-1]
    return math.log(after / before) / math.log(greatest / least)


def size_of(name):
    """A size as it was shown."""
    return int(name.split()[0].replace(",", ""))


def is_flat(results, since=0):
    medians = [figures["median"] for figures in results.values()]
    return medians[-1] <= 1.25 * medians[since]


FLAT = Target("flat", is_flat)
FLAT_LATER = Target("flat from the second size on", lambda results: is_flat(results, since=1))
# The start of a program hides what begins at the end. Two sizes alone have more noise.
LINEAR = Target("at most linear", lambda results: exponent(results) <= 1.1 and exponent(results, since=-2) <= 1.25)


def growth(name, command, grows, sizes, target, reason):
    """Registers the function below it, which makes our command for one size."""
    def register(make_one):
        def make(rig):
            contenders = ((size, make_one(rig, size)) for size in sizes)
            return [replace(contender, name=contender.name or f"{size:,}") for size, contender in contenders]
        title = f"{command} by {grows}"
        CASES[f"growth-{name}"] = Growth(f"growth-{name}", title, make, [target], reason, command, grows)
        return make_one
    return register


def ours(home, *words, **options):
    """Our command, without a name: its size will be that."""
    return Contender("", home.command(*words), **options)


def settled(home):
    """The same after the first `cron`, which writes indexes and copies of records that later ones find."""
    home.run("cron")
    quiet(home)
    return home


@functools.cache
def packed(rig):
    """A segment as it lies in an archive."""
    return gzip.compress(rig.cluster().write_wal(1)[0].read_bytes())


@functools.cache
def home_with_lines(rig, lines):
    """A few backups, spread over a long xlog.db. Of the WAL only the first file is there."""
    home = Home(OURS_BIN, f"growth-lines-{lines}", {"main": ARCHIVED})
    catalogue.make(home.server(), "main", FEW_BACKUPS, lines)
    catalogue.write_files(home.server() / "wals", 1, packed(rig))
    home.run("archive-wal", "main")
    return home


@functools.cache
def home_with_files(rig, files):
    """An archive with all files that its list has; the first is a real one."""
    home = Home(OURS_BIN, f"growth-files-{files}", {"main": ARCHIVED | {"compression": "gzip"}})
    catalogue.make(home.server(), "main", 1, files, files=gzip.compress(b"segment"))
    catalogue.write_files(home.server() / "wals", 1, packed(rig))
    home.run("archive-wal", "main")
    return home


@functools.cache
def home_with_backups(backups):
    """Many backups, all kept by the retention policy, whose connections are refused at once."""
    options = {"retention_policy": f"REDUNDANCY {backups}", "ssh_command": "false"}
    home = Home(OURS_BIN, f"growth-backups-{backups}", {"main": ARCHIVED | options})
    catalogue.make(home.server(), "main", backups, FEW_LINES)
    return settled(home)


@functools.cache
def home_with_servers(servers):
    names = [f"server{number:03}" for number in range(servers)]
    home = Home(OURS_BIN, f"growth-servers-{servers}", {name: ARCHIVED for name in names})
    for name in names:
        catalogue.make(home.server(name), name, 3, 100)
    return settled(home)


@growth("list-backups-lines", f"`list-backups` of {FEW_BACKUPS} backups", "lines in `xlog.db`", LINES, FLAT_LATER,
        "The index beside `xlog.db` has the sums; only the lines at the two ends of each backup's WAL are read. In a "
        "short list those of all backups are in the same block.")
def list_backups_lines(rig, lines):
    return ours(home_with_lines(rig, lines), "list-backups", "main")


@growth("list-backups", "`list-backups`", "backups", BACKUPS, LINEAR,
        "Every record is read, and has a row in the answer.")
def list_backups(rig, backups):
    return ours(home_with_backups(backups), "list-backups", "main")


@growth("show-backup", "`show-backup latest`", "lines in `xlog.db`", LINES, FLAT, "As `list-backups`, for one of them.")
def show_backup(rig, lines):
    return ours(home_with_lines(rig, lines), "show-backup", "main", "latest")


@growth("list-files", "`list-files --target wal latest`", "segments in the answer",
        tuple(lines // FEW_BACKUPS for lines in LINES), LINEAR,
        "Each line of the answer is a line of `xlog.db` that is read.")
def list_files(rig, segments):
    return ours(home_with_lines(rig, segments * FEW_BACKUPS), "list-files", "--target", "wal", "main", "latest")


@growth("list-servers", "`list-servers`", "servers", SERVERS, LINEAR,
        "The settings of all servers are read and checked.")
def list_servers(rig, servers):
    return ours(home_with_servers(servers), "list-servers")


@growth("get-wal-lines", "`get-wal` of a segment", "lines in `xlog.db`", LINES, FLAT,
        "A file is found by its name; the list is not looked at.")
def get_wal_lines(rig, lines):
    return ours(home_with_lines(rig, lines), "get-wal", "main", catalogue.segment(0))


@growth("get-wal-files", "`get-wal` of a segment", "WAL files in the archive", FILES, FLAT,
        "A file is found by its name; no directory is read.")
def get_wal_files(rig, files):
    return ours(home_with_files(rig, files), "get-wal", "main", catalogue.segment(0))


@growth("archive-one", "`archive-wal` of one segment", "lines in `xlog.db`", LINES, FLAT,
        "One line is appended to `xlog.db`, and the last block of the index is written again.")
def archive_one(rig, lines):
    home = home_with_lines(rig, lines)
    source = rig.cluster().write_wal(1)[0]
    return ours(home, "archive-wal", "main", before=one_more(home, source, lines))


@growth("archive", "`archive-wal` with gzip", "segments that have arrived", ARRIVED, LINEAR,
        "Each segment is read, compressed and synced once, on all processors.")
def archive(rig, segments):
    contender = archiver(OURS, rig.cluster().write_wal(ARRIVED[-1])[:segments], compression="gzip")
    return replace(contender, name="")


@growth("cron", "`cron` with nothing to do", "servers", SERVERS, LINEAR,
        "Each server's directory of arrived WAL and its records are looked at; no process is started.")
def cron(rig, servers):
    home = home_with_servers(servers)
    return ours(home, "cron", before=lambda: quiet(home))


@growth("cron-lines", "`cron` of one server", "lines in `xlog.db`", LINES, FLAT, "Of the list, its last line is looked at.")
def cron_lines(rig, lines):
    home = home_with_lines(rig, lines)
    return ours(home, "cron", before=lambda: quiet(home))


@growth("check-lines", "`check` of a server that is down", "lines in `xlog.db`", LINES, FLAT,
        "The list is asked for one line.")
def check_lines(rig, lines):
    return ours(home_with_lines(rig, lines), "check", "main", status=1)


@growth("cron-backups", "`cron` of one server", "backups", BACKUPS, LINEAR,
        "Backups that wait for WAL or were abandoned are looked for, and the retention policy judges all: each record "
        "is read.")
def cron_backups(rig, backups):
    home = home_with_backups(backups)
    return ours(home, "cron", before=lambda: quiet(home))


@growth("check", "`check` of a server that is down", "backups", BACKUPS, LINEAR,
        "Failed backups are counted among all records.")
def check(rig, backups):
    return ours(home_with_backups(backups), "check", "main", status=1)


@growth("rebuild-xlogdb", "`rebuild-xlogdb`", "WAL files in the archive", FILES, LINEAR,
        "The beginning of each file is read.")
def rebuild(rig, files):
    return ours(home_with_files(rig, files), "rebuild-xlogdb", "main")


@growth("delete", "`delete` of a backup", "WAL files that go with it", FILES, LINEAR, "Each file is unlinked.")
def delete(rig, files):
    home = Home(OURS_BIN, f"growth-delete-{files}", {"main": ARCHIVED})

    def before():
        catalogue.make(empty(home.server()), "main", 2, 2 * files)
        catalogue.write_files(home.server() / "wals", files, b"segment")

    return ours(home, "delete", "main", "oldest", before=before)


def rsync_home(rig, scale, name):
    """A home that backs up a cluster of `scale`, with a finished backup."""
    cluster = rig.cluster(scale)
    home = Home(OURS_BIN, f"growth-{name}-{scale}", {"main": rsync_server(cluster)})
    catalogue.make(home.server(), "main", 0, 0)
    cluster.ship_to(home)
    home.run("switch-wal", "--force", "--archive", "main")
    home.run("backup", "--wait", "main")
    return home


@functools.cache
def backed_up(rig, scale):
    """The same for all that only read the backup, and the directory of its data."""
    home = rsync_home(rig, scale, "backed-up")
    return home, next((home.server() / "base").iterdir()) / "data"


def by_bytes(home, *words, **options):
    """Our command on the backup of a home, named by the size of that."""
    files = (path for path in (home.server() / "base").rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files) // 2**20
    return replace(ours(home, *words, **options), name=f"{size:,} MiB")


COPIED = "Each byte is read and written once"


@growth("backup", "`backup` over ssh with rsync", "bytes", SCALES, LINEAR,
        f"{COPIED}, after some seconds of talk with the server.")
def backup(rig, scale):
    home = rsync_home(rig, scale, "backup")
    return by_bytes(home, "backup", "main", before=lambda: remove_backups(home))


@growth("restore", "`restore` to a local directory", "bytes", SCALES, LINEAR, f"{COPIED}, and synced.")
def restore(rig, scale):
    home, _ = backed_up(rig, scale)
    target = WORK / "homes" / f"restored-{scale}"
    return by_bytes(home, "restore", "main", "latest", target, before=lambda: empty(target))


@growth("generate-manifest", "`generate-manifest`", "bytes", SCALES, LINEAR,
        "Each byte is read and summed, on all processors.")
def generate_manifest(rig, scale):
    home, data = backed_up(rig, scale)
    manifest = data / "backup_manifest"
    return by_bytes(home, "generate-manifest", "main", "latest", before=lambda: manifest.unlink(missing_ok=True))


@growth("verify-backup", "`verify-backup`", "bytes", SCALES, LINEAR,
        "Each byte is read and summed, on all processors.")
def verify_backup(rig, scale):
    home, data = backed_up(rig, scale)
    (data / "backup_manifest").unlink(missing_ok=True)
    home.run("generate-manifest", "main", "latest")
    return by_bytes(home, "verify-backup", "main", "latest")
