use super::super::client::Record;
use super::super::error::Error;
use super::super::features::Features;
use super::super::session::Request;
use crate::types::Timestamp;

/// How the server's archiver is doing (view `pg_stat_archiver`).
#[derive(Debug, Clone, PartialEq)]
pub struct ArchiverStats {
    /// Whether archiving is on and the last attempt succeeded, or there was none yet.
    pub is_archiving: bool,
    /// Files archived since `stats_reset`.
    pub archived_count: i64,
    /// The last file that was archived.
    pub last_archived_wal: Option<String>,
    /// When that was.
    pub last_archived_time: Option<Timestamp>,
    /// Attempts that failed since `stats_reset`.
    pub failed_count: i64,
    /// The file of the last failed attempt.
    pub last_failed_wal: Option<String>,
    /// When that was.
    pub last_failed_time: Option<Timestamp>,
    /// When counting began.
    pub stats_reset: Option<Timestamp>,
    /// Files archived per second since `stats_reset`.
    pub archived_per_second: Option<f64>,
}

impl ArchiverStats {
    /// Gives the row for [`ArchiverStats::of`], or no row before 9.4.
    pub(super) fn request(features: &Features) -> Request {
        if !features.sql.has_archiver_stats {
            return Request::plain("SELECT 1 WHERE false");
        }
        let time = |column: &str| format!("{} AS {column}", features.sql.moment(column));
        Request::plain(format!(
            "SELECT archived_count, last_archived_wal, {}, failed_count, last_failed_wal, {}, {}, \
             pg_catalog.current_setting('archive_mode') <> 'off' \
             AND COALESCE(last_failed_time IS NULL OR last_failed_time < last_archived_time, false) \
             AS is_archiving, \
             archived_count / NULLIF(EXTRACT(epoch FROM now() - stats_reset), 0)::pg_catalog.float8 AS rate \
             FROM pg_catalog.pg_stat_archiver",
            time("last_archived_time"),
            time("last_failed_time"),
            time("stats_reset"),
        ))
    }

    pub(super) fn of(record: &Record<'_>) -> Result<Self, Error> {
        Ok(Self {
            is_archiving: record.get("is_archiving")?,
            archived_count: record.get("archived_count")?,
            last_archived_wal: record.get("last_archived_wal")?,
            last_archived_time: record.moment("last_archived_time")?,
            failed_count: record.get("failed_count")?,
            last_failed_wal: record.get("last_failed_wal")?,
            last_failed_time: record.moment("last_failed_time")?,
            stats_reset: record.moment("stats_reset")?,
            archived_per_second: record.get("rate")?,
        })
    }
}
