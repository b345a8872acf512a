//! `diagnose`: everything that somebody who is asked for help wants to know first, as one JSON document.
//!
//! Whatever is broken is part of the answer and never the end of it: what cannot be found out stands under `errors`
//! of its server. No password is in the document, wherever it came from.

mod host;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::time_limit::{self, Limited};
use super::{Error, Server, live_status, several};
use crate::catalog::BackupInfo;
use crate::config::{self, Config, Model, Source};
use crate::pg;
use crate::sys::Context;
use crate::types::{HumanDuration, Timestamp, iso_text};
use crate::wal::XlogDbEntry;

/// What the person asks for.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Tells of each setting where it comes from.
    pub config_source: bool,
    /// The release of Barman that we stand in for.
    pub barman_version: &'a str,
    /// Who we are.
    pub implementation: &'a str,
}

/// Collects what is known of the installation and of all its servers.
pub fn run(context: &Context, config: &Config, options: Options<'_>) -> Result<Value, Error> {
    let models: BTreeMap<&String, Value> =
        config.models.iter().map(|(name, model)| (name, describe_model(model, options))).collect();
    let document = json!({
        "global": {"config": describe_global(config, options), "system_info": describe_host(context, options)?},
        "models": models,
        "servers": describe_servers(context, config, options)?,
    });
    Ok(redacted(document))
}

fn describe_global(config: &Config, options: Options<'_>) -> Value {
    let settings = config.global.settings.iter();
    let mut settings =
        describe_settings(settings.map(|(name, value, source)| (name.as_str(), value, source)), options);
    settings.insert("errors_list".into(), json!(config.conflicts));
    Value::Object(settings)
}

/// Tells of this host and of the programs on it that backups need.
pub fn describe_host(context: &Context, options: Options<'_>) -> Result<Value, Error> {
    let mut info = host::describe(&host::Host::Here, context)?;
    info.insert("barman_ver".into(), json!(options.barman_version));
    info.insert("implementation".into(), json!(options.implementation));
    info.insert("timestamp".into(), json!(local_iso(context.clock.now())));
    Ok(Value::Object(info))
}

fn describe_model(model: &Model, options: Options<'_>) -> Value {
    let settings: Vec<_> = model.settings().collect();
    json!({"config": describe_settings(settings.iter().map(|(name, value, source)| (*name, value, source)), options)})
}

fn describe_settings<'a>(
    settings: impl Iterator<Item = (&'a str, &'a config::Value, &'a Source)>,
    options: Options<'_>,
) -> Map<String, Value> {
    let described = settings.map(|(name, value, source)| {
        let value = match options.config_source {
            true => json!({"value": value, "source": source.to_string()}),
            false => json!(value),
        };
        (name.to_owned(), value)
    });
    described.collect()
}

/// Asks several servers at a time: one that does not answer takes no longer than its `check_timeout`, and with
/// hundreds of them the answer should still be there today.
fn describe_servers(
    context: &Context,
    config: &Config,
    options: Options<'_>,
) -> Result<BTreeMap<String, Value>, Error> {
    let servers: Vec<_> =
        config.servers.values().map(|server| Server::new(context, &config.global, server)).collect();
    let mut described = BTreeMap::new();
    let describe = |server: &Server<'_>| (server.name().to_owned(), describe_server(server, options));
    several::at_a_time(&servers, describe, |(name, answer)| {
        described.insert(name, answer);
        Ok(())
    })?;
    context.cancel.check()?;
    Ok(described)
}

fn describe_server(server: &Server<'_>, options: Options<'_>) -> Value {
    let mut errors = Vec::new();
    let settings: Vec<_> = server.config.settings().collect();
    let settings =
        describe_settings(settings.iter().map(|(name, value, source)| (*name, value, source)), options);
    let messages: Vec<String> =
        server.config.problems().iter().cloned().chain(server.config.unsupported()).collect();
    let mut document = json!({
        "active_model": server.config.active_model(),
        "backups": describe_backups(server, &mut errors),
        "config": settings,
        "msg_list": messages,
        "status": {},
        "wals": {"last_archived_wal_per_timeline": describe_wal(server, &mut errors)},
    });
    let limit = server.config.check_timeout();
    let asked = time_limit::run(server, limit, |server| ask(server, &mut document, &mut errors));
    if let (Ok(Limited { timed_out: true, .. }), Some(limit)) = (asked, limit) {
        errors.push(format!("no answer within {} (check_timeout)", HumanDuration::from(limit)));
    }
    if !errors.is_empty() {
        document["errors"] = json!(errors);
    }
    document
}

/// Asks PostgreSQL and its host.
fn ask(server: &Server<'_>, document: &mut Value, errors: &mut Vec<String>) {
    let facts = live_status::run(server);
    let facts: BTreeMap<_, _> = facts.iter().map(|(name, fact)| (name, fact.to_json(local_iso))).collect();
    document["status"] = json!(facts);
    if server.config.ssh_command().is_none() {
        return;
    }
    match host::describe_remote(server) {
        Ok(info) => document["system_info"] = Value::Object(info),
        Err(_) if server.context.cancel.is_cancelled() => {}
        Err(error) => errors.push(error.with_causes()),
    }
}

fn describe_backups(server: &Server<'_>, errors: &mut Vec<String>) -> Map<String, Value> {
    let catalog = match server.catalog() {
        Ok(catalog) => catalog,
        Err(error) => {
            errors.push(error.with_causes());
            return Map::new();
        }
    };
    let loaded = catalog.load();
    errors.extend(loaded.errors.into_iter().map(|error| Error::from(error).with_causes()));
    let record = |info: &&BackupInfo| (info.id.to_string(), Value::Object(info.to_json(local_iso)));
    loaded.backups.iter().map(record).collect()
}

/// The last segment of each timeline as it lies in the archive; the list of the archive may be what is broken.
fn describe_wal(server: &Server<'_>, errors: &mut Vec<String>) -> Map<String, Value> {
    let entry = |entry: XlogDbEntry| {
        let timeline = entry.name[..8].to_owned();
        let XlogDbEntry { name, size, time, compression, encryption } = entry;
        let described = json!({
            "compression": compression, "encryption": encryption, "name": name, "size": size, "time": time,
        });
        (timeline, described)
    };
    match server.archive().last_files() {
        Ok(files) => files.into_iter().map(entry).collect(),
        Err(error) => {
            errors.push(Error::from(error).with_causes());
            Map::new()
        }
    }
}

fn local_iso(at: Timestamp) -> String {
    iso_text(at.with_timezone(&chrono::Local).fixed_offset())
}

/// The document without passwords.
fn redacted(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(pg::redact(&text).into_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, redacted(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
