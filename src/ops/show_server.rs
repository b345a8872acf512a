//! The settings of a server, and what PostgreSQL tells about itself.

use std::collections::BTreeMap;

use super::{Error, Server};
use crate::pg::{Client, ServerFacts};
use crate::types::HumanDuration;
use crate::view::{ServerSettings, Shown};

/// Collects settings and facts; facts of a PostgreSQL that does not answer are `None`.
pub fn run(server: &Server<'_>) -> Result<ServerSettings, Error> {
    let config = server.config;
    let mut all = Settings::default();
    for (name, value, _) in config.settings() {
        all.add(name, Shown { text: value.to_string(), json: value.to_shown_json() });
    }
    all.add("active_model", config.active_model());
    all.add("passive_node", config.is_passive());
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
struct Settings(BTreeMap<String, Shown>);

impl Settings {
    fn add(&mut self, name: &str, value: impl Into<Shown>) {
        self.0.insert(name.to_owned(), value.into());
    }
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
        all.add(name, Shown::nothing());
    }
    if server.config.conninfo().is_none() {
        return;
    }
    for name in EXPECTED_OF_POSTGRES {
        all.add(name, Shown::nothing());
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
    all.add("version_supported", facts.version.at_least(10));
    all.add("postgres_systemid", &facts.system_id);
    all.add("is_in_recovery", facts.is_in_recovery);
    all.add("is_superuser", facts.is_superuser);
    all.add("has_backup_privileges", facts.has_backup_privileges);
    all.add("has_monitoring_privileges", facts.has_monitoring_privileges);
    all.add("replication_slot_support", true);
    all.add("current_xlog", facts.wal.as_ref().map(|position| position.segment));
    all.add("current_lsn", facts.wal.as_ref().map(|position| position.lsn));
    let settings = &facts.settings;
    all.add("archive_command", settings.archive_command.as_ref());
    all.add("archive_mode", settings.archive_mode.as_ref());
    all.add("archive_timeout", settings.archive_timeout_secs);
    all.add("checkpoint_timeout", settings.checkpoint_timeout_secs);
    all.add("config_file", settings.config_file.as_deref());
    all.add("data_checksums", settings.data_checksums.as_ref());
    all.add("data_directory", settings.data_directory.as_deref());
    all.add("hba_file", settings.hba_file.as_deref());
    all.add("hot_standby", settings.hot_standby.as_ref());
    all.add("ident_file", settings.ident_file.as_deref());
    if !settings.included_files.is_empty() {
        let included = settings.included_files.iter().map(|path| path.display().to_string());
        all.add("included_files", Shown::list(&included.collect::<Vec<_>>()));
    }
    all.add("max_replication_slots", settings.max_replication_slots);
    all.add("max_wal_senders", settings.max_wal_senders);
    // Python splits an empty text into one empty name.
    let names = match settings.synchronous_standby_names.as_slice() {
        [] => vec![String::new()],
        names => names.to_vec(),
    };
    all.add("synchronous_standby_names", Shown::list(&names));
    all.add("wal_compression", settings.wal_compression.as_ref());
    let keep = if facts.version.at_least(13) { "wal_keep_size" } else { "wal_keep_segments" };
    all.add(keep, settings.wal_keep.as_ref());
    all.add("wal_level", settings.wal_level.as_ref());
    all.add("xlog_segment_size", u64::from(facts.segment_size.bytes()));
    add_archiver(all, facts);
}

fn add_archiver(all: &mut Settings, facts: &ServerFacts) {
    let stats = &facts.archiver;
    all.add("is_archiving", stats.is_archiving);
    all.add("archived_count", stats.archived_count);
    all.add("failed_count", stats.failed_count);
    all.add("last_archived_wal", stats.last_archived_wal.as_ref());
    all.add("last_archived_time", stats.last_archived_time);
    all.add("last_failed_wal", stats.last_failed_wal.as_ref());
    all.add("last_failed_time", stats.last_failed_time);
    all.add("stats_reset", stats.stats_reset);
    all.add("current_archived_wals_per_second", stats.archived_per_second);
}

/// What is asked for on its own, because it costs the server work or depends on our settings.
fn add_queried(server: &Server<'_>, client: &Client, all: &mut Settings) {
    all.add("current_size", client.current_size().ok().flatten());
    if let Some(name) = server.config.slot_name() {
        all.add("replication_slot", client.find_replication_slot(name).ok().flatten().map(|slot| slot.name));
    }
}
