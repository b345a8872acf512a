//! Making PostgreSQL finish its current WAL file, so that it can be archived.

use std::time::Duration;

use super::{Error, Server, archive_wal, primary};
use crate::pg::WalSwitch;
use crate::types::WalSegment;

/// How a switch is made.
#[derive(Debug, Clone, Copy)]
pub struct SwitchOptions {
    /// Ask for a checkpoint first.
    pub checkpoint: bool,
    /// Wait until the file is in the archive.
    pub archive: bool,
    /// The limit of that wait.
    pub timeout: Option<Duration>,
}

/// Switches, of a standby with a known primary there, and waits for the file when asked to.
pub fn run(server: &Server<'_>, options: &SwitchOptions) -> Result<(), Error> {
    let name = server.name();
    let mut client = server.connect().map_err(|error| unable(name, &error))?;
    let mut facts = client.server_facts().map_err(|error| unable(name, &error.into()))?;
    if let Some(primary) = primary::connect(server, facts.is_in_recovery).map_err(|e| unable(name, &e))? {
        client = primary;
        facts = client.server_facts().map_err(|error| unable(name, &error.into()))?;
    }
    if facts.is_in_recovery {
        server.info(format!("No switch performed because server '{name}' is a standby."));
        return Ok(());
    }
    if options.checkpoint {
        if !facts.has_checkpoint_privilege {
            return Err(Error::refused(
                "Barman switch-wal --force requires superuser rights or the 'pg_checkpoint' role",
            ));
        }
        client.checkpoint()?;
    }
    let size = facts.segment_size;
    let before = newest(server)?;
    let closed = match client.switch_wal().map_err(|error| unable(name, &error.into()))? {
        WalSwitch::Closed(segment) => Some(segment),
        WalSwitch::NotRequired | WalSwitch::Standby => None,
    };
    match closed {
        Some(segment) => server.info(format!("The WAL file {segment} has been closed on server '{name}'")),
        None => server.info(format!("No switch required for server '{name}'")),
    }
    drop(client);
    if !options.archive {
        return Ok(());
    }
    let bound =
        options.timeout.map(|limit| format!(" (max: {} seconds)", limit.as_secs())).unwrap_or_default();
    match closed {
        Some(segment) => {
            server.info(format!("Waiting for the WAL file {segment} from server '{name}'{bound}"));
            if !archive_wal::await_segment(server, segment, size, options.timeout)? {
                server.error(format!(
                    "The WAL file {segment} has not been received{}",
                    within(options.timeout)
                ));
            }
        }
        None => {
            server.info(format!("Waiting for a WAL file from server '{name}' to be archived{bound}"));
            let arrived =
                archive_wal::await_condition(
                    server,
                    size,
                    options.timeout,
                    || Ok(newest(server)? != before),
                )?;
            if !arrived {
                server.info(format!("A WAL file has not been received{}", within(options.timeout)));
            }
        }
    }
    Ok(())
}

fn newest(server: &Server<'_>) -> Result<Option<WalSegment>, Error> {
    Ok(server.archive().open()?.latest_segments()?.pop())
}

fn within(timeout: Option<Duration>) -> String {
    timeout.map(|limit| format!(" in {} seconds", limit.as_secs())).unwrap_or_default()
}

fn unable(server: &str, error: &Error) -> Error {
    Error::refused(format!("Unable to perform pg_switch_wal for server '{server}'.\n{}", error.with_causes()))
}
