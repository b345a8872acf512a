//! What of a cluster is copied, and where to.

use std::path::{Path, PathBuf};

use super::BackupOptions;
use crate::catalog::{BackupInfo, DirectoryForm, Layout};
use crate::ops::CopySettings;
use crate::transfer::Filters;
use crate::transfer::smart_copy::CopyItem;
use crate::types::PgVersion;

/// The items of a copy: tablespaces, the data directory, the configuration files outside of it, and the control
/// file as the last of all.
///
/// `previous` is the backup whose files may be reused.
pub fn plan(
    layout: &Layout,
    backup: &BackupInfo,
    previous: Option<&BackupInfo>,
    options: &BackupOptions,
) -> Vec<CopyItem> {
    let (Some(pgdata), Some(version)) = (&backup.pgdata, backup.version) else { return Vec::new() };
    let data = layout.data_dir(&backup.id, DirectoryForm::Data);
    let mut items = tablespaces(layout, backup, previous, version, &options.copy);
    items.push(CopyItem {
        reuse: previous.map(|previous| layout.data_dir(&previous.id, DirectoryForm::Data)),
        filters: data_filters(backup, pgdata),
        bandwidth_limit: options.copy.bandwidth_limit,
        ..CopyItem::tree("pgdata", pgdata, &data)
    });
    for (label, path) in external_files(backup, pgdata) {
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            items.push(CopyItem::file(label, directory, &data, name).optional());
        }
    }
    items.push(CopyItem::file("pg_control", pgdata, &data, "global/pg_control"));
    items
}

fn tablespaces(
    layout: &Layout,
    backup: &BackupInfo,
    previous: Option<&BackupInfo>,
    version: PgVersion,
    copy: &CopySettings,
) -> Vec<CopyItem> {
    let item = |tablespace: &crate::catalog::Tablespace| {
        let destination = layout.tablespace_dir(&backup.id, tablespace.oid, DirectoryForm::Data);
        let reuse = previous
            .filter(|previous| previous.tablespaces.iter().any(|known| known.oid == tablespace.oid))
            .map(|previous| layout.tablespace_dir(&previous.id, tablespace.oid, DirectoryForm::Data));
        CopyItem {
            reuse,
            filters: Filters::backup_of_tablespace(version),
            bandwidth_limit: copy.limit_of_tablespace(&tablespace.name),
            ..CopyItem::tree(&tablespace.name, &tablespace.location, destination)
        }
    };
    backup.tablespaces.iter().map(item).collect()
}

/// The data directory without what other items bring: the links of tablespaces, and tablespaces that lie in it.
fn data_filters(backup: &BackupInfo, pgdata: &Path) -> Filters {
    let links =
        backup.tablespaces.iter().map(|tablespace| Path::new("pg_tblspc").join(tablespace.oid.to_string()));
    let inside =
        backup.tablespaces.iter().filter_map(|tablespace| tablespace.location.strip_prefix(pgdata).ok());
    links.chain(inside.map(Path::to_owned)).fold(Filters::backup_of_pgdata(), Filters::protecting)
}

/// The main configuration files that do not lie in the data directory.
fn external_files(backup: &BackupInfo, pgdata: &Path) -> Vec<(&'static str, PathBuf)> {
    let files = [
        ("config_file", &backup.config_file),
        ("hba_file", &backup.hba_file),
        ("ident_file", &backup.ident_file),
    ];
    let known = files.into_iter().filter_map(|(label, path)| Some((label, path.clone()?)));
    known.filter(|(_, path)| !path.starts_with(pgdata)).collect()
}

/// The files that the configuration includes from elsewhere: they are not copied, and the DBA must know.
pub fn uncopied_includes(backup: &BackupInfo) -> Vec<&Path> {
    let Some(pgdata) = &backup.pgdata else { return Vec::new() };
    let included = backup.included_files.iter().flatten();
    included.map(PathBuf::as_path).filter(|path| !path.starts_with(pgdata)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Tablespace;
    use crate::config::{Retry, ReuseBackup};
    use crate::transfer::smart_copy::ItemKind;

    fn options() -> BackupOptions {
        let copy = CopySettings {
            jobs: 1,
            throttle: crate::transfer::smart_copy::StartThrottle::default(),
            bandwidth_limit: 100,
            tablespace_limits: [("slow".to_owned(), 7)].into(),
            retry: Retry { times: 0, sleep: std::time::Duration::ZERO },
            network_compression: false,
        };
        BackupOptions {
            immediate_checkpoint: false,
            manifest: false,
            reuse: ReuseBackup::Link,
            name: None,
            wait: false,
            wait_timeout: None,
            keepalive: None,
            check_timeout: None,
            copy,
        }
    }

    fn backup(id: &str) -> BackupInfo {
        let mut backup = BackupInfo::new(id.parse().unwrap());
        backup.pgdata = Some("/srv/pg".into());
        backup.version = Some(PgVersion::new(150_018));
        backup.config_file = Some("/etc/postgresql/postgresql.conf".into());
        backup.hba_file = Some("/srv/pg/pg_hba.conf".into());
        let tablespace = |name: &str, oid, location: &str| Tablespace {
            name: name.into(),
            oid,
            location: location.into(),
        };
        backup.tablespaces =
            vec![tablespace("slow", 16400, "/slow"), tablespace("inside", 16401, "/srv/pg/ts")];
        backup
    }

    fn layout() -> Layout {
        Layout {
            server: "main".into(),
            backup_directory: "/b/main".into(),
            basebackups_directory: "/b/main/base".into(),
            lock_directory: "/b".into(),
            keeps_old_records: true,
        }
    }

    #[test]
    fn the_control_file_is_the_last_item_and_files_outside_come_along() {
        let items = plan(&layout(), &backup("20260102T000000"), None, &options());
        let labels: Vec<&str> = items.iter().map(|item| item.label.as_str()).collect();
        assert_eq!(labels, ["slow", "inside", "pgdata", "config_file", "pg_control"]);
        let optional = ItemKind::File { name: "postgresql.conf".into(), optional: true };
        assert_eq!((&items[3].source, &items[3].kind), (&"/etc/postgresql".into(), &optional));
    }

    #[test]
    fn a_tablespace_has_its_own_limit_and_one_inside_the_data_directory_is_not_copied_twice() {
        let items = plan(&layout(), &backup("20260102T000000"), None, &options());
        assert_eq!((items[0].bandwidth_limit, items[1].bandwidth_limit), (7, 100));
        assert!(items[2].filters.protect.contains(&"/ts".into()));
    }

    #[test]
    fn only_tablespaces_that_the_previous_backup_has_are_reused() {
        let mut previous = backup("20260101T000000");
        previous.tablespaces.pop();
        let items = plan(&layout(), &backup("20260102T000000"), Some(&previous), &options());
        assert_eq!(items[0].reuse, Some("/b/main/base/20260101T000000/16400".into()));
        assert_eq!(items[1].reuse, None);
        assert_eq!(items[2].reuse, Some("/b/main/base/20260101T000000/data".into()));
    }
}
