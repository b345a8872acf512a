use tokio_postgres::error::SqlState;

use super::super::super::client::Client;
use super::super::super::error::Error;
use super::super::super::features::Sql;
use super::super::super::session::Request;
use super::super::timeline_name;
use super::{BackupEnd, BackupStart};
use crate::types::{SegmentLayout, SegmentSize};

/// What came of the request to leave backup mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The server has left it.
    Left,
    /// It was in none.
    NotInBackup,
}

impl Client {
    pub(super) fn start_exclusive(
        &self,
        label: &str,
        fast: bool,
        size: SegmentSize,
    ) -> Result<BackupStart, Error> {
        const PURPOSE: &str = "start a backup";
        let sql = &self.features().sql;
        let function = sql.start_exclusive.ok_or_else(|| self.lacks_exclusive_mode())?;
        let start = format!(
            "{}SELECT start.lsn::pg_catalog.text AS lsn, {} AS time, {} AS timeline FROM {function} AS start(lsn)",
            mark(label),
            sql.moment("pg_catalog.now()"),
            timeline(sql, "start.lsn"),
        );
        let start = Request::with(start, &[label, &fast.to_string()]);
        let [_, rows] = self.batch(PURPOSE, [Request::plain(sql.no_timeouts), start])?;
        BackupStart::of(&self.single(PURPOSE, rows)?, size)
    }

    pub(super) fn stop_exclusive(&self, layout: SegmentLayout) -> Result<BackupEnd, Error> {
        let sql = &self.features().sql;
        let function = sql.stop_exclusive.ok_or_else(|| self.lacks_exclusive_mode())?;
        let stop = format!(
            "SELECT stop.lsn::pg_catalog.text AS lsn, {} AS time, {} AS timeline FROM {function} AS stop(lsn)",
            sql.moment("pg_catalog.clock_timestamp()"),
            timeline(sql, "stop.lsn"),
        );
        BackupEnd::of(&self.row("stop the backup", Request::plain(stop))?, layout)
    }

    /// Ends the sessions that are still starting the exclusive backup `label`; tells whether there were any.
    ///
    /// Until its checkpoint is written the server does not notice that nobody waits for such a session any more, and
    /// brings itself into backup mode after that.
    pub fn end_exclusive_start(&self, label: &str) -> Result<bool, Error> {
        let (pid, query) = self.features().sql.activity;
        let end = format!(
            "SELECT pg_catalog.pg_terminate_backend({pid}) FROM pg_catalog.pg_stat_activity \
             WHERE {pid} <> pg_catalog.pg_backend_pid() AND pg_catalog.strpos({query}, $1) = 1"
        );
        Ok(!self.rows("end the start of a backup", Request::with(end, &[&mark(label)]))?.is_empty())
    }

    /// Has the server leave exclusive backup mode, whoever brought it there.
    ///
    /// Servers before 10 then wait for the archiver; they are not given long for that.
    pub fn leave_exclusive_backup(&self) -> Result<Leaving, Error> {
        let function = self.features().sql.stop_exclusive.ok_or_else(|| self.lacks_exclusive_mode())?;
        let limit = "SELECT pg_catalog.set_config('statement_timeout', '5000', false)";
        let stop = format!("SELECT 1 FROM {function} AS stop");
        match self.batch("leave backup mode", [limit, &stop].map(Request::plain)) {
            Ok(_) => Ok(Leaving::Left),
            // The wait for the archiver was cut short, and that comes last.
            Err(error) if error.has_code(&SqlState::QUERY_CANCELED) => Ok(Leaving::Left),
            Err(error) if error.has_code(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE) => {
                Ok(Leaving::NotInBackup)
            }
            Err(error) => Err(error),
        }
    }

    /// The content of the file `backup_label` of an exclusive backup that is under way; `None` when there is none.
    /// Only superusers may look, from 11 on those who were granted it.
    pub fn find_backup_label(&self) -> Result<Option<String>, Error> {
        let sql = "SELECT pg_catalog.pg_read_file('backup_label', 0, 8192) AS label";
        match self.row("read the backup label", Request::plain(sql)) {
            Err(error) if error.has_code(&SqlState::UNDEFINED_FILE) => Ok(None),
            answer => answer?.get("label"),
        }
    }

    fn lacks_exclusive_mode(&self) -> Error {
        self.lacks("exclusive backups")
    }
}

/// What the request to start a backup begins with, so that it can be told from others in `pg_stat_activity`.
fn mark(label: &str) -> String {
    format!("-- {}\n", label.replace(char::is_control, " "))
}

/// The timeline that a primary writes on, as file names have it.
fn timeline(sql: &Sql, lsn: &str) -> String {
    sql.control.map_or_else(|| sql.timeline_at(lsn), |control| timeline_name(control.checkpoint_timeline))
}
