//! Telling PostgreSQL that its files are copied, in each of the ways that there are.

mod concurrent;
mod espresso;
mod exclusive;

use super::super::client::{Client, Record};
use super::super::error::Error;
use super::wal::segment_before;
use crate::types::{Lsn, SegmentLayout, SegmentSize, Timeline, Timestamp, WalSegment};

pub use espresso::Espresso;
pub use exclusive::Leaving;

/// How a server is told of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupMode {
    /// The server is in backup mode, once at a time, until it is told to leave it (up to 14).
    Exclusive,
    /// The backup belongs to the session that started it: when the session ends, the server gives it up.
    Concurrent,
    /// The extension pgespresso counts the backups that are under way.
    Espresso(Espresso),
}

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
    /// The content of the file `backup_label`, where the start gives it: pgespresso wants it back at the end.
    pub label: Option<String>,
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
    /// The content of the file `backup_label`, which the restored cluster must have. `None` in exclusive mode: the
    /// file stands in the data directory.
    pub label: Option<String>,
}

impl BackupMode {
    /// Whether the backup ends with the session that started it, so that its loss makes the copy worthless.
    pub fn belongs_to_session(&self) -> bool {
        // A server that was restarted has forgotten the backups of pgespresso, and cannot be asked whether it was.
        !matches!(self, Self::Exclusive)
    }
}

impl Client {
    /// Starts a backup; `fast` has its checkpoint written at once. Returns after the checkpoint.
    ///
    /// The settings that would end a long or idle session are switched off first.
    pub fn start_backup(
        &self,
        mode: &BackupMode,
        label: &str,
        fast: bool,
        size: SegmentSize,
    ) -> Result<BackupStart, Error> {
        match mode {
            BackupMode::Exclusive => self.start_exclusive(label, fast, size),
            BackupMode::Concurrent => self.start_concurrent(label, fast, size),
            BackupMode::Espresso(extension) => self.start_with_espresso(extension, label, fast, size),
        }
    }

    /// Stops the backup that began with `start`, in concurrent mode on the session that started it.
    ///
    /// From 10 on the server does not wait until the WAL is archived; that it arrives is for the caller to see.
    pub fn stop_backup(
        &self,
        mode: &BackupMode,
        start: &BackupStart,
        size: SegmentSize,
    ) -> Result<BackupEnd, Error> {
        let layout = SegmentLayout::of(self.version(), size);
        match mode {
            BackupMode::Exclusive => self.stop_exclusive(layout),
            BackupMode::Concurrent => self.stop_concurrent(layout),
            BackupMode::Espresso(extension) => self.stop_with_espresso(extension, start, layout),
        }
    }
}

impl BackupStart {
    fn at(lsn: Lsn, timeline: Timeline, time: Timestamp, size: SegmentSize) -> Self {
        let segment = WalSegment::containing(lsn, timeline, size);
        Self { lsn, timeline, segment, offset: lsn.offset(size), time, label: None }
    }

    /// From the columns `lsn`, `timeline` and `time`.
    fn of(record: &Record<'_>, size: SegmentSize) -> Result<Self, Error> {
        let (lsn, timeline) = record.position()?;
        Ok(Self::at(lsn, timeline, record.required("time", record.moment("time")?)?, size))
    }
}

impl BackupEnd {
    /// From the columns `lsn`, `timeline` and `time`.
    fn of(record: &Record<'_>, layout: SegmentLayout) -> Result<Self, Error> {
        let (lsn, timeline) = record.position()?;
        Ok(Self {
            lsn,
            timeline,
            segment: segment_before(lsn, timeline, layout),
            offset: lsn.offset(layout.size()),
            time: record.required("time", record.moment("time")?)?,
            label: None,
        })
    }
}
