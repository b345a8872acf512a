//! From another host to this one, of a server that goes on working.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use barman::transfer::Endpoint;
use barman::transfer::filter::Filters;
use barman::transfer::smart_copy::{CopyItem, CopyReport, ReuseMode, SmartCopy};
use barman::types::{PgVersion, Timestamp};

use crate::kit::*;

/// Tuesday, 14 November 2023; files of the tests are changed around this time.
const BEGIN: u64 = 1_700_000_000;

fn backup() -> SmartCopy {
    SmartCopy::new(Sshd::shared().endpoint(), Endpoint::Local)
}

fn tree_of(source: &Path, destination: &Path) -> SmartCopy {
    SmartCopy { items: vec![CopyItem::tree("pgdata", source, destination)], ..backup() }
}

fn again(source: &Path, destination: &Path, reference: &Path, horizon: u64) -> SmartCopy {
    let mut copy = tree_of(source, destination);
    copy.items[0].reuse = Some(reference.into());
    SmartCopy { reuse: ReuseMode::Link, safe_horizon: Some(at(horizon)), ..copy }
}

fn at(secs: u64) -> Timestamp {
    chrono::DateTime::from_timestamp(secs.cast_signed(), 500_000_000).unwrap().fixed_offset()
}

fn run(copy: &SmartCopy) -> CopyReport {
    copy.run(&context()).unwrap()
}

/// A little of what a cluster has, all of it changed long before `BEGIN`.
fn cluster(root: &Path) {
    write(&root.join("PG_VERSION"), "15\n");
    write(&root.join("global/pg_control"), noise(1, 8192));
    write(&root.join("base/1/1259"), noise(2, 300_000));
    write(&root.join("base/1/1249"), noise(3, 8192));
    write(&root.join("base/5/2608"), "");
    for empty in ["pg_wal/archive_status", "pg_notify", "pg_tblspc"] {
        fs::create_dir_all(root.join(empty)).unwrap();
    }
    for name in ["PG_VERSION", "global/pg_control", "base/1/1259", "base/1/1249", "base/5/2608"] {
        set_mode(&root.join(name), 0o600);
        set_modified(&root.join(name), BEGIN - 1000, 0);
    }
    set_mode(root, 0o700);
    set_mode(&root.join("base"), 0o750);
}

#[test]
fn a_tree_arrives_as_it_is() {
    let dir = Dir::new();
    cluster(&dir.join("pg"));
    for jobs in [1, 3] {
        let destination = dir.join(format!("backup/{jobs}"));
        let report = run(&SmartCopy { jobs, ..tree_of(&dir.join("pg"), &destination) });
        assert_eq!(tree(&destination), tree(&dir.join("pg")));
        assert_eq!((report.files, report.bytes, report.copied_bytes), (5, 316_387, 316_387));
        assert_eq!(report.times.copy_per_item[0].0, "pgdata");
        assert!(report.times.copy > Duration::ZERO && report.times.total >= report.times.copy);
    }
}

#[test]
fn names_of_any_bytes_arrive_on_any_path() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let odd: [&[u8]; 17] = [
        b" lead",
        b"trail ",
        b"two  blanks",
        b"new\nline",
        b"carriage\rreturn",
        b"tab\t",
        b"#comment",
        b";comment",
        b"-option",
        b"~",
        b"*?[x]",
        b"'single' \"double\"",
        b"$HOME `true` $(true)",
        b"back\\slash\\#012",
        b"a -> b",
        b"\xff\xfe\x01",
        "žluťoučký".as_bytes(),
    ];
    let dir = Dir::new();
    let path = odd.iter().map(|name| OsStr::from_bytes(name)).collect::<PathBuf>();
    let (source, destination) = (dir.join("source").join(&path), dir.join("destination").join(path));
    for name in odd.map(OsStr::from_bytes) {
        write(&source.join("files").join(name), name.as_bytes());
        fs::create_dir_all(source.join("directories").join(name)).unwrap();
    }
    for endpoint in [Sshd::shared().endpoint(), Endpoint::Local] {
        run(&SmartCopy { source: endpoint, ..tree_of(&source, &destination) });
        assert_eq!(tree(&destination), tree(&source));
        fs::remove_dir_all(&destination).unwrap();
    }
}

#[test]
fn an_earlier_copy_is_linked_to_and_never_changed() {
    let dir = Dir::new();
    let (source, first, second) = (dir.join("pg"), dir.join("1"), dir.join("2"));
    cluster(&source);
    run(&tree_of(&source, &first));
    let before = tree(&first);
    write(&source.join("base/1/1249"), noise(7, 16384));
    write(&source.join("base/1/9999"), "new");
    fs::remove_file(source.join("base/5/2608")).unwrap();
    let report = run(&again(&source, &second, &first, BEGIN));
    assert_eq!(tree(&second), tree(&source));
    assert_eq!(tree(&first), before);
    assert_eq!(inode(&second.join("base/1/1259")), inode(&first.join("base/1/1259")));
    assert_ne!(inode(&second.join("base/1/1249")), inode(&first.join("base/1/1249")));
    assert_eq!((report.files, report.copied_bytes), (5, 16384 + 3));
}

#[test]
fn with_copy_an_earlier_copy_is_read_and_nothing_is_shared() {
    let dir = Dir::new();
    let (source, first, second) = (dir.join("pg"), dir.join("1"), dir.join("2"));
    cluster(&source);
    run(&tree_of(&source, &first));
    let report = run(&SmartCopy { reuse: ReuseMode::Copy, ..again(&source, &second, &first, BEGIN) });
    assert_eq!(tree(&second), tree(&source));
    assert_ne!(inode(&second.join("base/1/1259")), inode(&first.join("base/1/1259")));
    assert_eq!(report.copied_bytes, 0);
}

/// What an attempt leaves that failed half-way: links to the earlier copy, of files that change before the next.
#[test]
fn links_of_an_attempt_that_failed_do_not_lead_into_the_earlier_copy() {
    let dir = Dir::new();
    let (source, first, second) = (dir.join("pg"), dir.join("1"), dir.join("2"));
    cluster(&source);
    run(&tree_of(&source, &first));
    run(&again(&source, &second, &first, BEGIN));
    let before = tree(&first);
    for (seed, name) in ["base/1/1259", "base/1/1249", "global/pg_control", "PG_VERSION"].iter().enumerate() {
        write(&source.join(name), noise(seed as u64 + 50, 8192));
    }
    write(&dir.join("etc/PG_VERSION"), "configuration of the same name");
    let mut copy = again(&source, &second, &first, BEGIN);
    copy.items[0].filters = Filters::default().protecting("global/pg_control");
    copy.items.push(CopyItem::file("pg_control", &source, &second, "global/pg_control"));
    copy.items.push(CopyItem::file("config_file", dir.join("etc"), &second, "PG_VERSION"));
    run(&copy);
    assert_eq!(tree(&first), before);
    assert_eq!(fs::read(second.join("PG_VERSION")).unwrap(), b"configuration of the same name");
    for name in ["base/1/1259", "base/1/1249", "global/pg_control"] {
        assert_eq!(fs::read(second.join(name)).unwrap(), fs::read(source.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_file_that_only_looks_the_same_is_copied_unless_its_time_is_to_be_believed() {
    let dir = Dir::new();
    let (source, first, second) = (dir.join("pg"), dir.join("1"), dir.join("2"));
    // Changed again after it was copied, in the same second: that of the beginning of the first copy.
    for (name, changed) in [("same_second", BEGIN), ("later", BEGIN + 5), ("long_before", BEGIN - 60)] {
        for (root, content) in [(&first, "old"), (&source, "new")] {
            write(&root.join(name), content);
            set_modified(&root.join(name), changed, 700_000_000);
        }
    }
    run(&again(&source, &second, &first, BEGIN));
    let content = |name: &str| fs::read_to_string(second.join(name)).unwrap();
    assert_eq!((content("same_second"), content("later")), ("new".into(), "new".into()));
    // That nobody changes a file without changing its time is what all this stands on; here it was not read.
    assert_eq!(content("long_before"), "old");
    assert_eq!(fs::read_to_string(first.join("same_second")).unwrap(), "old");
}

#[test]
fn files_that_come_and_go_meanwhile_do_not_matter() {
    let dir = Dir::new();
    let source = dir.join("pg");
    cluster(&source);
    for number in 0..2000 {
        write(&source.join(format!("base/7/{number}")), noise(number, 2000));
    }
    let (done, source_of_writer) = (AtomicBool::new(false), &source);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                let _ = fs::remove_file(source_of_writer.join(format!("base/7/{}", number % 2000)));
                write(&source_of_writer.join(format!("base/8/{}/x", number % 50)), "coming");
                let _ = fs::remove_dir_all(source_of_writer.join(format!("base/8/{}", (number + 25) % 50)));
                write(&source_of_writer.join("base/1/growing"), noise(number, (number % 100_000) as usize));
                number += 1;
            }
        });
        for attempt in 0..2 {
            let destination = dir.join(attempt.to_string());
            let copied = SmartCopy { jobs: 2, ..tree_of(&source, &destination) }.run(&context());
            let stable = fs::read(destination.join("base/1/1259")).unwrap_or_default();
            if attempt == 1 || copied.is_err() {
                done.store(true, Ordering::Relaxed);
            }
            copied.unwrap();
            assert_eq!(stable, fs::read(source.join("base/1/1259")).unwrap());
        }
    });
}

#[test]
fn a_backup_takes_what_a_restore_needs_and_nothing_else() {
    let dir = Dir::new();
    let (pgdata, tablespace) = (dir.join("pg"), dir.join("ts"));
    cluster(&pgdata);
    for unwanted in [
        "postmaster.pid",
        "pg_wal/000000010000000000000001",
        "pg_stat_tmp/x",
        "base/1/pg_internal.init",
        "base/pgsql_tmp/t",
        "base/1/t3_16384",
        "log/today",
        "pg_tblspc/16385/PG_15_1/1/2",
        "inside/PG_15_1/1/2",
    ] {
        write(&pgdata.join(unwanted), "unwanted");
    }
    write(&tablespace.join("PG_15_202209061/5/16390"), "row");
    write(&tablespace.join("PG_14_202107181/5/16390"), "of another version");
    let (data, oid) = (dir.join("base/data"), dir.join("base/16385"));
    let mut copy = backup();
    copy.items = vec![
        CopyItem {
            filters: Filters::backup_of_tablespace(PgVersion::new(150_018)),
            ..CopyItem::tree("ts1", &tablespace, &oid)
        },
        CopyItem {
            filters: Filters::backup_of_pgdata().protecting("pg_tblspc/16385").protecting("inside"),
            ..CopyItem::tree("pgdata", &pgdata, &data)
        },
        CopyItem::file("pg_control", &pgdata, &data, "global/pg_control"),
    ];
    run(&copy);
    let expected = [
        "",
        "PG_VERSION",
        "base",
        "base/1",
        "base/1/1249",
        "base/1/1259",
        "base/5",
        "base/5/2608",
        "global",
        "global/pg_control",
        "log",
        "pg_notify",
        "pg_stat_tmp",
        "pg_tblspc",
        "pg_wal",
    ];
    assert_eq!(names(&data), expected);
    assert_eq!(names(&oid), ["", "PG_15_202209061", "PG_15_202209061/5", "PG_15_202209061/5/16390"]);
    assert_eq!(tree(&data)[Path::new("")], Node::Directory { mode: 0o700 });
}

#[test]
fn single_files_come_last_and_change_no_directory() {
    let dir = Dir::new();
    let (pgdata, data) = (dir.join("pg"), dir.join("data"));
    cluster(&pgdata);
    write(&dir.join("etc/postgresql.conf"), "port = 1");
    write(&dir.join("etc/pg_hba.conf"), "local all all peer");
    set_mode(&dir.join("etc"), 0o755);
    let log = dir.join("log");
    // An old rsync needs one more call to find out how old it is: it refuses an option.
    let script = format!(
        "$real \"$@\"; code=$?\ncase $code in 1|12) ;; *) echo \"$@\" >> {};; esac; exit $code",
        log.display()
    );
    let stand_in = dir.stand_in("rsync", &script);
    let mut copy = SmartCopy { path_prefix: Some(stand_in), ..tree_of(&pgdata, &data) };
    copy.items[0].filters = Filters::backup_of_pgdata();
    copy.items.extend([
        CopyItem::file("pg_control", &pgdata, &data, "global/pg_control"),
        CopyItem::file("config_file", dir.join("etc"), &data, "postgresql.conf").optional(),
        CopyItem::file("hba_file", dir.join("etc"), &data, "pg_hba.conf").optional(),
        CopyItem::file("ident_file", dir.join("etc"), &data, "pg_ident.conf").optional(),
    ]);
    let report = run(&copy);
    assert_eq!(report.missing, [dir.join("etc/pg_ident.conf")]);
    assert_eq!(fs::read(data.join("postgresql.conf")).unwrap(), b"port = 1");
    assert_eq!(tree(&data)[Path::new("")], Node::Directory { mode: 0o700 });
    let labels: Vec<_> = report.times.copy_per_item.iter().map(|(label, _)| &label[..]).collect();
    assert_eq!(labels, ["pgdata", "pg_control", "config_file", "hba_file", "ident_file"]);
    let calls = fs::read_to_string(log).unwrap();
    let calls: Vec<_> = calls.lines().collect();
    assert_eq!(calls.len(), 3, "one connection to list, one to copy, one for the single files: {calls:#?}");
    assert!(calls[2].contains("/./global/pg_control") && calls[2].contains("/./pg_ident.conf"));
}

#[test]
fn links_are_followed_and_reported() {
    use std::os::unix::fs::symlink;
    let dir = Dir::new();
    let (pgdata, data) = (dir.join("pg"), dir.join("data"));
    cluster(&pgdata);
    write(&dir.join("etc/conf.d/memory.conf"), "work_mem = 1");
    write(&dir.join("wal/000000010000000000000001"), "wal");
    write(&dir.join("late/PG_15_1/1/2"), "of a tablespace made after the beginning");
    fs::remove_dir_all(pgdata.join("pg_wal")).unwrap();
    symlink(dir.join("wal"), pgdata.join("pg_wal")).unwrap();
    symlink(dir.join("late"), pgdata.join("pg_tblspc/16400")).unwrap();
    symlink("../etc/conf.d", pgdata.join("conf.d")).unwrap();
    symlink("../PG_VERSION", pgdata.join("base/a -> b")).unwrap();
    symlink("/nowhere", pgdata.join("dangling")).unwrap();
    symlink("../PG_VERSION", pgdata.join("base/version")).unwrap();
    let mut copy = tree_of(&pgdata, &data);
    copy.items[0].filters = Filters::backup_of_pgdata();
    let mut links: Vec<_> =
        run(&copy).links.into_iter().map(|link| (link.path, link.target, link.copied)).collect();
    links.sort();
    let link = |name: &str, target: &str, copied| (pgdata.join(name), target.into(), copied);
    assert_eq!(
        links,
        [
            link("base/a -> b", "../PG_VERSION", true),
            link("base/version", "../PG_VERSION", true),
            link("conf.d", "../etc/conf.d", true),
            link("dangling", "/nowhere", false),
        ]
    );
    assert_eq!(fs::read(data.join("conf.d/memory.conf")).unwrap(), b"work_mem = 1");
    assert_eq!(fs::read(data.join("base/version")).unwrap(), b"15\n");
    assert_eq!(tree(&data)[Path::new("pg_wal")], Node::Directory { mode: 0o755 });
    assert!(!data.join("pg_wal/000000010000000000000001").exists() && !data.join("pg_tblspc/16400").exists());
    assert!(tree(&data).values().all(|node| !matches!(node, Node::Link(_))));
}

#[test]
fn how_far_it_is_is_told_and_ends_at_everything() {
    let dir = Dir::new();
    cluster(&dir.join("pg"));
    run(&tree_of(&dir.join("pg"), &dir.join("1")));
    write(&dir.join("pg/base/1/1249"), noise(9, 8192));
    let (context, listener) = listened();
    again(&dir.join("pg"), &dir.join("2"), &dir.join("1"), BEGIN).run(&context).unwrap();
    let told = listener.progress.lock().unwrap();
    let copying: Vec<_> = told.iter().filter(|(phase, ..)| phase == "copying files").collect();
    assert!(copying.len() > 3 && copying.is_sorted_by_key(|(_, bytes, _)| *bytes));
    assert_eq!((copying[0].1, copying[0].2), (0, Some(316_387)));
    assert_eq!(copying.last().unwrap().1, 316_387);
}

#[test]
fn a_large_tree_is_shared_by_the_jobs() {
    let dir = Dir::new();
    for number in 0..8 {
        let file = dir.join(format!("pg/base/1/{number}"));
        write(&file, "");
        fs::File::options().write(true).open(&file).unwrap().set_len(40 << 20).unwrap();
    }
    let log = dir.join("log");
    let script = format!("echo begin >> {0}\n$real \"$@\" || exit $?\necho end >> {0}", log.display());
    let stand_in = dir.stand_in("rsync", &script);
    let copy = tree_of(&dir.join("pg"), &dir.join("data"));
    let report = run(&SmartCopy { jobs: 4, path_prefix: Some(stand_in), ..copy });
    assert_eq!((report.files, report.times.workers), (8, 4));
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().filter(|line| *line == "end").count(), 5, "one lists, four copy");
    assert!(log.contains("begin\nbegin"), "they run at the same time");
}
