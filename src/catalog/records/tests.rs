use std::fs as real;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::catalog::Keep;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        real::create_dir_all(home.path("main/meta")).unwrap();
        home
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        real::create_dir_all(path.parent().unwrap()).unwrap();
        real::write(path, content).unwrap();
    }

    fn with(self, id: &str, fields: &str) -> Self {
        self.put(&format!("main/meta/{id}-backup.info"), fields);
        self
    }

    fn layout(&self) -> Layout {
        Layout {
            server: "main".into(),
            backup_directory: self.path("main"),
            basebackups_directory: self.path("main/base"),
            lock_directory: self.path(""),
            keeps_old_records: true,
        }
    }

    fn open(&self) -> Catalog {
        Catalog::open(&Files::default(), self.layout()).unwrap()
    }
}

fn id(text: &str) -> BackupId {
    text.parse().unwrap()
}

fn ids(catalog: &Catalog) -> Vec<&str> {
    catalog.ids().map(BackupId::as_str).collect()
}

fn found(catalog: &Catalog, text: &str) -> Result<String, String> {
    catalog.resolve(text).map(|info| info.id.to_string()).map_err(|error| error.to_string())
}

const A: &str = "20250101T000000";
const B: &str = "20250102T000000";
const C: &str = "20250103T000000";
const D: &str = "20250104T000000";

#[test]
fn records_are_found_in_both_places_and_the_new_place_counts() {
    let home = Home::new().with(B, "status=DONE\nsize=2\n");
    home.put(&format!("main/base/{A}/backup.info"), "status=DONE\nsize=1\n");
    home.put(&format!("main/base/{B}/backup.info"), "status=FAILED\n");
    home.put(&format!("main/base/{C}/data/PG_VERSION"), "17\n");
    home.put("main/base/README", "by hand");
    home.put(&format!("main/base/.import-x/{D}/backup.info"), "");
    home.put(&format!("main/meta/{D}-backup.info.tmp"), "");
    home.put(&format!("main/meta/.{D}-backup.info.7.tmp"), "");
    home.put(&format!("main/meta/{D}-keep"), "full");
    let catalog = home.open();
    assert_eq!(ids(&catalog), [A, B]);
    let sizes: Vec<Option<u64>> = catalog.load().backups.iter().map(|info| info.size).collect();
    assert_eq!(sizes, [Some(1), Some(2)]);
}

#[test]
fn a_catalogue_that_does_not_exist_is_empty() {
    let layout = Layout { backup_directory: "/nowhere".into(), ..Home::new().layout() };
    let catalog = Catalog::open(&Files::default(), layout).unwrap();
    assert_eq!(catalog.ids().count(), 0);
    assert_eq!(found(&catalog, "latest"), Err("Unknown backup 'latest' for server 'main'".into()));
}

#[test]
fn words_names_and_identifiers_find_backups() {
    let home = Home::new()
        .with(A, "status=DONE\nmode=rsync-concurrent\nbackup_name=first full\n")
        .with(B, "status=WAITING_FOR_WALS\nmode=postgres\nbackup_name=weekly\n")
        .with(C, &format!("status=DONE\nmode=postgres\nparent_backup_id={B}\nbackup_name=twice\n"))
        .with(D, "status=FAILED\nmode=postgres\nbackup_name=weekly\n")
        .with("20250105T000000", "status=DONE\nmode=snapshot-concurrent\nbackup_name=twice\n")
        .with("20250106T000000", "status=EMPTY\n");
    let catalog = home.open();
    let cases = [
        ("latest", Ok("20250105T000000")),
        ("last", Ok("20250105T000000")),
        ("oldest", Ok(A)),
        ("first", Ok(A)),
        ("last-failed", Ok(D)),
        ("latest-full", Ok(B)),
        ("last-full", Ok(B)),
        (D, Ok(D)),
        ("20250106T000000", Ok("20250106T000000")),
        ("weekly", Ok(B)),
        ("first full", Ok(A)),
        ("fail", Err("Unknown backup 'fail' for server 'main'")),
        ("", Err("Unknown backup '' for server 'main'")),
        ("20250107T000000", Err("Unknown backup '20250107T000000' for server 'main'")),
        (
            "twice",
            Err("Multiple backups found matching name 'twice' (try using backup ID instead): \
                 20250105T000000 20250103T000000"),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(found(&catalog, text), expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
    }
}

#[test]
fn neighbours_are_available_backups() {
    let home = Home::new()
        .with(A, "status=DONE\n")
        .with(B, "status=FAILED\n")
        .with(C, "status=DONE\n")
        .with(D, "status=STARTED\n");
    let catalog = home.open();
    let name = |info: Result<Option<&BackupInfo>, Error>| info.unwrap().map(|info| info.id.to_string());
    assert_eq!(name(catalog.previous_available(&id(C))), Some(A.into()));
    assert_eq!(name(catalog.next_available(&id(A))), Some(C.into()));
    assert_eq!(name(catalog.previous_available(&id(A))), None);
    assert_eq!(name(catalog.next_available(&id(C))), None);
    assert_eq!(name(catalog.previous_available(&id("20990101T000000"))), Some(C.into()));
}

#[test]
fn a_damaged_record_hides_no_other_and_is_named() {
    let home =
        Home::new().with(A, "status=DONE\n").with(B, "status=DONE\nnonsense\n").with(C, "status=DONE\n");
    let catalog = home.open();
    let Loaded { backups, errors } = catalog.load();
    assert_eq!(backups.len(), 2);
    let path = home.path(&format!("main/meta/{B}-backup.info"));
    let error = format!(
        "backup '{B}' of server 'main': '{}' line 2 cannot be read: it is not 'name=value'",
        path.display()
    );
    assert_eq!(errors.iter().map(Error::to_string).collect::<Vec<_>>(), [error.as_str()]);
    assert_eq!(found(&catalog, "latest"), Ok(C.into()));
    assert_eq!(found(&catalog, "oldest"), Ok(A.into()));
    assert_eq!(found(&catalog, B), Err(error.clone()));
    // These might be the damaged one.
    assert_eq!(found(&catalog, "weekly"), Err(error.clone()));
    assert_eq!(found(&catalog, "last-failed"), Err(error));
    assert!(catalog.next_available(&id(A)).is_err());
}

#[test]
fn a_record_under_another_name_is_not_passed_over_silently() {
    let home = Home::new();
    home.put("main/base/20250101T000000.old/backup.info", "status=DONE\n");
    let catalog = home.open();
    let [Error::Misnamed { path, .. }] = &catalog.load().errors[..] else { panic!() };
    assert!(path.ends_with("20250101T000000.old/backup.info"));
}

#[test]
fn looking_for_the_latest_reads_no_older_record() {
    let home = Home::new().with(A, "damaged").with(B, "status=DONE\n").with(C, "status=EMPTY\n");
    assert_eq!(found(&home.open(), "latest"), Ok(B.into()));
}

#[test]
fn what_is_saved_is_found_here_and_by_the_next_who_opens() {
    let home = Home::new();
    home.put(&format!("main/base/{A}/backup.info"), "status=STARTED\n");
    real::remove_dir(home.path("main/meta")).unwrap();
    let mut catalog = home.open();
    let info = BackupInfo { status: BackupStatus::Done, ..catalog.find(&id(A)).unwrap().unwrap().clone() };
    catalog.save(info.clone()).unwrap();
    assert_eq!(catalog.find(&id(A)).unwrap(), Some(&info));
    assert_eq!(home.open().find(&id(A)).unwrap(), Some(&info));
    assert_eq!(real::read_dir(home.path("main/meta")).unwrap().count(), 1);
    catalog.remove_record(&id(A)).unwrap();
    assert_eq!(catalog.ids().count(), 0);
    catalog.remove_record(&id(A)).unwrap();
}

#[test]
fn a_record_that_vanishes_is_a_backup_that_is_not_there() {
    let home = Home::new().with(A, "status=DONE\n").with(B, "status=DONE\n");
    let catalog = home.open();
    real::remove_file(home.path(&format!("main/meta/{B}-backup.info"))).unwrap();
    assert_eq!(found(&catalog, "latest"), Ok(A.into()));
    assert_eq!(catalog.load().backups.len(), 1);
}

#[test]
fn keep_annotations_of_both_places_are_read_and_written_in_the_new_one() {
    let home = Home::new().with(A, "status=DONE\n").with(B, "status=DONE\n");
    home.put(&format!("main/base/{A}/annotations/keep"), "standalone");
    let catalog = home.open();
    assert_eq!(catalog.keep(&id(A)).unwrap(), Some(Keep::Standalone));
    assert_eq!(catalog.keep(&id(B)).unwrap(), None);
    catalog.set_keep(&id(A), Keep::Full).unwrap();
    assert_eq!(real::read(home.path(&format!("main/meta/{A}-keep"))).unwrap(), b"full");
    assert!(!Path::exists(&home.path(&format!("main/base/{A}/annotations/keep"))));
    assert_eq!(catalog.keep(&id(A)).unwrap(), Some(Keep::Full));
    catalog.release_keep(&id(A)).unwrap();
    catalog.release_keep(&id(A)).unwrap();
    assert_eq!(catalog.keep(&id(A)).unwrap(), None);
    home.put(&format!("main/meta/{A}-keep"), "standalone, please\n");
    assert_eq!(catalog.keep(&id(A)).unwrap(), Some(Keep::Full));
}

#[test]
fn begun_deletions_are_remembered() {
    let home = Home::new();
    let catalog = home.open();
    catalog.mark_deletion(&id(B)).unwrap();
    catalog.mark_deletion(&id(A)).unwrap();
    assert_eq!(catalog.begun_deletions().unwrap(), [id(A), id(B)]);
    assert_eq!(real::read(home.path(&format!("main/meta/{A}-delete_this"))).unwrap(), b"delete");
    catalog.unmark_deletion(&id(A)).unwrap();
    assert_eq!(catalog.begun_deletions().unwrap(), [id(B)]);
}

#[test]
fn a_record_without_files_is_an_orphan() {
    let home = Home::new().with(A, "status=DONE\n").with(B, "status=EMPTY\n").with(C, "status=DONE\n");
    home.put(&format!("main/base/{C}/data/PG_VERSION"), "17\n");
    home.put(&format!("main/base/{D}/backup.info"), "status=DONE\n");
    let catalog = home.open();
    let orphans: Vec<bool> =
        catalog.load().backups.iter().map(|info| catalog.is_orphan(info).unwrap()).collect();
    assert_eq!(orphans, [true, false, false, true]);
    for (status, is_orphan) in [("STARTED", false), ("SYNCING", false), ("FAILED", true)] {
        let home = Home::new().with(A, &format!("status={status}\n"));
        let catalog = home.open();
        assert_eq!(catalog.is_orphan(catalog.load().backups[0]).unwrap(), is_orphan, "{status}");
    }
}

#[test]
fn both_forms_of_a_backup_directory_are_known() {
    let home = Home::new();
    home.put(&format!("main/base/{A}/pgdata/PG_VERSION"), "9.3\n");
    let (catalog, layout) = (home.open(), home.layout());
    let path = |id: BackupId| layout.tablespace_dir(&id, 16387, catalog.directory_form(&id));
    assert_eq!(path(id(A)), home.path(&format!("main/base/{A}/pgdata/pg_tblspc/16387")));
    assert_eq!(path(id(B)), home.path(&format!("main/base/{B}/16387")));
}
