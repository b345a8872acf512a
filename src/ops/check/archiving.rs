//! Whether WAL arrives.

use std::path::Path;
use std::time::Duration;

use super::{Postgres, Rows};
use crate::ops::{Error, Server, archive_wal, primary};
use crate::pg::{Client, ServerFacts};
use crate::types::BackupStatus;

/// An archive without a single file is either new or not reached by PostgreSQL: archiving what is queued, and then
/// making PostgreSQL finish a file, tells which.
pub fn check_wal_arrives(
    server: &Server<'_>,
    postgres: &Postgres,
    timeout: Option<Duration>,
    rows: &mut Rows,
) -> Result<(), Error> {
    // Nothing is done with a server whose configuration has errors.
    let provokes = !server.config.is_disabled() && server.ensure_directories().is_ok();
    if !is_empty(server)? {
        return Ok(());
    }
    let waits = server.catalog()?.load().backups.iter().any(|b| b.status == BackupStatus::WaitingForWals);
    if waits || (provokes && provoke(server, postgres, timeout)?) {
        return Ok(());
    }
    rows.fail("WAL archive", "please make sure WAL shipping is setup");
    Ok(())
}

fn is_empty(server: &Server<'_>) -> Result<bool, Error> {
    Ok(server.archive().open()?.entries(..)?.next().transpose()?.is_none())
}

/// Whether a file comes when one is asked for.
fn provoke(server: &Server<'_>, postgres: &Postgres, timeout: Option<Duration>) -> Result<bool, Error> {
    archive_wal::run_on_the_way(server)?;
    if !is_empty(server)? {
        return Ok(true);
    }
    let Postgres::Reached(client, facts) = postgres else { return Ok(false) };
    if facts.is_in_recovery {
        let Some(primary) = primary::connect(server, true)? else { return Ok(false) };
        let primary_facts = primary.server_facts()?;
        close_segment(&primary, &primary_facts)?;
    } else {
        close_segment(client, facts)?;
    }
    let limit = timeout.map_or(Duration::from_secs(10), |timeout| timeout / 3);
    archive_wal::await_condition(server, facts.segment_size, Some(limit), || Ok(!is_empty(server)?))
}

/// On an idle server there is nothing to switch; without the right to ask for a checkpoint we must try as it is.
fn close_segment(client: &Client, facts: &ServerFacts) -> Result<(), Error> {
    if facts.has_checkpoint_privilege {
        client.checkpoint()?;
    }
    client.switch_wal()?;
    Ok(())
}

/// Whether directories that nobody empties are empty, and queues are short.
pub fn check_queues(server: &Server<'_>, rows: &mut Rows) -> Result<(), Error> {
    let (incoming, streaming) =
        (server.config.incoming_wals_directory(), server.config.streaming_wals_directory());
    let queued = count(server, &incoming)? as u64;
    if !server.config.archiver() && queued > 0 {
        let hint = format!("'{}' must be empty when archiver=off", incoming.display());
        rows.fail("empty incoming directory", hint);
    }
    if let (true, Some(limit)) = (server.config.archiver(), server.config.max_incoming_wals_queue())
        && queued > limit
    {
        let hint = format!("there are too many WALs in queue: {queued}, max {limit}");
        rows.fail("incoming WALs directory", hint);
    }
    // One file may be left by a receiver that was switched off.
    if !server.config.streaming_archiver() && count(server, &streaming)? > 1 {
        let hint = format!("'{}' must be empty when streaming_archiver=off", streaming.display());
        rows.fail("empty streaming directory", hint);
    }
    Ok(())
}

fn count(server: &Server<'_>, dir: &Path) -> Result<usize, Error> {
    let entries = server.context.files.list_if_exists(dir)?;
    Ok(entries.iter().filter(|entry| !entry.name.as_encoded_bytes().starts_with(b".")).count())
}

/// What lies in the errors directory, by what was wrong with it.
pub fn check_errors(server: &Server<'_>, rows: &mut Rows) -> Result<(), Error> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for entry in server.context.files.list_if_exists(&server.config.errors_directory())? {
        let kind = match entry.path.extension().and_then(|extension| extension.to_str()) {
            Some("error") => "not relevant",
            Some("duplicate") => "duplicates",
            Some("unknown") => "unknown",
            _ => "unknown failure",
        };
        match counts.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    let words: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    rows.add("archiver errors", words.is_empty(), words.join(", "));
    Ok(())
}
