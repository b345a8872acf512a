//! The settings of a server, and what PostgreSQL tells about itself.

use std::collections::BTreeMap;

use super::{Error, Server, live_status};
use crate::types::HumanDuration;
use crate::view::{ServerSettings, Shown};

/// Collects settings and facts; facts of a PostgreSQL that does not answer are `None`.
pub fn run(server: &Server<'_>) -> Result<ServerSettings, Error> {
    let config = server.config;
    let mut settings: BTreeMap<String, Shown> = BTreeMap::new();
    let mut add = |name: &str, value: Shown| settings.insert(name.to_owned(), value);
    for (name, value, _) in config.settings() {
        add(name, Shown { text: value.to_string(), json: value.to_shown_json() });
    }
    let facts = [
        ("active_model", config.active_model().into()),
        ("passive_node", config.is_passive().into()),
        ("last_backup_maximum_age", backup_age(server)?.into()),
    ];
    for (name, fact) in facts.into_iter().chain(live_status::run(server)) {
        add(name, Shown { text: fact.to_string(), json: fact.to_shown_json() });
    }
    server.context.cancel.check()?;
    Ok(ServerSettings {
        server: server.name().to_owned(),
        active: config.is_active(),
        disabled: config.is_disabled(),
        settings,
    })
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
