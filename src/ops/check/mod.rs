//! Whether backups can be taken and WAL arrives: the question that monitoring asks all day and `backup` asks first.
//!
//! Every check is a row; a check that cannot be made is a failed row, never an error. The rows stand in the order,
//! and under the labels, that monitoring has parsed for years.

mod archiving;
mod catalogue;
mod encryption;
mod postgres;
mod reach;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use super::time_limit::{self, Limited};
use super::{Error, Server, several};
use crate::pg::{self, Client, ServerFacts};
use crate::sys::events::Silent;
use crate::sys::{Cancel, Cancelled};
use crate::view::{Check, CheckReport};
use reach::Access;

/// Checks a server within `timeout`.
///
/// What a check does on the way (archiving what is queued, making directories) it does silently.
pub fn run(server: &Server<'_>, timeout: Option<Duration>) -> Result<CheckReport, Error> {
    let mut quiet = server.clone();
    quiet.context.events = Arc::new(Silent);
    let mut rows = Rows::default();
    let Limited { outcome, timed_out } =
        time_limit::run(&quiet, timeout, |server| examine(server, timeout, &mut rows))?;
    match outcome {
        _ if timed_out => rows.fail("check timeout", "barman check command timed out"),
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

/// Checks servers, several at a time, each within its own timeout. `each` gets their reports in order.
///
/// # Errors
/// When a stop is asked for.
pub fn run_all(
    servers: &[(Server<'_>, Option<Duration>)],
    mut each: impl FnMut(CheckReport),
) -> Result<(), Error> {
    let check = |(server, timeout): &(Server<'_>, _)| run(server, *timeout);
    several::at_a_time(servers, check, |report| {
        each(report?);
        Ok(())
    })
}

/// Makes the checks in order, ssh knocking meanwhile; the rows that were made before a timeout stay.
fn examine(server: &Server<'_>, timeout: Option<Duration>, rows: &mut Rows) -> Result<(), Cancelled> {
    thread::scope(|scope| {
        let attempt = scope.spawn(|| reach::attempt(server));
        make_checks(server, timeout, attempt, rows)
    })
}

fn make_checks(
    server: &Server<'_>,
    timeout: Option<Duration>,
    attempt: ScopedJoinHandle<'_, reach::Attempt>,
    rows: &mut Rows,
) -> Result<(), Cancelled> {
    let postgres = look_at_postgres(server);
    let cancel = &server.context.cancel;
    rows.attempt(cancel, "WAL archive", |rows| {
        archiving::check_wal_arrives(server, &postgres, timeout, rows)
    })?;
    rows.attempt(cancel, "incoming WALs directory", |rows| archiving::check_queues(server, rows))?;
    postgres::check_server(server, &postgres, rows);
    catalogue::check_directories(server, rows);
    rows.attempt(cancel, "backup records", |rows| catalogue::check_backups(server, rows))?;
    let mut access = Access::Fails;
    rows.attempt(cancel, "ssh", |rows| {
        // A panic over there goes on here.
        let attempt = attempt.join().unwrap_or_else(|panic| resume_unwind(panic));
        access = reach::check_access(server, attempt, rows)?;
        Ok(())
    })?;
    rows.attempt(cancel, "backup_label", |rows| reach::check_backup_label(server, &postgres, access, rows))?;
    rows.attempt(cancel, "backup mode", |rows| postgres::check_strategy(server, &postgres, rows))?;
    catalogue::check_configuration(server, rows);
    rows.attempt(cancel, "systemid coherence", |rows| postgres::check_identity(server, &postgres, rows))?;
    postgres::check_archiver(server, &postgres, rows);
    rows.attempt(cancel, "archiver errors", |rows| archiving::check_errors(server, rows))
}

/// PostgreSQL as the checks found it.
enum Postgres {
    /// Not asked: the server is inactive or passive.
    NotAsked,
    /// It did not answer, or refused; or the configuration does not say where it is. With the reason.
    Unreachable(String),
    /// It answers, but nobody here knows its language any more.
    TooOld(String),
    /// It answers.
    Reached(Box<Client>, Box<ServerFacts>),
}

impl Postgres {
    fn facts(&self) -> Option<&ServerFacts> {
        match self {
            Self::Reached(_, facts) => Some(facts),
            Self::NotAsked | Self::Unreachable(_) | Self::TooOld(_) => None,
        }
    }
}

fn look_at_postgres(server: &Server<'_>) -> Postgres {
    if !server.config.is_active() || server.config.is_passive() {
        return Postgres::NotAsked;
    }
    if server.config.conninfo().is_none() {
        return Postgres::Unreachable("'conninfo' is not set".into());
    }
    match server.connect_with_facts() {
        Ok((client, facts)) => Postgres::Reached(Box::new(client), Box::new(facts)),
        Err(Error::Pg(error @ pg::Error::TooOld(_))) => Postgres::TooOld(error.to_string()),
        Err(error) => {
            let reason = error.with_causes();
            server.log_unreachable(&reason);
            Postgres::Unreachable(reason)
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

    /// A failed check whose row has no hint, whatever the reason.
    fn fail_bare(&mut self, label: &'static str, reason: &str) {
        self.fail(label, "");
        self.explain(reason.to_owned());
    }

    /// Why the last check failed, beyond what its row tells.
    fn explain(&mut self, reason: String) {
        if let Some(check) = self.checks.last_mut() {
            check.reason = Some(reason);
        }
    }

    /// Makes the checks of a group; when they cannot be made that is a failed row.
    fn attempt(
        &mut self,
        cancel: &Cancel,
        label: &'static str,
        check: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Cancelled> {
        let outcome = check(self);
        cancel.check()?;
        if let Err(error) = outcome {
            self.fail(label, error.with_causes());
        }
        Ok(())
    }

    fn add(&mut self, label: &'static str, ok: bool, hint: impl Into<String>) {
        let tolerated_by_backup = TOLERATED_BY_BACKUP.contains(&label);
        let (hint, details) = (hint.into(), Vec::new());
        self.checks.push(Check { label, ok, hint, reason: None, details, tolerated_by_backup });
    }
}

/// What may be wrong while a backup is taken all the same: it would help, or does not matter to it.
const TOLERATED_BY_BACKUP: [&str; 12] = [
    "empty incoming directory",
    "incoming WALs directory",
    "empty streaming directory",
    "streaming WALs directory",
    "PostgreSQL server is standby",
    "backup maximum age",
    "backup minimum size",
    "decryption",
    "wal maximum age",
    "failed backups",
    "minimum redundancy requirements",
    "archiver errors",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::BackupInfo;
    use crate::config::tests::kit::Home;
    use crate::sys::Context;
    use crate::types::BackupStatus;

    /// Checks a server on this host that is down, after `prepare`; gives label and hint of each failed row.
    fn failures(prepare: impl FnOnce(&Server<'_>)) -> Vec<(&'static str, String)> {
        let home = Home::with(&[(
            "barman.conf",
            "[barman]\nbarman_home = @HOME@\nbarman_user =\n[main]\nconninfo = host=@HOME@\n\
             backup_method = local-rsync\nbackup_options = concurrent_backup\narchiver = on\n",
        )]);
        let config = home.load("barman.conf").unwrap();
        let context = Context::new(Arc::new(Silent), Cancel::default());
        let server = Server::new(&context, &config.global, &config.servers["main"]);
        server.ensure_directories().unwrap();
        prepare(&server);
        let checks = run(&server, None).unwrap().checks;
        checks.into_iter().filter(|check| !check.ok).map(|check| (check.label, check.hint)).collect()
    }

    #[test]
    fn a_backup_label_is_looked_for_on_this_host_when_the_server_is_here() {
        let look = |name: &str| {
            let found = failures(|server| {
                let pgdata = server.config.backup_directory().join("pgdata");
                std::fs::create_dir(&pgdata).unwrap();
                std::fs::write(pgdata.join(name), "").unwrap();
                let status = BackupStatus::Done;
                let id = "20260101T100000".parse().unwrap();
                let backup = BackupInfo { status, pgdata: Some(pgdata), ..BackupInfo::new(id) };
                server.catalog().unwrap().save(backup).unwrap();
            });
            found.iter().any(|(label, _)| *label == "backup_label")
        };
        assert!(look("backup_label"));
        assert!(!look("PG_VERSION"));
    }

    #[test]
    fn a_check_that_cannot_be_made_is_a_failed_row_and_the_others_are_made() {
        let found = failures(|server| {
            let errors = server.config.errors_directory();
            std::fs::write(errors.join("x.unknown"), "").unwrap();
            std::fs::create_dir_all(server.config.xlogdb_directory().join("main-xlog.db")).unwrap();
        });
        let hint =
            |label: &str| found.iter().find(|(known, _)| *known == label).map(|(_, hint)| hint.as_str());
        assert!(hint("WAL archive").is_some_and(|hint| hint.contains("main-xlog.db")), "{found:?}");
        assert_eq!(hint("archiver errors"), Some("unknown: 1"));
    }
}
