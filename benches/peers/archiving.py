"""Cases that archive WAL."""

import itertools
import os
import shutil

import catalogue
from contest import BARMAN, OURS, Contender, Target, at_most, case, times_faster
from reading import ARCHIVED
from testbed import BARMAN as BARMAN_BIN
from testbed import OURS as OURS_BIN
from testbed import Home, WORK, empty

SEGMENTS = 64
# At the level that `compression_level` is when it is not set, and the program that is fastest at it. That of gzip is 6;
# libdeflate makes files of this size at 5.
GZIP, ZSTD, LZ4, MOVED = "libdeflate-gzip -5", "zstd -4", "lz4 -6", "mv"
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


def stored(program, source, pack):
    """What processor, disk and fsync allow: `pack` makes `$to` of the segment `$f`, one at a time on each processor."""
    place = WORK / "floor"

    def before():
        empty(place / "incoming")
        empty(place / "wals")
        for path in source:
            shutil.copy2(path, place / "incoming")

    each = f"f=$0 to={place}/wals/$0; {pack} && sync $to && rm -f $f"
    script = f"cd {place}/incoming && ls | xargs -P {os.cpu_count()} -n 1 sh -c '{each}' && sync {place}/wals"
    return Contender(program, ["sh", "-c", script], before, floor=True)


def same_size(margin):
    """The archives take the same room."""
    def size(of, name):
        return float(of[name]["told"].split()[0])
    return Target(f"size within {margin:.0%}", lambda of: abs(size(of, OURS) / size(of, BARMAN) - 1) <= margin)


@case("archive-gzip", f"`archive-wal`, {SEGMENTS} segments, gzip", times_faster(BARMAN, 5), at_most(1.25, GZIP),
      same_size(0.03))
def archive_gzip(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [*(archiver(program, source, compression="gzip") for program in PROGRAMS),
            stored(GZIP, source, f"{GZIP} -c $f > $to")]


@case("archive-zstd", f"`archive-wal`, {SEGMENTS} segments, zstd", times_faster(BARMAN, 1), at_most(1.25, ZSTD))
def archive_zstd(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [*(archiver(program, source, compression="zstd") for program in PROGRAMS),
            stored(ZSTD, source, f"{ZSTD} -q -o $to $f")]


@case("archive-lz4", f"`archive-wal`, {SEGMENTS} segments, lz4", times_faster(BARMAN, 1), at_most(1.25, LZ4))
def archive_lz4(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [*(archiver(program, source, compression="lz4") for program in PROGRAMS),
            stored(LZ4, source, f"{LZ4} -q $f $to")]


@case("archive-plain", f"`archive-wal`, {SEGMENTS} segments, not compressed", times_faster(BARMAN, 1),
      at_most(1.25, MOVED))
def archive_plain(rig):
    source = rig.cluster().write_wal(SEGMENTS)
    return [*(archiver(program, source) for program in PROGRAMS), stored(MOVED, source, "sync $f && mv $f $to")]


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
