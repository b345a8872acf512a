//! What a script is told: variables, all of them text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::catalog::{BackupInfo, Catalog};
use crate::config::{HookEvent, HookPhase};
use crate::types::{BackupId, BackupStatus};
use crate::wal::XlogDbEntry;

/// The release of Barman whose promises to scripts are kept.
const BARMAN_VERSION: &str = "3.19.1";

/// What an event happens to.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A backup that is taken or deleted.
    Backup(&'a BackupFacts),
    /// A WAL file that comes or goes.
    Wal(&'a WalFacts<'a>),
    /// A backup that is restored.
    Restore(&'a BackupFacts, &'a RestoreFacts),
}

/// A backup as scripts see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFacts {
    id: BackupId,
    directory: PathBuf,
    record: PathBuf,
    previous: Option<BackupId>,
    next: Option<BackupId>,
    status: BackupStatus,
    error: Option<String>,
}

impl BackupFacts {
    /// A backup among those of its server. One whose record cannot be read is passed over: it is told elsewhere.
    pub fn of(catalog: &Catalog, info: &BackupInfo) -> Self {
        let (layout, loaded) = (catalog.layout(), catalog.load());
        let mut available = loaded.backups.iter().filter(|backup| backup.is_available());
        Self {
            id: info.id.clone(),
            directory: layout.base_dir(&info.id),
            record: layout.record(&info.id),
            previous: available.clone().rfind(|backup| backup.id < info.id).map(|backup| backup.id.clone()),
            next: available.find(|backup| backup.id > info.id).map(|backup| backup.id.clone()),
            status: info.status,
            error: info.error.clone(),
        }
    }
}

/// A WAL file as scripts see it.
#[derive(Debug, Clone, Copy)]
pub struct WalFacts<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// What it is.
    pub entry: &'a XlogDbEntry,
    /// Why the event did not happen.
    pub error: Option<&'a str>,
}

/// A restore as scripts see it: the words that were typed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RestoreFacts {
    /// The destination.
    pub destination: PathBuf,
    /// The new places of tablespaces, by name.
    pub tablespaces: BTreeMap<String, String>,
    /// `--remote-ssh-command`.
    pub remote_command: Option<String>,
    /// The options that say what is restored, by the names that Barman has for them.
    pub options: BTreeMap<&'static str, Value>,
}

/// Which script runs when, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occasion<'a> {
    pub server: &'a str,
    pub configuration: &'a Path,
    pub phase: HookPhase,
    pub event: HookEvent,
    pub retries: bool,
    pub subject: &'a Subject<'a>,
}

/// The variables of a script, exactly those that Barman sets for it.
pub(super) fn environment(occasion: &Occasion<'_>) -> BTreeMap<String, OsString> {
    let mut variables = Variables::default();
    let (event, retry) = (occasion.event.as_str(), if occasion.retries { "_retry" } else { "" });
    variables.set("VERSION", BARMAN_VERSION);
    variables.set("SERVER", occasion.server);
    variables.set("CONFIGURATION", occasion.configuration);
    variables.set("HOOK", format!("{event}{retry}_script"));
    variables.set("PHASE", occasion.phase.as_str());
    variables.set("RETRY", if occasion.retries { "1" } else { "0" });
    match occasion.subject {
        Subject::Backup(backup) => {
            variables.set("ERROR", backup.error.as_deref().unwrap_or_default());
            variables.set_backup(backup);
        }
        Subject::Wal(file) => variables.set_wal(file),
        Subject::Restore(backup, restore) => {
            variables.set("ERROR", "");
            variables.set_backup(backup);
            variables.set_restore(restore);
        }
    }
    variables.0
}

#[derive(Default)]
struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// A variable cannot hold a zero byte; the text of an error might.
    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        let mut bytes = value.into().into_vec();
        bytes.retain(|byte| *byte != 0);
        self.0.insert(format!("BARMAN_{name}"), OsString::from_vec(bytes));
    }

    fn set_backup(&mut self, backup: &BackupFacts) {
        let or_empty = |id: &Option<BackupId>| id.as_ref().map(ToString::to_string).unwrap_or_default();
        self.set("BACKUP_DIR", &backup.directory);
        self.set("BACKUP_INFO_PATH", &backup.record);
        self.set("BACKUP_ID", backup.id.as_str());
        self.set("PREVIOUS_ID", or_empty(&backup.previous));
        self.set("NEXT_ID", or_empty(&backup.next));
        self.set("STATUS", backup.status.as_str());
    }

    fn set_wal(&mut self, WalFacts { path, entry, error }: &WalFacts<'_>) {
        self.set("ERROR", error.unwrap_or_default());
        self.set("SEGMENT", &entry.name);
        self.set("FILE", *path);
        self.set("SIZE", entry.size.to_string());
        // The shortest decimal that reads back as the same number, with `.0` on whole ones, as in xlog.db.
        self.set("TIMESTAMP", format!("{:?}", entry.time));
        self.set("COMPRESSION", entry.compression.as_deref().unwrap_or_default());
    }

    fn set_restore(&mut self, restore: &RestoreFacts) {
        let tablespaces = restore.tablespaces.iter();
        let tablespaces = tablespaces.map(|(name, place)| (name.as_str(), Value::from(place.as_str())));
        let options = restore.options.iter().map(|(name, value)| (*name, value.clone()));
        self.set("DESTINATION_DIRECTORY", &restore.destination);
        self.set("TABLESPACES", json_object(tablespaces));
        self.set("REMOTE_COMMAND", restore.remote_command.as_deref().unwrap_or_default());
        self.set("RECOVER_OPTIONS", json_object(options));
    }
}

/// A JSON object as Python writes it: blanks behind separators, other characters than ASCII escaped. Empty text for an
/// empty one.
fn json_object<'a>(members: impl Iterator<Item = (&'a str, Value)>) -> String {
    let members: Vec<String> =
        members.map(|(name, value)| format!("{}: {value}", Value::from(name))).collect();
    if members.is_empty() {
        return String::new();
    }
    let mut ascii = String::new();
    for unit in format!("{{{}}}", members.join(", ")).encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte < 0x7f => ascii.push(char::from(byte)),
            _ => ascii.push_str(&format!("\\u{unit:04x}")),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> BackupFacts {
        BackupFacts {
            id: "20260102T100000".parse().unwrap(),
            directory: "/b/main/base/20260102T100000".into(),
            record: "/b/main/meta/20260102T100000-backup.info".into(),
            previous: "20260101T100000".parse().ok(),
            next: None,
            status: BackupStatus::Failed,
            error: Some("failure copying files (disk\0 full)".into()),
        }
    }

    fn variables(event: HookEvent, phase: HookPhase, retries: bool, subject: Subject<'_>) -> String {
        let configuration = Path::new("barman.conf");
        let occasion = Occasion { server: "main", configuration, phase, event, retries, subject: &subject };
        let lines = environment(&occasion)
            .into_iter()
            .map(|(name, value)| format!("{name}={}\n", value.into_string().unwrap()));
        lines.collect()
    }

    #[test]
    fn a_backup_script_gets_the_backup() {
        insta::assert_snapshot!(
            variables(HookEvent::Backup, HookPhase::Post, false, Subject::Backup(&backup())),
            @r#"
            BARMAN_BACKUP_DIR=/b/main/base/20260102T100000
            BARMAN_BACKUP_ID=20260102T100000
            BARMAN_BACKUP_INFO_PATH=/b/main/meta/20260102T100000-backup.info
            BARMAN_CONFIGURATION=barman.conf
            BARMAN_ERROR=failure copying files (disk full)
            BARMAN_HOOK=backup_script
            BARMAN_NEXT_ID=
            BARMAN_PHASE=post
            BARMAN_PREVIOUS_ID=20260101T100000
            BARMAN_RETRY=0
            BARMAN_SERVER=main
            BARMAN_STATUS=FAILED
            BARMAN_VERSION=3.19.1
            "#
        );
    }

    #[test]
    fn a_wal_script_gets_the_file() {
        let entry = "000000010000000000000001\t16777216\t1767268800.0\tgzip\tNone".parse().unwrap();
        let path = Path::new("/b/main/wals/0000000100000000/000000010000000000000001");
        let file = WalFacts { path, entry: &entry, error: None };
        insta::assert_snapshot!(
            variables(HookEvent::WalDelete, HookPhase::Pre, true, Subject::Wal(&file)),
            @r#"
            BARMAN_COMPRESSION=gzip
            BARMAN_CONFIGURATION=barman.conf
            BARMAN_ERROR=
            BARMAN_FILE=/b/main/wals/0000000100000000/000000010000000000000001
            BARMAN_HOOK=wal_delete_retry_script
            BARMAN_PHASE=pre
            BARMAN_RETRY=1
            BARMAN_SEGMENT=000000010000000000000001
            BARMAN_SERVER=main
            BARMAN_SIZE=16777216
            BARMAN_TIMESTAMP=1767268800.0
            BARMAN_VERSION=3.19.1
            "#
        );
    }

    #[test]
    fn a_restore_script_gets_the_words_that_were_typed() {
        let restore = RestoreFacts {
            destination: "restored/".into(),
            tablespaces: [("b \"x\"".into(), "/fast".into()), ("a".into(), "/café\u{7f}😀".into())].into(),
            remote_command: Some("ssh postgres@db".into()),
            options: [("target_tli", 2.into()), ("target_name", "é".into()), ("exclusive", true.into())]
                .into(),
        };
        insta::assert_snapshot!(
            variables(HookEvent::Recovery, HookPhase::Pre, false, Subject::Restore(&backup(), &restore)),
            @r#"
            BARMAN_BACKUP_DIR=/b/main/base/20260102T100000
            BARMAN_BACKUP_ID=20260102T100000
            BARMAN_BACKUP_INFO_PATH=/b/main/meta/20260102T100000-backup.info
            BARMAN_CONFIGURATION=barman.conf
            BARMAN_DESTINATION_DIRECTORY=restored/
            BARMAN_ERROR=
            BARMAN_HOOK=recovery_script
            BARMAN_NEXT_ID=
            BARMAN_PHASE=pre
            BARMAN_PREVIOUS_ID=20260101T100000
            BARMAN_RECOVER_OPTIONS={"exclusive": true, "target_name": "\u00e9", "target_tli": 2}
            BARMAN_REMOTE_COMMAND=ssh postgres@db
            BARMAN_RETRY=0
            BARMAN_SERVER=main
            BARMAN_STATUS=FAILED
            BARMAN_TABLESPACES={"a": "/caf\u00e9\u007f\ud83d\ude00", "b \"x\"": "/fast"}
            BARMAN_VERSION=3.19.1
            "#
        );
        let nothing = RestoreFacts { destination: "/srv/pg".into(), ..RestoreFacts::default() };
        let empty =
            variables(HookEvent::Recovery, HookPhase::Pre, false, Subject::Restore(&backup(), &nothing));
        for name in ["TABLESPACES", "REMOTE_COMMAND", "RECOVER_OPTIONS", "ERROR"] {
            assert!(empty.contains(&format!("BARMAN_{name}=\n")), "{name} is set, and empty:\n{empty}");
        }
    }
}
