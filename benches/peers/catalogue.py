"""Catalogues as they are after years, written in seconds: records, xlog.db, and WAL files where a case needs them."""

from datetime import datetime, timedelta, timezone

FIRST = datetime(2025, 1, 1, tzinfo=timezone.utc)
ON_LINE = 256   # segments of 16 MiB in one hash directory


def segment(number):
    """The name of the `number`th segment of timeline 1."""
    return f"00000001{number // ON_LINE:08X}{number % ON_LINE:08X}"


def record(server, begin, end, started):
    """A finished backup that needs the segments `begin` to `end`."""
    fields = {
        "backup_label": None, "begin_offset": 40, "begin_time": started, "begin_wal": segment(begin),
        "begin_xlog": f"{begin // ON_LINE:X}/{begin % ON_LINE:02X}000028", "children_backup_ids": None,
        "cluster_size": 1500000000, "compression": None, "config_file": "/srv/pg/postgresql.conf",
        "copy_stats": {"copy_time": 20.5, "total_time": 21.5}, "data_checksums": "on",
        "deduplicated_size": 1500000000, "encryption": None, "end_offset": 312,
        "end_time": started + timedelta(seconds=25), "end_wal": segment(end),
        "end_xlog": f"{end // ON_LINE:X}/{end % ON_LINE:02X}000138", "error": None,
        "hba_file": "/srv/pg/pg_hba.conf", "ident_file": "/srv/pg/pg_ident.conf", "included_files": None,
        "mode": "rsync-concurrent", "parent_backup_id": None, "pgdata": "/srv/pg", "server_name": server,
        "size": 1500000000, "snapshots_info": None, "status": "DONE", "summarize_wal": None,
        "systemid": "7139870358166741016", "tablespaces": None, "timeline": 1, "version": 150004,
        "xlog_segment_size": 16777216,
    }
    return "".join(f"{key}={value}\n" for key, value in fields.items())


def make(directory, server, backups, segments, files=None):
    """`backups` spread over a log of `segments`; with `files`, every segment has a file of that content."""
    wals = directory / "wals"
    for place in (wals, directory / "meta", directory / "incoming", directory / "errors", directory / "streaming"):
        place.mkdir(parents=True, exist_ok=True)
    apart = max(segments // max(backups, 1), 1)
    for number in range(backups):
        started = FIRST + timedelta(hours=6 * number)
        identifier = started.strftime("%Y%m%dT%H%M%S")
        (directory / "base" / identifier / "data").mkdir(parents=True, exist_ok=True)
        text = record(server, number * apart, number * apart + 1, started)
        (directory / "meta" / f"{identifier}-backup.info").write_text(text)
    with open(wals / f"{server}-xlog.db", "w") as listed:
        for first in range(0, segments, ON_LINE):
            listed.write(lines(first, min(first + ON_LINE, segments)))
    if files is not None:
        write_files(wals, segments, files)


def lines(first, end):
    """The lines of xlog.db from segment `first` to before `end`, in one hash directory."""
    directory, began = segment(first)[:16], FIRST.timestamp()
    return "".join([
        f"{directory}{number % ON_LINE:08X}\t5242880\t{began + number * 20.5}\tgzip\tNone\n"
        for number in range(first, end)
    ])


def write_files(wals, segments, content):
    """A file of `content` for each of the first `segments`."""
    for number in range(segments):
        place = wals / segment(number)[:16]
        if number % ON_LINE == 0:
            place.mkdir(exist_ok=True)
        (place / segment(number)).write_bytes(content)
