//! The extension pgespresso, which lets servers from 9.2 to 9.5 take concurrent backups.

use super::super::super::client::Client;
use super::super::super::error::Error;
use super::super::super::session::Request;
use super::{BackupEnd, BackupStart};
use crate::types::{SegmentLayout, SegmentSize, WalSegment};

/// Where the functions of pgespresso are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Espresso {
    /// The schema, quoted.
    schema: String,
}

impl Client {
    /// The extension pgespresso in the database of this session; `None` when it is not installed there.
    pub fn find_espresso(&self) -> Result<Option<Espresso>, Error> {
        let sql = "SELECT pg_catalog.quote_ident(nspname) AS schema \
                   FROM pg_catalog.pg_extension JOIN pg_catalog.pg_namespace ON pg_namespace.oid = extnamespace \
                   WHERE extname = 'pgespresso'";
        let rows = self.rows("look for the extension pgespresso", Request::plain(sql))?;
        rows.first().map(|row| Ok(Espresso { schema: row.get("schema")? })).transpose()
    }

    pub(super) fn start_with_espresso(
        &self,
        extension: &Espresso,
        label: &str,
        fast: bool,
        size: SegmentSize,
    ) -> Result<BackupStart, Error> {
        const PURPOSE: &str = "start a backup with pgespresso";
        let sql = &self.features().sql;
        let start = format!(
            "SELECT {}.pgespresso_start_backup($1, $2::pg_catalog.bool) AS label, {} AS time",
            extension.schema,
            sql.moment("pg_catalog.now()"),
        );
        let start = Request::with(start, &[label, &fast.to_string()]);
        let [_, rows] = self.batch(PURPOSE, [Request::plain(sql.no_timeouts), start])?;
        let record = self.single(PURPOSE, rows)?;
        let label: String = record.required("label", record.get("label")?)?;
        let time = record.required("time", record.moment("time")?)?;
        let (lsn, segment) = begin_of(&label)
            .ok_or_else(|| record.unexpected(format!("no START WAL LOCATION in the label '{label}'")))?;
        Ok(BackupStart { label: Some(label), ..BackupStart::at(lsn, segment.timeline(), time, size) })
    }

    /// The extension tells the last segment, and no more: the backup is taken to end with it.
    pub(super) fn stop_with_espresso(
        &self,
        extension: &Espresso,
        start: &BackupStart,
        layout: SegmentLayout,
    ) -> Result<BackupEnd, Error> {
        let stop = format!(
            "SELECT {}.pgespresso_stop_backup($1) AS wal, {} AS time",
            extension.schema,
            self.features().sql.moment("pg_catalog.clock_timestamp()"),
        );
        let label = start.label.clone().unwrap_or_default();
        let record = self.row("stop the backup with pgespresso", Request::with(stop, &[&label]))?;
        let segment: WalSegment = record.required("wal", record.parse("wal")?)?;
        Ok(BackupEnd {
            lsn: layout.end(segment),
            timeline: segment.timeline(),
            segment,
            offset: 0,
            time: record.required("time", record.moment("time")?)?,
            label: Some(label),
        })
    }

    /// Gives up a backup that the extension counts.
    pub fn abort_espresso_backup(&self, extension: &Espresso) -> Result<(), Error> {
        let sql = format!("SELECT 1 FROM {}.pgespresso_abort_backup() AS aborted", extension.schema);
        self.rows("give up the backup with pgespresso", Request::plain(sql)).map(drop)
    }
}

/// Position and segment of `START WAL LOCATION: 0/2000028 (file 000000010000000000000002)`.
fn begin_of(label: &str) -> Option<(crate::types::Lsn, WalSegment)> {
    let line = label.lines().find_map(|line| line.strip_prefix("START WAL LOCATION: "))?;
    let (lsn, file) = line.split_once(" (file ")?;
    Some((lsn.parse().ok()?, file.strip_suffix(')')?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_where_the_backup_begins() {
        let label =
            "START WAL LOCATION: 0/2000028 (file 000000030000000000000002)\nCHECKPOINT LOCATION: 0/2000060\n";
        let (lsn, segment) = begin_of(label).unwrap();
        assert_eq!(
            (lsn.to_string(), segment.timeline().to_string()),
            ("0/2000028".into(), "00000003".into())
        );
        assert_eq!(begin_of("LABEL: START WAL LOCATION"), None);
    }
}
