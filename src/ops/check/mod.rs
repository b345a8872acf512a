//! Whether backups can be taken and WAL arrives: the question that monitoring asks all day and `backup` asks first.
//!
//! Every check is a row; a check that cannot be made is a failed row, never an error. The rows stand in the order,
//! and under the labels, that monitoring has parsed for years.

mod archiving;
mod catalogue;
mod postgres;
mod reach;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Error, Server};
use crate::pg::{Client, ServerFacts};
use crate::sys::events::Silent;
use crate::view::{Check, CheckReport};

/// Checks a server within `timeout`.
///
/// What a check does on the way (archiving what is queued, making directories) it does silently.
pub fn run(server: &Server<'_>, timeout: Option<Duration>) -> Result<CheckReport, Error> {
    let (cancel, _link) = server.context.cancel.child();
    let mut context = server.context.clone();
    context.events = Arc::new(Silent);
    context.cancel = cancel.clone();
    let quiet = Server { context, ..server.clone() };
    let rows = Mutex::new(Rows::default());
    let timed_out = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let (timer, expired) = (cancel.clone(), &timed_out);
        scope.spawn(move || {
            if timeout.is_some_and(|limit| timer.sleep(limit).is_ok()) {
                expired.store(true, Ordering::SeqCst);
                timer.cancel();
            }
        });
        let outcome = examine(&quiet, timeout, &rows);
        cancel.cancel();
        outcome
    });
    server.context.cancel.check()?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        _ if timed_out.into_inner() => rows.fail("check timeout", "barman check command timed out"),
        other => other?,
    }
    Ok(CheckReport {
        server: server.name().to_owned(),
        active: server.config.is_active(),
        disabled: server.config.is_disabled(),
        checks: rows.checks,
        last_backup_bytes: rows.last_backup_bytes,
        wal_bytes: rows.wal_bytes,
    })
}

/// Makes the checks in order. Rows are added group by group, so that those made before a timeout are not lost.
fn examine(server: &Server<'_>, timeout: Option<Duration>, rows: &Mutex<Rows>) -> Result<(), Error> {
    let group = |label, check: &mut dyn FnMut(&mut Rows) -> Result<(), Error>| {
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = check(&mut rows);
        server.context.cancel.check()?;
        // What keeps a group from being made is one more failed row, and the others are still worth making.
        if let Err(error) = outcome {
            rows.fail(label, error.with_causes());
        }
        Ok::<(), Error>(())
    };
    let mut postgres = look_at_postgres(server);
    group("WAL archive", &mut |rows| archiving::check_wal_arrives(server, &mut postgres, timeout, rows))?;
    group("incoming WALs directory", &mut |rows| archiving::check_queues(server, rows))?;
    group("PostgreSQL", &mut |rows| {
        postgres::check_server(server, &postgres, rows);
        Ok(())
    })?;
    group("directories", &mut |rows| {
        catalogue::check_directories(server, rows);
        catalogue::check_backups(server, rows)
    })?;
    group("ssh", &mut |rows| {
        let access = reach::check_access(server, rows)?;
        reach::check_backup_label(server, &postgres, access, rows)
    })?;
    group("systemid coherence", &mut |rows| {
        catalogue::check_configuration(server, rows);
        postgres::check_identity(server, &postgres, rows)
    })?;
    group("archiver errors", &mut |rows| {
        postgres::check_archiver(server, &postgres, rows);
        archiving::check_errors(server, rows)
    })
}

/// PostgreSQL as the checks found it.
enum Postgres {
    /// Not asked: the server is inactive or passive.
    NotAsked,
    /// It did not answer, or refused; or the configuration does not say where it is.
    Unreachable,
    /// It answers.
    Reached(Box<Client>, Box<ServerFacts>),
}

impl Postgres {
    fn facts(&self) -> Option<&ServerFacts> {
        match self {
            Self::Reached(_, facts) => Some(facts),
            Self::NotAsked | Self::Unreachable => None,
        }
    }
}

fn look_at_postgres(server: &Server<'_>) -> Postgres {
    if !server.config.is_active() || server.config.is_passive() {
        return Postgres::NotAsked;
    }
    if server.config.conninfo().is_none() {
        return Postgres::Unreachable;
    }
    let reached = server.connect().and_then(|client| {
        let facts = client.server_facts()?;
        Ok((client, facts))
    });
    match reached {
        Ok((client, facts)) => Postgres::Reached(Box::new(client), Box::new(facts)),
        Err(error) => {
            tracing::warn!("Error retrieving PostgreSQL status: {error}");
            Postgres::Unreachable
        }
    }
}

/// The rows so far.
#[derive(Default)]
struct Rows {
    checks: Vec<Check>,
    last_backup_bytes: u64,
    wal_bytes: u64,
}

impl Rows {
    fn ok(&mut self, label: &'static str, hint: impl Into<String>) {
        self.add(label, true, hint);
    }

    fn fail(&mut self, label: &'static str, hint: impl Into<String>) {
        self.add(label, false, hint);
    }

    fn add(&mut self, label: &'static str, ok: bool, hint: impl Into<String>) {
        let tolerated_by_backup = TOLERATED_BY_BACKUP.contains(&label);
        self.checks.push(Check { label, ok, hint: hint.into(), details: Vec::new(), tolerated_by_backup });
    }
}

/// What may be wrong while a backup is taken all the same: it would help, or does not matter to it.
const TOLERATED_BY_BACKUP: [&str; 11] = [
    "empty incoming directory",
    "incoming WALs directory",
    "empty streaming directory",
    "streaming WALs directory",
    "PostgreSQL server is standby",
    "backup maximum age",
    "backup minimum size",
    "wal maximum age",
    "failed backups",
    "minimum redundancy requirements",
    "archiver errors",
];
