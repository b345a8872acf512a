use super::super::client::{Client, Record};
use super::super::error::Error;
use super::super::features::Features;
use super::super::session::Request;
use super::timeline_name;
use crate::types::{Lsn, SegmentLayout, SegmentSize, Timeline, WalSegment};

/// How far the server has written its WAL; a standby, how far it has replayed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalPosition {
    /// The position after the last byte.
    pub lsn: Lsn,
    /// The timeline of that byte.
    pub timeline: Timeline,
    /// The segment that holds the last byte.
    pub segment: WalSegment,
}

/// What came of the request to close the current WAL segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalSwitch {
    /// This segment is complete now and will be archived.
    Closed(WalSegment),
    /// Nothing was written since the last switch.
    NotRequired,
    /// A standby writes no WAL of its own.
    Standby,
}

/// The segment whose last byte is before `lsn`: the last one that is needed to get there.
pub(super) fn segment_before(lsn: Lsn, timeline: Timeline, layout: SegmentLayout) -> WalSegment {
    let segment = WalSegment::containing(Lsn::new(lsn.bytes().saturating_sub(1)), timeline, layout.size());
    if layout.has(segment) { segment } else { segment.previous(layout.size()).unwrap_or(segment) }
}

impl WalPosition {
    /// Gives the row for [`WalPosition::of`]. During recovery the functions of a primary are not called; a standby
    /// that has replayed nothing yet, or is older than 9.6, has no position.
    pub(super) fn request(features: &Features) -> Request {
        let sql = &features.sql;
        let (current, replayed) = (sql.current_lsn, sql.last_replay_lsn);
        let standby_timeline = sql.control.map_or_else(
            || "NULL".to_owned(),
            |control| {
                let (checkpoint, replayed) = (control.checkpoint_timeline, control.recovery_timeline);
                timeline_name(&format!("GREATEST({checkpoint}, {replayed})"))
            },
        );
        Request::plain(format!(
            "SELECT CASE WHEN standby THEN {replayed} ELSE {current} END::pg_catalog.text AS lsn, \
             CASE WHEN standby THEN {standby_timeline} ELSE {} END AS timeline \
             FROM (SELECT {} AS standby) AS server",
            sql.timeline_at(current),
            sql.is_in_recovery
        ))
    }

    pub(super) fn of(record: &Record<'_>, layout: SegmentLayout) -> Result<Option<Self>, Error> {
        if record.get::<Option<&str>>("lsn")?.is_none() {
            return Ok(None);
        }
        let (lsn, timeline) = record.position()?;
        Ok(Some(Self { lsn, timeline, segment: segment_before(lsn, timeline, layout) }))
    }
}

impl Client {
    /// Writes a checkpoint now; needs a superuser, or from 15 on the role `pg_checkpoint`.
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.rows("run a checkpoint", Request::plain("CHECKPOINT")).map(drop)
    }

    /// Closes the current WAL segment, if anything was written to it.
    pub fn switch_wal(&self) -> Result<WalSwitch, Error> {
        const PURPOSE: &str = "switch to a new WAL segment";
        let sql = &self.features().sql;
        if self.is_in_recovery()? {
            return Ok(WalSwitch::Standby);
        }
        // The insert position is never exactly between two segments, so the name is that of the open segment.
        let current = format!("SELECT {}({}) AS wal", sql.walfile_name, sql.current_insert_lsn);
        let switch = format!("SELECT {}::pg_catalog.text AS lsn", sql.switch_wal);
        let requests = [&current, &switch, &current].map(Request::plain);
        let [before, _, after] = self.batch(PURPOSE, requests)?;
        let segment = |rows| {
            let record = self.single(PURPOSE, rows)?;
            record.required("wal", record.parse::<WalSegment>("wal")?)
        };
        let (before, after) = (segment(before)?, segment(after)?);
        Ok(if after > before { WalSwitch::Closed(before) } else { WalSwitch::NotRequired })
    }

    /// Marks the current position in the WAL with a name that recovery can stop at; gives the position.
    pub fn create_restore_point(&self, name: &str) -> Result<Lsn, Error> {
        if !self.features().has_restore_points {
            return Err(self.lacks("restore points"));
        }
        let sql = "SELECT pg_catalog.pg_create_restore_point($1)::pg_catalog.text AS lsn";
        let record = self.row("create a restore point", Request::with(sql, &[name]))?;
        record.required("lsn", record.parse("lsn")?)
    }

    /// How far the WAL is; `None` on a standby that has replayed nothing yet.
    pub fn wal_position(&self, size: SegmentSize) -> Result<Option<WalPosition>, Error> {
        let record = self.row("read the WAL position", WalPosition::request(self.features()))?;
        WalPosition::of(&record, SegmentLayout::of(self.version(), size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PgVersion;

    #[test]
    fn a_position_between_two_segments_needs_only_the_earlier() {
        let segment = |version, lsn: &str| {
            let layout = SegmentLayout::of(PgVersion::new(version), SegmentSize::DEFAULT);
            segment_before(lsn.parse().unwrap(), Timeline::FIRST, layout).to_string()
        };
        assert_eq!(segment(150_000, "0/3000000"), "000000010000000000000002");
        assert_eq!(segment(150_000, "0/3000001"), "000000010000000000000003");
        assert_eq!(segment(150_000, "0/0"), "000000010000000000000000");
        assert_eq!(segment(150_000, "1/0"), "0000000100000000000000FF");
        assert_eq!(segment(90_224, "1/0"), "0000000100000000000000FE");
    }
}
