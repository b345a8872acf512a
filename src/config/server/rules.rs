//! What settings demand of one another. A server whose settings cannot work is disabled, with the reasons in
//! Barman's words and order; what can be mended is mended with a warning.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;

use super::{BackupMethod, ReuseBackup, ServerConfig};
use crate::config::kind::BACKUP_OPTIONS;
use crate::config::notice::Notice;
use crate::config::schema::{Key, key};
use crate::config::value::{OptionSet, Value};

/// Checks a complete server. One that takes no backups itself has nothing to be checked.
pub(in crate::config) fn check(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    if !server.is_active() || server.is_passive() {
        return;
    }
    check_connections(server);
    match server.backup_method() {
        BackupMethod::Rsync => check_rsync(server, notices),
        BackupMethod::LocalRsync => check_local_rsync(server, notices),
        BackupMethod::Postgres => check_postgres(server, notices),
        BackupMethod::Snapshot => check_snapshot(server, notices),
        BackupMethod::LocalToCloud => {}
    }
    check_archivers(server, notices);
}

fn check_connections(server: &mut ServerConfig) {
    let name = server.name.clone();
    if server.conninfo().is_none() {
        server.disable(format!("PostgreSQL connection: Missing 'conninfo' parameter for server '{name}'"));
    }
    let streams = server.backup_method() == BackupMethod::Postgres || server.streaming_archiver();
    if streams && server.streaming_conninfo().is_none() {
        let missing = format!("Missing 'streaming_conninfo' parameter for server '{name}'");
        server.disable(format!("Streaming connection: {missing}"));
    }
}

fn check_rsync(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    if server.ssh_command().is_none() {
        let name = &server.name;
        let problem = format!("Missing or invalid ssh_command in barman configuration for server {name}");
        return server.disable(problem);
    }
    check_copy(server, notices);
}

fn check_local_rsync(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    if server.ssh_command().is_some() {
        let name = &server.name;
        let rule = "Local copy requires ssh_command in barman configuration to be empty";
        return server.disable(format!("{rule} for server {name}"));
    }
    check_copy(server, notices);
}

fn check_copy(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    ensure_strategy(server, notices);
    forbid(server, &[key!("backup_compression")], "rsync");
}

fn check_postgres(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    if server.backup_options().exclusive {
        notices.push(Notice::warning(
            "'exclusive_backup' is not a valid backup_option using postgres backup_method. \
             Overriding with 'concurrent_backup'.",
        ));
    }
    set_concurrent(server);
    forbid(server, &[key!("tablespace_bandwidth_limit")], "postgres");
    forbid_reuse(server, "postgres");
    forbid(server, &[key!("network_compression")], "postgres");
}

fn check_snapshot(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    if server.ssh_command().is_none() {
        let name = &server.name;
        let problem = format!("Missing or invalid ssh_command in barman configuration for server {name}");
        return server.disable(problem);
    }
    ensure_strategy(server, notices);
    let forbidden = [
        key!("backup_compression"),
        key!("bandwidth_limit"),
        key!("network_compression"),
        key!("tablespace_bandwidth_limit"),
    ];
    forbid(server, &forbidden, "snapshot");
    forbid_reuse(server, "snapshot");
    for required in [key!("snapshot_disks"), key!("snapshot_instance"), key!("snapshot_provider")] {
        if server.value(required) == &Value::Null {
            server.disable(format!("{} option is required by snapshot backup_method", required.name()));
        }
    }
    check_snapshot_provider(server);
}

fn check_snapshot_provider(server: &mut ServerConfig) {
    let provider = server.value(key!("snapshot_provider")).to_string();
    let fault = match provider.as_str() {
        "aws" => return check_snapshot_locks(server),
        "gcp" if server.gcp_project().is_none() => {
            "gcp_project option must be set when snapshot_provider is gcp".to_owned()
        }
        "azure" if server.text(key!("azure_subscription_id")).is_none() => {
            "azure_subscription_id option must be set when snapshot_provider is azure".to_owned()
        }
        "gcp" | "azure" => return,
        _ => format!("Unsupported snapshot provider: {provider}"),
    };
    server.disable(format!("Error initialising snapshot provider {provider}: {fault}"));
}

/// A number that is 0 counts as not set here, as in Barman.
fn check_snapshot_locks(server: &mut ServerConfig) {
    let number = |key: Key| match server.value(key) {
        Value::Int(number) => Some(*number).filter(|number| *number != 0),
        _ => None,
    };
    let Some(mode) = server.text(key!("aws_snapshot_lock_mode")).map(str::to_owned) else { return };
    let duration = number(key!("aws_snapshot_lock_duration"));
    let cool_off = number(key!("aws_snapshot_lock_cool_off_period"));
    let expiration = server.text(key!("aws_snapshot_lock_expiration_date")).map(str::to_owned);

    match (duration, &expiration) {
        (Some(_), Some(_)) => server.disable(
            "You must specify either 'aws_snapshot_lock_duration' or 'aws_snapshot_lock_expiration_date' \
             in the configuration, but not both.",
        ),
        (None, None) => server.disable(
            "'aws_snapshot_lock_mode' is set, you must specify 'aws_snapshot_lock_duration' or \
             'aws_snapshot_lock_expiration_date'.",
        ),
        _ => {}
    }
    if mode == "governance" && cool_off.is_some() {
        server.disable(
            "'aws_snapshot_lock_cool_off_period' cannot be used with 'aws_snapshot_lock_mode' = 'governance'.",
        );
    }
    if cool_off.is_some_and(|hours| !(1..=72).contains(&hours)) {
        server.disable("aws_snapshot_lock_cool_off_period must be between 1 and 72 hours.");
    }
    if duration.is_some_and(|days| !(1..=36_500).contains(&days)) {
        server.disable("aws_snapshot_lock_duration must be between 1 and 36,500 days.");
    }
    if !["governance", "compliance"].contains(&mode.to_lowercase().as_str()) {
        server.disable(
            "Invalid AWS snapshot lock mode. Please specify either 'governance' or 'compliance'. Ensure that the \
             mode you choose aligns with your snapshot locking requirements.",
        );
    }
    if let Some(date) = expiration
        && NaiveDateTime::parse_from_str(&date, "%Y-%m-%dT%H:%M:%S.%fZ").is_err()
    {
        server.disable(format!("Invalid date: '{date}'. Expected format is '%Y-%m-%dT%H:%M:%S.%fZ'."));
    }
}

/// Without any archiver WAL would be lost, so the one that needs nothing else is turned on.
fn check_archivers(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    if !server.archiver() && !server.streaming_archiver() {
        notices.push(Notice::warning(format!(
            "No archiver enabled for server '{}'. Please turn on 'archiver', 'streaming_archiver' or both",
            server.name
        )));
        notices.push(Notice::warning("Forcing 'archiver = on'"));
        server.settings.replace(key!("archiver"), Value::Bool(true));
    }
    let streams_only = server.streaming_archiver() && !server.archiver();
    if streams_only && (server.slot_name().is_none() || server.streaming_conninfo().is_none()) {
        server.disable(
            "Streaming-only archiver requires 'streaming_conninfo' and 'slot_name' options to be properly \
             configured",
        );
    }
}

fn ensure_strategy(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    let options = server.backup_options();
    if !options.exclusive && !options.concurrent {
        notices.push(Notice::warning(format!(
            "No backup strategy set for server '{}' (using default 'concurrent_backup').",
            server.name
        )));
        set_concurrent(server);
    }
}

fn set_concurrent(server: &mut ServerConfig) {
    let mut words = BTreeSet::from(["concurrent_backup"]);
    words.extend(server.backup_options().external_configuration.then_some("external_configuration"));
    server.settings.replace(key!("backup_options"), Value::Set(OptionSet { kind: &BACKUP_OPTIONS, words }));
}

fn forbid(server: &mut ServerConfig, keys: &[Key], method: &str) {
    for key in keys {
        if !matches!(server.value(*key), Value::Null | Value::Bool(false)) {
            server.disable(format!("{} option is not supported by {method} backup_method", key.name()));
        }
    }
}

fn forbid_reuse(server: &mut ServerConfig, method: &str) {
    if server.reuse_backup() != ReuseBackup::Off {
        server.disable(format!("reuse_backup option is not supported by {method} backup_method"));
    }
}
