use super::BackupInfo;
use crate::types::{BackupId, SegmentLayout, SegmentRange, WalSegment};

/// Why it cannot be told which WAL a backup needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequiredWalError {
    /// The backup never came to its end, or not even to its beginning.
    #[error("backup '{id}' does not say where its WAL begins and ends")]
    Unknown {
        /// The backup.
        id: BackupId,
    },
    /// The server changed its timeline during the backup, so that no single run of segments covers it.
    #[error("backup '{id}' begins with WAL '{begin}' and ends with '{end}', on another timeline")]
    TimelineChanged {
        /// The backup.
        id: BackupId,
        /// Its first segment.
        begin: WalSegment,
        /// Its last segment.
        end: WalSegment,
    },
}

impl BackupInfo {
    /// The segments without which the backup cannot be restored, from its begin to its end.
    pub fn required_segments(&self) -> Result<impl Iterator<Item = WalSegment> + use<>, RequiredWalError> {
        let id = || self.id.clone();
        let (begin, end) =
            self.begin_wal.zip(self.end_wal).ok_or_else(|| RequiredWalError::Unknown { id: id() })?;
        let size = self.xlog_segment_size;
        let range = SegmentRange::new(begin, end, size).ok_or_else(|| RequiredWalError::TimelineChanged {
            id: id(),
            begin,
            end,
        })?;
        let layout = self.version.map(|version| SegmentLayout::of(version, size));
        Ok(range.iter().filter(move |segment| layout.is_none_or(|layout| layout.has(*segment))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PgVersion;

    fn backup(begin: &str, end: &str, version: u32) -> BackupInfo {
        BackupInfo {
            begin_wal: begin.parse().ok(),
            end_wal: end.parse().ok(),
            version: Some(PgVersion::new(version)),
            ..BackupInfo::new("20260101T100000".parse().unwrap())
        }
    }

    fn last_digits(info: &BackupInfo) -> Vec<String> {
        info.required_segments().unwrap().map(|segment| segment.to_string()[14..].to_owned()).collect()
    }

    #[test]
    fn old_servers_leave_out_the_last_segment_of_a_log() {
        let (begin, end) = ("0000000100000000000000FD", "000000010000000100000000");
        assert_eq!(last_digits(&backup(begin, end, 90_224)), ["00000000FD", "00000000FE", "0100000000"]);
        assert_eq!(last_digits(&backup(begin, end, 90_300)).len(), 4);
    }

    #[test]
    fn a_backup_without_end_or_on_two_timelines_is_refused() {
        let error = |info: BackupInfo| info.required_segments().err().map(|error| error.to_string());
        let begin = "000000010000000000000002";
        assert_eq!(
            error(backup(begin, "None", 170_000)).unwrap(),
            "backup '20260101T100000' does not say where its WAL begins and ends"
        );
        assert!(
            error(backup(begin, "000000020000000000000003", 170_000)).unwrap().contains("another timeline")
        );
    }
}
