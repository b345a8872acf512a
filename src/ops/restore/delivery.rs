//! How the restored server gets its WAL.

use std::path::{Path, PathBuf};

use super::chosen::Chosen;
use super::host::Host;
use super::names::WAL_DIRECTORY;
use super::request::RestoreRequest;
use crate::ops::{Error, Server};
use crate::pg::Features;
use crate::sys::{Command, Finished, env};
use crate::types::PgVersion;

/// The ways in which WAL gets to a restored server.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is copied to where PostgreSQL has its own, and replayed without being asked for.
    InPlace(PathBuf),
    /// It is copied into a directory aside; `restore_command` takes it from there, and PostgreSQL removes the directory
    /// at the end of recovery.
    Aside(PathBuf),
    /// PostgreSQL fetches it from the backup host, one file after the other.
    Fetched(FetchCommand),
}

/// What fetches a WAL file.
#[derive(Debug, PartialEq, Eq)]
pub struct FetchCommand {
    /// What the DBA must know about it.
    pub remark: Option<String>,
    /// The command, in which PostgreSQL replaces `%f` and `%p`.
    pub command: String,
    /// Whether it was typed.
    pub is_custom: bool,
}

/// Chooses the way that was asked for.
pub fn choose(
    server: &Server<'_>,
    host: &dyn Host,
    request: &RestoreRequest,
    chosen: &Chosen,
    version: PgVersion,
) -> Result<Delivery, Error> {
    if request.wal.get_wal {
        return Ok(Delivery::Fetched(fetch_command(server, host, request)?));
    }
    if !request.is_pitr() {
        return Ok(Delivery::InPlace(own_directory(&chosen.destination, version)));
    }
    let default = || chosen.destination.join(WAL_DIRECTORY);
    Ok(Delivery::Aside(chosen.wal_directory.clone().unwrap_or_else(default)))
}

/// Where PostgreSQL has its WAL.
pub fn own_directory(destination: &Path, version: PgVersion) -> PathBuf {
    destination.join(Features::of(version).wal_directory)
}

/// Says of the options about WAL which of them do nothing here.
pub fn warn_of_vain_options(server: &Server<'_>, host: &dyn Host, request: &RestoreRequest) {
    let wal = &request.wal;
    if wal.partial && wal.get_wal {
        server.warning("The --partial-wal option was ignored as it only works with --no-get-wal.");
    } else if wal.partial && request.ends_with_backup() {
        server.warning("The --partial-wal option was ignored as it has no effect with --target-immediate.");
    }
    if wal.restore_command.is_some() && !wal.get_wal {
        server.warning("The provided custom restore command was ignored as it only works with get-wal mode.");
    }
    if wal.staging_directory.is_some() && (wal.get_wal || !request.is_pitr()) {
        server.warning(
            "The --staging-wal-directory option was ignored as it goes with a recovery target or --target-tli, and \
             with --no-get-wal.",
        );
    }
    let names_port = wal.get_wal && host.ssh_command().is_some() && wal.restore_command.is_none();
    if wal.port.is_some() && !names_port {
        server.warning(
            "The --recovery-option-port option was ignored as it goes with --get-wal and --remote-ssh-command.",
        );
    }
}

fn fetch_command(
    server: &Server<'_>,
    host: &dyn Host,
    request: &RestoreRequest,
) -> Result<FetchCommand, Error> {
    if let Some(command) = request.wal.restore_command.clone() {
        return Ok(FetchCommand { remark: None, command, is_custom: true });
    }
    let (name, user) = (shell_word(server.name()), &server.global.barman_user);
    // A standby gets the rest of an unfinished segment from its primary; before, it must not take it for the whole.
    let partial = if request.standby { "" } else { "-P " };
    if host.ssh_command().is_none() {
        return Ok(FetchCommand {
            remark: Some(format!("The 'barman get-wal' command must run as '{user}' user")),
            command: format!("barman get-wal {partial}{name} %f > %p"),
            is_custom: false,
        });
    }
    let port = request.wal.port.map_or_else(String::new, |port| format!("--port {port} "));
    let jobs = request.copy.jobs;
    let parallel = if jobs > 1 { format!(" -p {jobs}") } else { String::new() };
    let (user, here) = (shell_word(user), shell_word(&name_of_this_host(server)?));
    Ok(FetchCommand {
        remark: Some("The 'barman-wal-restore' command is provided in the 'barman-cli' package".to_owned()),
        command: format!("barman-wal-restore {partial}-U {user} {port}{here} {name} %f %p{parallel}"),
        is_custom: false,
    })
}

/// The full name of this host, by which others find it; the short one when it has none.
fn name_of_this_host(server: &Server<'_>) -> Result<String, Error> {
    let command = Command::new("hostname").args(["-f"]);
    let asked = server.context.processes.run(&command, &server.context.cancel);
    server.context.cancel.check()?;
    let full = asked.ok().filter(Finished::success);
    let full = full.map(|finished| String::from_utf8_lossy(&finished.stdout).trim().to_owned());
    Ok(full.filter(|name| !name.is_empty()).unwrap_or_else(env::hostname))
}

/// One word of a shell command in which PostgreSQL replaces what follows a percent sign.
pub fn shell_word(text: &str) -> String {
    shell_words::quote(text).replace('%', "%%")
}
