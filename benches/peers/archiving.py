"""Cases that archive WAL."""

import itertools
import shutil

import catalogue
from contest import BARMAN, OURS, Contender, Target, at_most, case, times_faster
from reading import ARCHIVED
from testbed import BARMAN as BARMAN_BIN
from testbed import OURS as OURS_BIN
from testbed import Home, WORK, empty

SEGMENTS = 64
MOVED, ZSTD, LZ4 = "mv(1), each synced", "zstd(1), each synced", "lz4(1), each synced"
PROGRAMS = {OURS: OURS_BIN, BARMAN: BARMAN_BIN}


def archived_size(home):
    """MiB that the archive takes."""
    wals = home.server() / "wals"
    return f"{sum(path.stat().st_size for path in wals.glob('*/*')) / 2**20:.1f} MiB"


def archiver(program, source, **options):
    """Archives copies of `source`, each time into an empty archive."""
    home = Home(PROGRAMS[program], f"archive-{program}", {"main": ARCHIVED | options})

    def before():
        catalogue.make(empty(home.server()), "main", 0, 0)
        (home.server() / "wals/main-xlog.db").touch()
        for path in source:
            shutil.copy2(path, home.server() / "incoming")

    return Contender(program, home.command("archive-wal", "main"), before, tell=lambda: archived_size(home))


def stored(name, source, pack):
    """What disk and fsync allow: `pack` brings each segment to where it stays, synced, one after the other."""
    place = WORK / "floor"

    def before():
        empty(place / "incoming")
        empty(place / "wals")
        for path in source:
            shutil.copy2(path, place / "incoming")

    script = f'cd {place}/incoming && for f in *; do {pack} || exit; done; sync ../wals'
    return Contender(name, ["sh", "-c", script], before, floor=True)


def same_size(margin):
    """The archives take the same room."""
    def size(of, name):
        return float(of[name]["told"].split()[0])
    return Target(f"size within {margin:.0%}", lambda of: abs(size(of, OURS) / size(of, BARMAN) - 1) <= margin)


@case("archive-gzip", f"`archive-wal`, {SEGMENTS} segments, gzip", times_faster(BARMAN, 5), same_size(0.03))
def archive_gzip(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [archiver(program, source, compression="gzip") for program in PROGRAMS]


@case("archive-zstd", f"`archive-wal`, {SEGMENTS} segments, zstd", times_faster(BARMAN, 1), at_most(1.25, ZSTD))
def archive_zstd(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [*(archiver(program, source, compression="zstd") for program in PROGRAMS),
            stored(ZSTD, source, "zstd -q --rm -o ../wals/$f $f && sync ../wals/$f")]


@case("archive-lz4", f"`archive-wal`, {SEGMENTS} segments, lz4", times_faster(BARMAN, 1), at_most(1.25, LZ4))
def archive_lz4(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [*(archiver(program, source, compression="lz4") for program in PROGRAMS),
            stored(LZ4, source, "lz4 -q --rm $f ../wals/$f && sync ../wals/$f")]


@case("archive-plain", f"`archive-wal`, {SEGMENTS} segments, not compressed", times_faster(BARMAN, 1),
      at_most(1.25, MOVED))
def archive_plain(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [*(archiver(program, source) for program in PROGRAMS), stored(MOVED, source, "sync $f && mv $f ../wals")]


LINES = 100_000


def one_more(home, source, lines):
    """Has `source` arrive as the segment behind a log of so many lines, each time as another one."""
    upcoming = itertools.count(lines)
    return lambda: shutil.copy2(source, home.server() / "incoming" / catalogue.segment(next(upcoming)))


@case("archive-one", f"`archive-wal` of one segment, {LINES:,} lines in `xlog.db`", times_faster(BARMAN, 5))
def archive_one(rig):
    source = rig.cluster().write_wal(1)[0]
    contenders = []
    for program, binary in PROGRAMS.items():
        home = Home(binary, f"archive-one-{program}", {"main": ARCHIVED})
        catalogue.make(home.server(), "main", 1, LINES)
        # The programs settle on what they found before the clock runs.
        home.run("archive-wal", "main")
        contenders.append(Contender(program, home.command("archive-wal", "main"), one_more(home, source, LINES)))
    return contenders
