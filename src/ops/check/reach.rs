//! Whether the host of PostgreSQL, or of the primary node, can be reached for the copy.

use super::{Postgres, Rows};
use crate::config::BackupMethod;
use crate::ops::{Error, Server};
use crate::transfer::{ConnectionTest, Endpoint};

/// What the attempt to reach the host showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Works,
    Fails,
}

/// What came of the attempt to get in by ssh; none when nobody has to.
pub type Attempt = Option<Result<ConnectionTest, Error>>;

/// Tries to get in. It takes longer than all other checks together, and needs none of them.
pub fn attempt(server: &Server<'_>) -> Attempt {
    // Nobody copies from a server that is out of service. The row 'configuration' says when there is no way to it.
    if !server.config.is_active() || is_local(server) || way(server).0.is_none() {
        return None;
    }
    let ssh = if server.config.is_passive() { server.primary_ssh() } else { server.ssh() };
    Some(ssh.and_then(|ssh| Ok(ssh.test(&server.context)?)))
}

/// Whether the files are copied on this host.
fn is_local(server: &Server<'_>) -> bool {
    server.config.backup_method() == BackupMethod::LocalRsync && !server.config.is_passive()
}

/// The command that leads to the host, and whose host that is.
fn way<'a>(server: &Server<'a>) -> (Option<&'a str>, &'static str) {
    match server.config.is_passive() {
        true => (server.config.primary_ssh_command(), "Barman primary node"),
        false => (server.config.ssh_command(), "PostgreSQL server"),
    }
}

/// Whether ssh got through, and whether it said nothing that would spoil the copy's protocol.
pub fn check_access(server: &Server<'_>, attempt: Attempt, rows: &mut Rows) -> Result<Access, Error> {
    if server.config.is_active() && is_local(server) {
        return check_local(server, rows);
    }
    let (command, whom) = way(server);
    let test = match attempt {
        None => return Ok(Access::Fails),
        Some(Ok(test)) => test,
        Some(Err(error)) => {
            server.context.cancel.check()?;
            rows.fail("ssh", error.with_causes());
            return Ok(Access::Fails);
        }
    };
    if !test.connected() {
        tracing::warn!("server '{}': {}", server.name(), test.stderr);
        let hint = format!(
            "Connection failed using '{} -o BatchMode=yes -o StrictHostKeyChecking=no' return code {}",
            command.unwrap_or_default(),
            test.code
        );
        rows.fail("ssh", hint);
        return Ok(Access::Fails);
    }
    rows.ok("ssh", whom);
    if !test.output_clean() {
        rows.fail(
            "ssh output clean",
            "the configured ssh_command must not add anything to the remote command output",
        );
    }
    Ok(Access::Works)
}

/// Whether the files of a PostgreSQL on this host can be read.
fn check_local(server: &Server<'_>, rows: &mut Rows) -> Result<Access, Error> {
    let latest = server.catalog()?.resolve("latest").ok().and_then(|backup| backup.pgdata.clone());
    match latest.map(|pgdata| server.context.files.list(&pgdata)) {
        Some(Err(error)) => rows.ok("local PGDATA", error.to_string()),
        Some(Ok(_)) | None => rows.ok("local PGDATA", "Access to local PGDATA"),
    }
    Ok(Access::Works)
}

/// A server that is down and has a `backup_label` will not come up as it was: a backup was copied over it, or it
/// crashed during an exclusive backup.
pub fn check_backup_label(
    server: &Server<'_>,
    postgres: &Postgres,
    access: Access,
    rows: &mut Rows,
) -> Result<(), Error> {
    if access == Access::Fails || !matches!(postgres, Postgres::Unreachable(_)) {
        return Ok(());
    }
    let catalog = server.catalog()?;
    let Some(pgdata) = catalog.resolve("latest").ok().and_then(|backup| backup.pgdata.clone()) else {
        return Ok(());
    };
    let label = pgdata.join("backup_label");
    let is_there = match server.data_endpoint()? {
        Endpoint::Local => server.context.files.exists(&label)?,
        Endpoint::Ssh(ssh) => {
            ssh.run(["test".as_ref(), "-e".as_ref(), label.as_os_str()], &server.context)?.success()
        }
    };
    if is_there {
        rows.fail(
            "backup_label",
            "Check that the PostgreSQL server is up and no 'backup_label' file is in PGDATA.",
        );
    }
    Ok(())
}
