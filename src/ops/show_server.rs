//! The settings of a server, and what PostgreSQL tells about itself.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Error, Server, python_bool};
use crate::pg::{Client, ServerFacts};
use crate::types::{HumanDuration, PgVersion, timestamp_text};
use crate::view::ServerSettings;

/// Collects settings and facts; facts of a PostgreSQL that does not answer are `None`.
pub fn run(server: &Server<'_>) -> Result<ServerSettings, Error> {
    let config = server.config;
    let mut all = Settings::default();
    for (name, value, _) in config.settings() {
        all.add(name, value);
    }
    all.add("active_model", config.active_model().unwrap_or("None"));
    all.add("passive_node", python_bool(config.is_passive()));
    all.add("last_backup_maximum_age", backup_age(server)?);
    if config.is_active() && !config.is_passive() {
        add_live(server, &mut all);
    }
    server.context.cancel.check()?;
    Ok(ServerSettings {
        server: server.name().to_owned(),
        active: config.is_active(),
        disabled: config.is_disabled(),
        settings: all.0,
    })
}

#[derive(Default)]
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn add(&mut self, name: &str, value: impl Display) {
        self.0.insert(name.to_owned(), value.to_string());
    }

    fn add_known(&mut self, name: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.add(name, value),
            None => self.add(name, "None"),
        }
    }
}

fn python_list(items: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = items.map(|item| format!("'{item}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// The limit, and how the newest backup stands to it.
fn backup_age(server: &Server<'_>) -> Result<String, Error> {
    let Some(limit) = server.config.last_backup_maximum_age() else { return Ok("None".into()) };
    let catalog = server.catalog()?;
    let newest =
        catalog.load().backups.iter().rev().find(|backup| backup.is_available()).and_then(|b| b.end_time);
    let limit_text = HumanDuration::from(limit);
    Ok(match newest.map(|end| server.context.clock.now() - end) {
        None => format!("{limit_text} (WARNING! latest backup is No available backups old)"),
        Some(age) if age.to_std().is_ok_and(|age| age > limit) => {
            format!("{limit_text} (WARNING! latest backup is {} old)", HumanDuration::from(age))
        }
        Some(age) => format!("{limit_text} (latest backup: {} )", HumanDuration::from(age)),
    })
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

fn add_live(server: &Server<'_>, all: &mut Settings) {
    for name in EXPECTED {
        all.add(name, "None");
    }
    if server.config.conninfo().is_none() {
        return;
    }
    for name in EXPECTED_OF_POSTGRES {
        all.add(name, "None");
    }
    let reached = server.connect().and_then(|client| {
        let facts = client.server_facts()?;
        Ok((client, facts))
    });
    match reached {
        Ok((client, facts)) => {
            add_facts(all, &facts);
            add_queried(server, &client, all);
        }
        Err(error) => {
            let reason = error.with_causes();
            tracing::warn!("Error retrieving PostgreSQL status: {reason}");
            all.add("connection_error", reason);
        }
    }
}

fn add_facts(all: &mut Settings, facts: &ServerFacts) {
    all.add("server_txt_version", &facts.version_text);
    all.add("version_supported", "True");
    all.add_known("postgres_systemid", facts.system_id.as_ref());
    all.add("is_in_recovery", python_bool(facts.is_in_recovery));
    all.add("is_superuser", python_bool(facts.is_superuser));
    all.add("has_backup_privileges", python_bool(facts.has_backup_privileges));
    all.add("has_monitoring_privileges", python_bool(facts.has_monitoring_privileges));
    let has_slots = facts.version >= PgVersion::new(90_400);
    all.add("replication_slot_support", python_bool(has_slots));
    all.add_known("current_xlog", facts.wal.as_ref().map(|position| position.segment));
    all.add_known("current_lsn", facts.wal.as_ref().map(|position| position.lsn));
    let settings = &facts.settings;
    all.add_known("archive_command", settings.archive_command.as_ref());
    all.add_known("archive_mode", settings.archive_mode.as_ref());
    all.add_known("archive_timeout", settings.archive_timeout_secs);
    all.add_known("checkpoint_timeout", settings.checkpoint_timeout_secs);
    all.add_known("config_file", settings.config_file.as_ref().map(|path| path.display()));
    all.add_known("data_checksums", settings.data_checksums.as_ref());
    all.add_known("data_directory", settings.data_directory.as_ref().map(|path| path.display()));
    all.add_known("hba_file", settings.hba_file.as_ref().map(|path| path.display()));
    all.add_known("hot_standby", settings.hot_standby.as_ref());
    all.add_known("ident_file", settings.ident_file.as_ref().map(|path| path.display()));
    if !settings.included_files.is_empty() {
        let included = settings.included_files.iter().map(|path| path.display().to_string());
        all.add("included_files", python_list(included));
    }
    all.add_known("max_replication_slots", settings.max_replication_slots);
    all.add_known("max_wal_senders", settings.max_wal_senders);
    // Python splits an empty text into one empty name.
    let names = match settings.synchronous_standby_names.as_slice() {
        [] => vec![String::new()],
        names => names.to_vec(),
    };
    all.add("synchronous_standby_names", python_list(names.into_iter()));
    all.add_known("wal_compression", settings.wal_compression.as_ref());
    let keep = if facts.version.at_least(13) { "wal_keep_size" } else { "wal_keep_segments" };
    all.add_known(keep, settings.wal_keep.as_ref());
    all.add_known("wal_level", settings.wal_level.as_ref());
    all.add("xlog_segment_size", facts.segment_size);
    add_archiver(all, facts);
}

fn add_archiver(all: &mut Settings, facts: &ServerFacts) {
    let Some(stats) = &facts.archiver else { return };
    all.add("is_archiving", python_bool(stats.is_archiving));
    all.add("archived_count", stats.archived_count);
    all.add("failed_count", stats.failed_count);
    all.add_known("last_archived_wal", stats.last_archived_wal.as_ref());
    all.add_known("last_archived_time", stats.last_archived_time.map(timestamp_text));
    all.add_known("last_failed_wal", stats.last_failed_wal.as_ref());
    all.add_known("last_failed_time", stats.last_failed_time.map(timestamp_text));
    all.add_known("stats_reset", stats.stats_reset.map(timestamp_text));
    all.add_known("current_archived_wals_per_second", stats.archived_per_second);
}

/// What is asked for on its own, because it costs the server work or depends on our settings.
fn add_queried(server: &Server<'_>, client: &Client, all: &mut Settings) {
    all.add_known("current_size", client.current_size().ok().flatten());
    if let Some(name) = server.config.slot_name() {
        all.add_known(
            "replication_slot",
            client.find_replication_slot(name).ok().flatten().map(|slot| slot.name),
        );
    }
}
