use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::super::client::Record;
use super::super::error::Error;
use super::super::features::Features;
use super::super::session::Request;

/// The settings of a server; `None` where the user may not know, or the version does not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// `archive_command`.
    pub archive_command: Option<String>,
    /// `archive_mode`.
    pub archive_mode: Option<String>,
    /// `archive_timeout`, in seconds.
    pub archive_timeout_secs: Option<u64>,
    /// `checkpoint_timeout`, in seconds.
    pub checkpoint_timeout_secs: Option<u64>,
    /// `config_file`: the path of postgresql.conf on the server.
    pub config_file: Option<PathBuf>,
    /// `data_checksums`: `on` or `off`.
    pub data_checksums: Option<String>,
    /// `data_directory`.
    pub data_directory: Option<PathBuf>,
    /// `hba_file`.
    pub hba_file: Option<PathBuf>,
    /// `hot_standby`.
    pub hot_standby: Option<String>,
    /// `ident_file`.
    pub ident_file: Option<PathBuf>,
    /// The files other than `config_file` that settings come from, sorted.
    pub included_files: Vec<PathBuf>,
    /// `max_replication_slots`.
    pub max_replication_slots: Option<u64>,
    /// `max_wal_senders`.
    pub max_wal_senders: Option<u64>,
    /// `summarize_wal` (17 and later): `on` or `off`.
    pub summarize_wal: Option<String>,
    /// The names in `synchronous_standby_names`, without method and count.
    pub synchronous_standby_names: Vec<String>,
    /// `wal_compression`.
    pub wal_compression: Option<String>,
    /// `wal_keep_size` as the server shows it, such as `512MB`; before 13 `wal_keep_segments`, a number.
    pub wal_keep: Option<String>,
    /// `wal_level`.
    pub wal_level: Option<String>,
}

/// A row of `pg_settings`.
struct Setting {
    /// In the setting's own unit.
    raw: Option<String>,
    /// As `SHOW` has it.
    shown: Option<String>,
}

impl ServerSettings {
    /// Every row of the view that is named here, and every one that stands in a file.
    pub(super) fn request(features: &Features) -> Request {
        const NAMES: &str = "archive_command,archive_mode,archive_timeout,checkpoint_timeout,config_file,\
                             data_checksums,data_directory,hba_file,hot_standby,ident_file,\
                             max_replication_slots,max_wal_senders,summarize_wal,synchronous_standby_names,\
                             wal_compression,wal_level";
        let sql = "SELECT name, setting, pg_catalog.current_setting(name) AS shown, sourcefile \
                   FROM pg_catalog.pg_settings \
                   WHERE name = ANY (pg_catalog.string_to_array($1, ',')) OR sourcefile IS NOT NULL";
        Request::with(sql, &[&format!("{NAMES},{}", features.wal_keep_setting)])
    }

    pub(super) fn of(rows: &[Record<'_>], features: &Features) -> Result<Self, Error> {
        let mut settings = BTreeMap::new();
        let mut sources = BTreeSet::new();
        for row in rows {
            sources.extend(row.get::<Option<String>>("sourcefile")?);
            let setting = Setting { raw: row.get("setting")?, shown: row.get("shown")? };
            settings.insert(row.get::<String>("name")?, setting);
        }
        let raw = |name: &str| settings.get(name).and_then(|setting| setting.raw.clone());
        let shown = |name: &str| settings.get(name).and_then(|setting| setting.shown.clone());
        let number = |name: &str| raw(name).and_then(|text| text.parse().ok());
        let path = |name: &str| raw(name).map(PathBuf::from);
        let config_file = raw("config_file");
        sources.retain(|source| Some(source) != config_file.as_ref());
        Ok(Self {
            archive_command: raw("archive_command"),
            archive_mode: raw("archive_mode"),
            archive_timeout_secs: number("archive_timeout"),
            checkpoint_timeout_secs: number("checkpoint_timeout"),
            config_file: config_file.map(PathBuf::from),
            data_checksums: raw("data_checksums"),
            data_directory: path("data_directory"),
            hba_file: path("hba_file"),
            hot_standby: raw("hot_standby"),
            ident_file: path("ident_file"),
            included_files: sources.into_iter().map(PathBuf::from).collect(),
            max_replication_slots: number("max_replication_slots"),
            max_wal_senders: number("max_wal_senders"),
            summarize_wal: raw("summarize_wal"),
            synchronous_standby_names: standby_names(&raw("synchronous_standby_names").unwrap_or_default()),
            wal_compression: raw("wal_compression"),
            wal_keep: shown(features.wal_keep_setting),
            wal_level: raw("wal_level"),
        })
    }
}

/// The names of `a, b`, `2 (a, b)`, `FIRST 2 (a, "B c")` and `ANY 1 (*)`.
fn standby_names(text: &str) -> Vec<String> {
    let list = match (text.split_once('('), text.trim_end().strip_suffix(')')) {
        (Some((method, list)), Some(_)) if !method.contains('"') => list.trim_end().trim_end_matches(')'),
        _ => text,
    };
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => name.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            blank if blank.is_whitespace() && !quoted => {}
            other => name.push(other),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn standby_names_are_read_from_every_form() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("a, b", &["a", "b"]),
            ("2 (a,b)", &["a", "b"]),
            ("FIRST 1 (a, \"B c\")", &["a", "B c"]),
            ("any 1(\"x(1)\", \"q\"\"t\" ) ", &["x(1)", "q\"t"]),
            ("*", &["*"]),
            ("\"odd(name\", b", &["odd(name", "b"]),
        ];
        for (text, names) in cases {
            assert_eq!(standby_names(text), names, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_standby_names_are_read_without_panic(text in "[a-z0-9 (),\"*]*|\\PC*") {
            standby_names(&text);
        }
    }
}
