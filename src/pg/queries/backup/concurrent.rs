use super::super::super::client::Client;
use super::super::super::error::Error;
use super::super::super::features::{ControlSql, NativeSql};
use super::super::super::session::Request;
use super::super::timeline_name;
use super::{BackupEnd, BackupStart};
use crate::types::{SegmentLayout, SegmentSize};

impl Client {
    pub(super) fn start_concurrent(
        &self,
        label: &str,
        fast: bool,
        size: SegmentSize,
    ) -> Result<BackupStart, Error> {
        const PURPOSE: &str = "start a backup";
        let sql = &self.features().sql;
        let (native, control) = self.native()?;
        let start = format!(
            "SELECT start.lsn::pg_catalog.text AS lsn, {} AS time, {} AS timeline FROM {} AS start(lsn)",
            sql.moment("pg_catalog.now()"),
            timeline_name(control.checkpoint_timeline),
            native.start,
        );
        let start = Request::with(start, &[label, &fast.to_string()]);
        let [_, rows] = self.batch(PURPOSE, [Request::plain(sql.no_timeouts), start])?;
        BackupStart::of(&self.single(PURPOSE, rows)?, size)
    }

    pub(super) fn stop_concurrent(&self, layout: SegmentLayout) -> Result<BackupEnd, Error> {
        let sql = &self.features().sql;
        let (native, control) = self.native()?;
        let request = format!(
            "SELECT stop.lsn::pg_catalog.text AS lsn, stop.labelfile AS label, {} AS time, {} AS timeline \
             FROM {} AS stop",
            sql.moment("pg_catalog.clock_timestamp()"),
            timeline_name(&format!(
                "CASE WHEN {} THEN {} ELSE {} END",
                sql.is_in_recovery, control.recovery_timeline, control.checkpoint_timeline
            )),
            native.stop,
        );
        let record = self.row("stop the backup", Request::plain(request))?;
        let label = record.required("label", record.get("label")?)?;
        Ok(BackupEnd { label: Some(label), ..BackupEnd::of(&record, layout)? })
    }

    fn native(&self) -> Result<(NativeSql, ControlSql), Error> {
        let sql = &self.features().sql;
        sql.concurrent.zip(sql.control).ok_or_else(|| self.lacks("concurrent backups without an extension"))
    }
}
