use super::super::client::Client;
use super::super::error::Error;
use super::super::session::Request;
use super::wal::segment_before;
use super::{moment, timeline_name};
use crate::types::{Lsn, SegmentSize, Timeline, Timestamp, WalSegment};

/// Where a backup begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupStart {
    /// The position recovery starts from.
    pub lsn: Lsn,
    /// The timeline of that position.
    pub timeline: Timeline,
    /// The first segment that recovery needs.
    pub segment: WalSegment,
    /// Offset of the position in that segment, in bytes.
    pub offset: u32,
    /// The server's clock when the backup was asked for.
    pub time: Timestamp,
}

/// Where a backup ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupEnd {
    /// The position from which on the backup is consistent.
    pub lsn: Lsn,
    /// The timeline of that position.
    pub timeline: Timeline,
    /// The last segment that recovery needs to get there.
    pub segment: WalSegment,
    /// The position modulo the segment size, in bytes.
    pub offset: u32,
    /// The server's clock after the end was written: a target time before it cannot be reached.
    pub time: Timestamp,
    /// The content of the file `backup_label`, which the restored cluster must have.
    pub label: String,
    /// The content of the file `tablespace_map`; empty without tablespaces.
    pub tablespace_map: String,
}

impl Client {
    /// Starts a backup in concurrent mode; `fast` has its checkpoint written at once. Returns after the checkpoint.
    ///
    /// The backup belongs to this session: when the session ends, the server gives it up. So the settings that
    /// would end a long or idle session are switched off first.
    pub fn start_backup(&self, label: &str, fast: bool, size: SegmentSize) -> Result<BackupStart, Error> {
        const PURPOSE: &str = "start a backup";
        let sql = &self.features().sql;
        let start = format!(
            "SELECT start.lsn::pg_catalog.text AS lsn, {} AS time, {} AS timeline FROM {} AS start(lsn)",
            moment("pg_catalog.now()"),
            timeline_name("(pg_catalog.pg_control_checkpoint()).timeline_id"),
            sql.start_backup,
        );
        let start = Request::with(start, &[label, if fast { "true" } else { "false" }]);
        let [_, rows] = self.batch(PURPOSE, [Request::plain(sql.no_timeouts), start])?;
        let record = self.single(PURPOSE, rows)?;
        let (lsn, timeline) = record.position()?;
        Ok(BackupStart {
            lsn,
            timeline,
            segment: WalSegment::containing(lsn, timeline, size),
            offset: lsn.offset(size),
            time: record.required("time", record.moment("time")?)?,
        })
    }

    /// Stops the backup that was started on this session.
    ///
    /// The server does not wait until the WAL is archived; that it arrives is for the caller to see.
    pub fn stop_backup(&self, size: SegmentSize) -> Result<BackupEnd, Error> {
        let sql = format!(
            "SELECT stop.lsn::pg_catalog.text AS lsn, stop.labelfile AS label, stop.spcmapfile AS map, \
             {} AS time, {} AS timeline FROM {} AS stop",
            moment("pg_catalog.clock_timestamp()"),
            timeline_name(
                "CASE WHEN pg_catalog.pg_is_in_recovery() \
                 THEN (pg_catalog.pg_control_recovery()).min_recovery_end_timeline \
                 ELSE (pg_catalog.pg_control_checkpoint()).timeline_id END"
            ),
            self.features().sql.stop_backup,
        );
        let record = self.row("stop the backup", Request::plain(sql))?;
        let (lsn, timeline) = record.position()?;
        Ok(BackupEnd {
            lsn,
            timeline,
            segment: segment_before(lsn, timeline, size),
            offset: lsn.offset(size),
            time: record.required("time", record.moment("time")?)?,
            label: record.required("label", record.get("label")?)?,
            tablespace_map: record.get::<Option<String>>("map")?.unwrap_or_default(),
        })
    }
}
