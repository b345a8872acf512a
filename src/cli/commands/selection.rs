//! Which servers a command works on, from the names that were typed.

use crate::cli::app::App;
use crate::config::ServerConfig;

// A documentation comment would take the place of the command's help.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// Server of the backup
    pub server_name: String,

    /// Backup: its identifier or its name, or latest, oldest, last-failed, latest-full
    pub backup_id: String,
}

/// What a command does with servers that are not in ordinary service.
#[derive(Debug, Clone, Copy)]
pub struct Reaction {
    /// Leaves out servers with `active = false`.
    pub skip_inactive: bool,
    /// Refuses servers whose configuration has errors.
    pub refuse_disabled: bool,
    /// Leaves out servers that copy another Barman's.
    pub skip_passive: bool,
}

impl Reaction {
    /// Works on every server, whatever its state.
    pub const ANY: Self = Self { skip_inactive: false, refuse_disabled: false, skip_passive: false };
    /// Works on every server whose configuration is right.
    pub const SOUND: Self = Self { refuse_disabled: true, ..Self::ANY };
    /// Works on servers in service.
    pub const IN_SERVICE: Self = Self { skip_inactive: true, ..Self::SOUND };
    /// Works on servers in service that have a PostgreSQL of their own.
    pub const WITH_POSTGRES: Self = Self { skip_passive: true, ..Self::IN_SERVICE };
}

/// The servers named, in the order of their names, each once; the others are said to be unknown.
pub fn servers<'a>(app: &'a App, names: &[String], reaction: Reaction) -> Vec<&'a ServerConfig> {
    if refuse_conflicts(app) {
        return Vec::new();
    }
    let (servers, errors) = app.config.select(names);
    for error in errors {
        app.context.events.error(&error.to_string());
    }
    servers.iter().for_each(|server| app.tell_notices_of(server));
    servers.into_iter().filter(|server| is_wanted(app, server, reaction)).collect()
}

/// All servers, in the order of their names.
pub fn all(app: &App) -> impl Iterator<Item = &ServerConfig> {
    app.config.servers.values().inspect(|server| app.tell_notices_of(server))
}

/// The one server named; `None` when it is unknown or left out, which has then been said.
pub fn server<'a>(app: &'a App, name: &str, reaction: Reaction) -> Option<&'a ServerConfig> {
    if refuse_conflicts(app) {
        return None;
    }
    let found = app.config.server(name);
    found
        .inspect_err(|error| app.context.events.error(&error.to_string()))
        .ok()
        .inspect(|server| app.tell_notices_of(server))
        .filter(|server| is_wanted(app, server, reaction))
}

/// Two servers on one directory would damage each other's files: no server is usable then.
pub fn refuse_conflicts(app: &App) -> bool {
    for conflict in &app.config.conflicts {
        app.context.events.error(conflict);
    }
    !app.config.conflicts.is_empty()
}

fn is_wanted(app: &App, server: &ServerConfig, reaction: Reaction) -> bool {
    let events = &app.context.events;
    if reaction.skip_inactive && !server.is_active() {
        events.info(&format!("Skipping inactive server '{}'", server.name()));
        return false;
    }
    if let (true, Some(problem)) = (reaction.refuse_disabled, server.problems().first()) {
        events.error(problem);
        return false;
    }
    if reaction.skip_passive && server.is_passive() {
        events.info(&format!("Skipping passive server '{}'", server.name()));
        return false;
    }
    true
}
