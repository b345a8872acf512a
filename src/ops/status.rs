//! The state of a server in short.

use super::{Error, Server, python_bool};
use crate::pg::{ArchiverStats, Client};
use crate::types::{BackupStatus, ByteSize, ctime_text};
use crate::view::ServerStatus;

/// Collects the state; a PostgreSQL that does not answer is part of it.
pub fn run(server: &Server<'_>) -> Result<ServerStatus, Error> {
    let config = server.config;
    let mut status = ServerStatus { server: server.name().to_owned(), lines: Vec::new() };
    if let Some(description) = config.description() {
        status.add("description", "Description", description);
    }
    status.add("active", "Active", python_bool(config.is_active()));
    status.add("disabled", "Disabled", python_bool(config.is_disabled()));
    status.add("active_model", "Active configuration model", config.active_model().unwrap_or("None"));
    if config.is_active() && !config.is_passive() {
        add_postgres(server, &mut status);
    }
    status.add("passive_node", "Passive node", python_bool(config.is_passive()));
    add_catalogue(server, &mut status)?;
    if let Some(command) = config.primary_ssh_command() {
        status.add("primary_ssh_command", "SSH command to primary server", command);
    }
    server.context.cancel.check()?;
    Ok(status)
}

fn add_postgres(server: &Server<'_>, status: &mut ServerStatus) {
    let (client, facts) = match server.connect_with_facts() {
        Ok(reached) => reached,
        Err(error) => {
            server.log_unreachable(&error.with_causes());
            status.add("pg_version", "PostgreSQL version", "FAILED trying to get PostgreSQL version");
            return;
        }
    };
    status.add("pg_version", "PostgreSQL version", &facts.version_text);
    let state = if facts.is_in_recovery { "in archive recovery" } else { "in production" };
    status.add("is_in_recovery", "Cluster state", state);
    if let Some(bytes) = current_size(&client) {
        status.add("current_size", "Current data size", ByteSize::from(bytes).to_string());
    }
    if let Some(directory) = &facts.settings.data_directory {
        status.add("data_directory", "PostgreSQL Data directory", directory.display().to_string());
    }
    if let Some(position) = &facts.wal {
        status.add("current_xlog", "Current WAL segment", position.segment.to_string());
    }
    if server.config.archiver() {
        add_archiver(status, facts.settings.archive_command.as_deref(), facts.archiver.as_ref());
    }
}

/// The size takes the server some work; without it the rest is still worth showing.
fn current_size(client: &Client) -> Option<u64> {
    client.current_size().inspect_err(|error| tracing::warn!("{error}")).ok().flatten()
}

fn add_archiver(status: &mut ServerStatus, archive_command: Option<&str>, stats: Option<&ArchiverStats>) {
    let command = match archive_command {
        None | Some("" | "(disabled)") => "FAILED (please set it accordingly to documentation)",
        Some(command) => command,
    };
    status.add("archive_command", "PostgreSQL 'archive_command' setting", command);
    let Some(stats) = stats else { return };
    let last = match (&stats.last_archived_wal, stats.last_archived_time) {
        (Some(wal), Some(at)) => format!("{wal}, at {}", ctime_text(at)),
        _ => "No WAL segment shipped yet".to_owned(),
    };
    status.add("last_archived_wal", "Last archived WAL", last);
    let failures = match (&stats.last_failed_wal, stats.last_failed_time) {
        (Some(wal), Some(at)) => format!("{} ({wal} at {})", stats.failed_count, ctime_text(at)),
        _ => stats.failed_count.to_string(),
    };
    status.add("failed_count", "Failures of WAL archiver", failures);
    if let Some(rate) = stats.archived_per_second.filter(|rate| *rate > 0.0) {
        let per_hour = format!("{:.2}/hour", rate * 3600.0);
        status.add("server_archived_wals_per_hour", "Server WAL archiving rate", per_hour);
    }
}

fn add_catalogue(server: &Server<'_>, status: &mut ServerStatus) -> Result<(), Error> {
    let policy = match server.config.retention_policy() {
        None => "not enforced".to_owned(),
        Some(policy) => format!("enforced (mode: auto, retention: {policy}, WAL retention: MAIN)"),
    };
    status.add("retention_policies", "Retention policies", policy);
    let catalog = server.catalog()?;
    let loaded = catalog.load();
    for error in &loaded.errors {
        server.error(error.to_string());
    }
    let done: Vec<_> = loaded.backups.iter().filter(|backup| backup.status == BackupStatus::Done).collect();
    status.add("backups_number", "No. of available backups", done.len().to_string());
    let available = || loaded.backups.iter().filter(|backup| backup.is_available());
    let name = |backup: Option<_>| {
        backup.map_or("None".to_owned(), |backup: &&crate::catalog::BackupInfo| backup.id.to_string())
    };
    status.add("first_backup", "First available backup", name(available().next()));
    status.add("last_backup", "Last available backup", name(available().next_back()));
    let complete = done.iter().filter(|backup| !backup.is_incremental()).count();
    let required = server.config.minimum_redundancy() as usize;
    let verdict = if complete < required { "FAILED" } else { "satisfied" };
    let redundancy = format!("{verdict} ({complete}/{required})");
    status.add("minimum_redundancy", "Minimum redundancy requirements", redundancy);
    Ok(())
}
