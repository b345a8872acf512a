//! The WAL of a restore: which is there, and whether it is whole.

use super::*;

/// Takes no byte more below a directory.
struct Full(PathBuf);

impl Probe for Full {
    fn before(&self, action: &'static str, path: &Path) -> io::Result<()> {
        let takes_room = !matches!(action, "remove" | "open" | "sync");
        let is_full = takes_room && path.starts_with(&self.0);
        if is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn a_full_backup_host_restores_what_is_archived() {
    let site = Site::new();
    site.restore_to("first", Files::default()).unwrap();
    real::create_dir_all(site.path("main/incoming")).unwrap();
    real::write(site.path("main/incoming/000000010000000000000004"), wal()).unwrap();
    let said = Arc::new(Said::default());
    let mut server = site.server(Files::probed(Arc::new(Full(site.path("main")))));
    server.context.events = said.clone();
    run(&server, &site.request("to", &[&format!("ts:{}", site.path("to-ts").display())])).unwrap();
    site.assert_complete("to", "from a full disk");
    assert!(said.has(Severity::Warning, "not included in the restore"), "{:?}", said.0.lock().unwrap());
}

/// A clock that passes at once what is waited for.
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        "2026-01-02T10:00:00Z".parse().unwrap()
    }

    fn sleep(&self, _: Duration, cancel: &Cancel) -> Result<(), Cancelled> {
        cancel.check()
    }
}

#[test]
fn wal_that_another_process_is_archiving_is_not_left_out_without_a_word() {
    let site = Site::new();
    real::create_dir_all(site.path("main/incoming")).unwrap();
    real::write(site.path("main/incoming/000000010000000000000004"), wal()).unwrap();
    let said = Arc::new(Said::default());
    let mut server = site.server(Files::default());
    (server.context.events, server.context.clock) = (said.clone(), Arc::new(Hasty));
    let _archiving = Lock::try_acquire(&server.task_lock("archive-wal")).unwrap().unwrap();
    run(&server, &site.request("to", &[&format!("ts:{}", site.path("to-ts").display())])).unwrap();
    assert!(said.has(Severity::Info, "waiting up to 60 seconds"));
    assert!(said.has(Severity::Warning, "1 files that wait in"), "{:?}", said.0.lock().unwrap());
}

#[test]
fn what_is_wrong_with_wal_is_said_in_the_same_words_wherever_it_goes() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.add_damaged_segment();
    let ssh = site.path("ssh");
    let script = "#!/bin/sh\nwhile [ \"$1\" != there ]; do shift; done; shift\n\
                  while [ \"$1\" = -o ]; do shift 2; done; exec /bin/sh -c \"$*\"\n";
    real::write(&ssh, script).unwrap();
    real::set_permissions(&ssh, real::Permissions::from_mode(0o755)).unwrap();
    let said = |to: &str, remote_ssh_command| {
        let location = format!("ts:{}", site.path(&format!("{to}-ts")).display());
        let targets = Vec::new();
        let request = RestoreRequest { remote_ssh_command, targets, ..site.request(to, &[&location]) };
        run(&site.server(Files::default()), &request).unwrap_err().description()
    };
    let (here, there) = (said("here", None), said("there", Some(format!("{} there", ssh.display()))));
    assert!(here.contains("HINT: ") && here.contains("the file is damaged"), "{here}");
    assert_eq!(here, there);
    assert!(site.path("here/base").exists(), "it is among those that are read when they are copied");
}

#[test]
fn what_is_missing_to_decode_wal_is_found_before_anything_is_written() {
    let site = Site::new();
    let damaged = site.add_damaged_segment();
    real::copy(&damaged, damaged.with_file_name(SEGMENT)).unwrap();
    let refused = site.restore_to("to", Files::default()).unwrap_err().description();
    assert!(refused.contains(SEGMENT) && refused.contains("the file is damaged"), "{refused}");
    assert!(!site.path("to").exists());
}

#[test]
fn a_segment_that_was_cut_off_is_never_restored_short() {
    let site = Site::new();
    std::fs::write(site.path(&format!("main/wals/0000000100000000/{SEGMENT}")), "w".repeat(1000)).unwrap();
    let refused = site.restore_to("new", Files::default()).unwrap_err();
    let said = refused.to_string();
    assert!(said.contains(SEGMENT) && said.contains("holds 1000 bytes, and a segment has 1048576"), "{said}");
    assert!(!site.path("new").exists(), "refused before a byte is written");
}

/// Restores, and keeps what is said.
fn restore_heard(site: &Site, to: &str, targets: Vec<TypedTarget>) -> (Result<Restored, String>, Arc<Said>) {
    let said = Arc::new(Said::default());
    let mut server = site.server(Files::default());
    server.context.events = said.clone();
    let location = format!("ts:{}", site.path(&format!("{to}-ts")).display());
    let request = RestoreRequest { targets, ..site.request(to, &[&location]) };
    (run(&server, &request).map_err(|error| error.to_string()), said)
}

#[test]
fn an_archive_that_ends_before_the_target_time_is_told() {
    let site = Site::new();
    let target = || vec![TypedTarget::Time("2026-01-01 11:00:00+00:00".into())];
    let warns = |to: &str, finished: &str| {
        let list = format!("{SEGMENT}\t1048576\t{finished}\tNone\tNone\n");
        real::write(site.path("main/wals/main-xlog.db"), list).unwrap();
        let (restored, said) = restore_heard(&site, to, target());
        restored.unwrap();
        said.has(Severity::Warning, "was finished before the target time")
    };
    assert!(warns("short", "1767265199.5"), "half a second before 11:00");
    assert!(!warns("enough", "1767265200.5"));
}

#[test]
fn a_segment_that_was_cut_off_after_the_backup_ends_the_wal_and_is_told() {
    let site = Site::new();
    let cut = "000000010000000000000004";
    real::write(site.path(&format!("main/wals/0000000100000000/{cut}")), "w".repeat(1000)).unwrap();
    let list = format!("{SEGMENT}\t1048576\t1.5\tNone\tNone\n{cut}\t1000\t2.5\tNone\tNone\n");
    real::write(site.path("main/wals/main-xlog.db"), list).unwrap();
    let restore = |to: &str, targets| restore_heard(&site, to, targets);
    let (restored, said) = restore("plain", Vec::new());
    restored.unwrap();
    assert!(said.has(Severity::Warning, "it holds 1000 bytes"), "{:?}", said.0.lock().unwrap());
    let wal = site.path("plain/pg_wal");
    assert!(wal.join(SEGMENT).exists() && !wal.join(cut).exists());
    let refused = restore("later", vec![TypedTarget::Lsn("0/4000100".parse().unwrap())]).0.unwrap_err();
    assert!(refused.contains("which lies before the recovery target"), "{refused}");
    restore("before", vec![TypedTarget::Immediate]).0.unwrap();
}
