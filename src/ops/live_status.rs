//! What PostgreSQL tells about itself, for `show-servers` and `diagnose`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde_json::{Value, json};

use super::{Server, python_bool};
use crate::pg::{Client, Features, ServerFacts};
use crate::types::{Timestamp, timestamp_text};

/// Facts by the names that programs know them by.
pub type Facts = BTreeMap<&'static str, Fact>;

/// A fact. `Display` writes it as `show-servers` does, in Python's notation.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Nobody could be asked, or nobody knows.
    Unknown,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A number that PostgreSQL calls numeric.
    Decimal(f64),
    /// A text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// A moment.
    Moment(Timestamp),
}

impl Fact {
    /// The fact in JSON, with the time as `moment` writes it.
    pub fn to_json(&self, moment: impl Fn(Timestamp) -> String) -> Value {
        match self {
            Self::Unknown => Value::Null,
            Self::Flag(flag) => json!(flag),
            Self::Number(number) => json!(number),
            Self::Decimal(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Texts(texts) => json!(texts),
            Self::Moment(at) => json!(moment(*at)),
        }
    }

    /// The fact in the JSON of `show-servers`, where times and decimals are texts.
    pub fn to_shown_json(&self) -> Value {
        match self {
            Self::Decimal(_) => json!(self.to_string()),
            _ => self.to_json(timestamp_text),
        }
    }
}

impl Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("None"),
            Self::Flag(flag) => f.write_str(python_bool(*flag)),
            Self::Number(number) => number.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) => {
                let quoted: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
                write!(f, "[{}]", quoted.join(", "))
            }
            Self::Moment(at) => f.write_str(&timestamp_text(*at)),
        }
    }
}

impl<T: Into<Self>> From<Option<T>> for Fact {
    fn from(known: Option<T>) -> Self {
        known.map_or(Self::Unknown, Into::into)
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Fact {
    fn from(number: f64) -> Self {
        Self::Decimal(number)
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Timestamp> for Fact {
    fn from(at: Timestamp) -> Self {
        Self::Moment(at)
    }
}

/// A value that is known as text.
fn shown(value: Option<impl Display>) -> Fact {
    value.map(|value| value.to_string()).into()
}

/// Shown of every server in service, known or not.
const EXPECTED: [&str; 2] = ["archive_command", "archive_mode"];

/// Shown as well when the configuration says where PostgreSQL is.
const EXPECTED_OF_POSTGRES: [&str; 10] = [
    "current_xlog",
    "data_directory",
    "is_in_recovery",
    "is_superuser",
    "postgres_systemid",
    "replication_slot",
    "replication_slot_support",
    "server_txt_version",
    "synchronous_standby_names",
    "version_supported",
];

/// Asks PostgreSQL. Of a server that is out of service or passive nothing is known; what one that does not answer
/// leaves open is there without a value.
pub fn run(server: &Server<'_>) -> Facts {
    let mut all = Facts::new();
    if !server.config.is_active() || server.config.is_passive() {
        return all;
    }
    all.extend(EXPECTED.map(|name| (name, Fact::Unknown)));
    if server.config.conninfo().is_none() {
        return all;
    }
    all.extend(EXPECTED_OF_POSTGRES.map(|name| (name, Fact::Unknown)));
    match server.connect_with_facts() {
        Ok((client, facts)) => {
            add_facts(&mut all, &facts);
            add_queried(server, &client, &mut all);
        }
        Err(_) if server.context.cancel.is_cancelled() => {}
        Err(error) => {
            let reason = error.with_causes();
            server.log_unreachable(&reason);
            all.insert("connection_error", reason.into());
        }
    }
    all
}

fn add_facts(all: &mut Facts, facts: &ServerFacts) {
    let features = Features::of(facts.version);
    all.insert("server_txt_version", facts.version_text.as_str().into());
    all.insert("version_supported", true.into());
    all.insert("postgres_systemid", facts.system_id.as_deref().into());
    all.insert("is_in_recovery", facts.is_in_recovery.into());
    all.insert("is_superuser", facts.is_superuser.into());
    all.insert("has_backup_privileges", facts.has_backup_privileges.into());
    all.insert("has_monitoring_privileges", facts.has_monitoring_privileges.into());
    all.insert("replication_slot_support", features.has_replication_slots.into());
    all.insert("current_xlog", shown(facts.wal.as_ref().map(|position| position.segment)));
    all.insert("current_lsn", shown(facts.wal.as_ref().map(|position| position.lsn)));
    let settings = &facts.settings;
    all.insert("archive_command", settings.archive_command.as_deref().into());
    all.insert("archive_mode", settings.archive_mode.as_deref().into());
    all.insert("archive_timeout", settings.archive_timeout_secs.into());
    all.insert("checkpoint_timeout", settings.checkpoint_timeout_secs.into());
    all.insert("config_file", shown(settings.config_file.as_ref().map(|path| path.display())));
    all.insert("data_checksums", settings.data_checksums.as_deref().into());
    all.insert("data_directory", shown(settings.data_directory.as_ref().map(|path| path.display())));
    all.insert("hba_file", shown(settings.hba_file.as_ref().map(|path| path.display())));
    all.insert("hot_standby", settings.hot_standby.as_deref().into());
    all.insert("ident_file", shown(settings.ident_file.as_ref().map(|path| path.display())));
    if !settings.included_files.is_empty() {
        let included = settings.included_files.iter().map(|path| path.display().to_string());
        all.insert("included_files", Fact::Texts(included.collect()));
    }
    all.insert("max_replication_slots", shown(settings.max_replication_slots));
    all.insert("max_wal_senders", shown(settings.max_wal_senders));
    // Python splits an empty text into one empty name.
    let names = match settings.synchronous_standby_names.as_slice() {
        [] => vec![String::new()],
        names => names.to_vec(),
    };
    all.insert("synchronous_standby_names", Fact::Texts(names));
    all.insert("wal_compression", settings.wal_compression.as_deref().into());
    all.insert(features.wal_keep_setting, settings.wal_keep.as_deref().into());
    all.insert("wal_level", settings.wal_level.as_deref().into());
    all.insert("xlog_segment_size", u64::from(facts.segment_size.bytes()).into());
    add_archiver(all, facts);
}

fn add_archiver(all: &mut Facts, facts: &ServerFacts) {
    let Some(stats) = &facts.archiver else { return };
    all.insert("is_archiving", stats.is_archiving.into());
    all.insert("archived_count", stats.archived_count.into());
    all.insert("failed_count", stats.failed_count.into());
    all.insert("last_archived_wal", stats.last_archived_wal.as_deref().into());
    all.insert("last_archived_time", stats.last_archived_time.into());
    all.insert("last_failed_wal", stats.last_failed_wal.as_deref().into());
    all.insert("last_failed_time", stats.last_failed_time.into());
    all.insert("stats_reset", stats.stats_reset.into());
    all.insert("current_archived_wals_per_second", stats.archived_per_second.into());
}

/// What is asked for on its own, because it costs the server work or depends on our settings.
fn add_queried(server: &Server<'_>, client: &Client, all: &mut Facts) {
    let size = client.current_size().ok().flatten();
    all.insert("current_size", size.map(|bytes| bytes as f64).into());
    if let Some(name) = server.config.slot_name() {
        let slot = client.find_replication_slot(name).ok().flatten();
        all.insert("replication_slot", slot.map(|slot| slot.name).into());
    }
}
