//! Whether the host of PostgreSQL, or of the primary node, can be reached for the copy.

use super::{Postgres, Rows};
use crate::config::BackupMethod;
use crate::ops::{Error, Server};
use crate::transfer::Endpoint;

/// What the attempt to reach the host showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Works,
    Fails,
}

/// Whether ssh gets through, and whether it says nothing that would spoil the copy's protocol.
pub fn check_access(server: &Server<'_>, rows: &mut Rows) -> Result<Access, Error> {
    // Nobody copies from a server that is out of service.
    if !server.config.is_active() {
        return Ok(Access::Fails);
    }
    let is_passive = server.config.is_passive();
    if server.config.backup_method() == BackupMethod::LocalRsync && !is_passive {
        return check_local(server, rows);
    }
    let (ssh, command, whom) = match is_passive {
        true => (server.primary_ssh(), server.config.primary_ssh_command(), "Barman primary node"),
        false => (server.ssh(), server.config.ssh_command(), "PostgreSQL server"),
    };
    // The row 'configuration' says that there is no way to it.
    if command.is_none() {
        return Ok(Access::Fails);
    }
    let tested = ssh.and_then(|ssh| Ok(ssh.test(&server.context)?));
    let test = match tested {
        Ok(test) => test,
        Err(error) => {
            server.context.cancel.check()?;
            rows.fail("ssh", error.with_causes());
            return Ok(Access::Fails);
        }
    };
    if !test.connected() {
        tracing::warn!("{}", test.stderr);
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
