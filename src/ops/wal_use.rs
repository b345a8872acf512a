//! The WAL of a backup in the archive.

use std::ops::Bound;

use crate::catalog::BackupInfo;
use crate::types::{ByteSize, Timeline, WalName, WalSegment};
use crate::view::WalUse;
use crate::wal::{self, OpenArchive, Tally, XlogDbEntry};

/// The WAL that the archive has of `info`: from its begin to the end of `next`, the available backup after it, on
/// the timeline that it began on.
///
/// Only sums: of a backup that has no begin yet, nothing.
pub fn sum(
    archive: &mut OpenArchive<'_>,
    info: &BackupInfo,
    next: Option<&BackupInfo>,
) -> Result<WalUse, wal::Error> {
    let Some(begin) = info.begin_wal else { return Ok(WalUse::default()) };
    let (from, to) = range(begin, next);
    let all = archive.totals((from, to))?.segments;
    let required = match info.end_wal.filter(|end| end.timeline() == begin.timeline()) {
        Some(end) => archive.totals((from, Bound::Included(WalName::Segment(end))))?.segments,
        None => Tally::default(),
    };
    Ok(WalUse {
        required_files: required.files,
        required_size: ByteSize::from(required.bytes),
        following_files: all.files.saturating_sub(required.files),
        following_size: ByteSize::from(all.bytes.saturating_sub(required.bytes)),
        files_per_second: None,
        last: None,
    })
}

/// As [`sum`], with the last of the files and how fast they came in.
pub fn measure(
    archive: &mut OpenArchive<'_>,
    info: &BackupInfo,
    next: Option<&BackupInfo>,
) -> Result<WalUse, wal::Error> {
    let mut wal = sum(archive, info, next)?;
    let Some(begin) = info.begin_wal else { return Ok(wal) };
    let first = archive.find(WalName::Segment(begin))?;
    let last = archive.last_segment(range(begin, next))?;
    wal.last = last.as_ref().and_then(XlogDbEntry::wal_name).and_then(WalName::segment);
    wal.files_per_second = first.zip(last).and_then(|(first, last)| {
        let seconds = last.time - first.time;
        (seconds > 0.0).then(|| (wal.required_files + wal.following_files) as f64 / seconds)
    });
    Ok(wal)
}

/// From `begin` to the end of `next`; where that lies on another timeline or is not known, to the end of the timeline.
pub fn range(begin: WalSegment, next: Option<&BackupInfo>) -> (Bound<WalName>, Bound<WalName>) {
    let end = next.and_then(|next| next.end_wal);
    let end = end.filter(|end| end.timeline() == begin.timeline() && *end >= begin);
    let to = end.map_or_else(|| end_of(begin.timeline()), |end| Bound::Included(WalName::Segment(end)));
    (Bound::Included(WalName::Segment(begin)), to)
}

/// Up to the last segment of a timeline: the history of the next one comes right behind.
pub fn end_of(timeline: Timeline) -> Bound<WalName> {
    let following = timeline.number().checked_add(1).and_then(Timeline::new);
    following.map_or(Bound::Unbounded, |timeline| Bound::Excluded(WalName::History(timeline)))
}
