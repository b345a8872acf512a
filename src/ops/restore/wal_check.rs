//! Whether the WAL of a restore leads to its target, and can be read.

use std::io;

use super::delivery::Delivery;
use super::wal_plan::{Gap, WalEnd, WalFacts, WalPlan};
use crate::ops::{Error, Server};
use crate::types::{RecoveryTarget, SegmentSize, Timestamp, WalName, WalSegment};
use crate::wal::{Archive, StoredAs};

/// What the WAL of a restore is judged by.
pub struct Judged<'a> {
    /// The files.
    pub wal: &'a WalPlan,
    /// What they were chosen by.
    pub facts: &'a WalFacts,
    /// Where to stop.
    pub target: Option<&'a RecoveryTarget>,
    /// The segment behind the files, of which a beginning goes with them.
    pub partial: Option<WalSegment>,
    /// Whether the server stays a standby, which waits for more.
    pub is_standby: bool,
}

/// Refuses WAL that does not lead to the target, or cannot be read; says what else is missing.
pub fn check(
    server: &Server<'_>,
    archive: &Archive,
    judged: &Judged<'_>,
    delivery: &Delivery,
) -> Result<(), Error> {
    judge_gap(server, archive, judged, delivery)?;
    // What PostgreSQL fetches by itself may still come.
    if let Delivery::Fetched(_) = delivery {
        return Ok(());
    }
    warn_of_early_end(server, archive, judged)?;
    ensure_decodable(server, archive, judged.wal, judged.facts.layout.size())
}

/// A gap before the target makes the restore useless; one after it does no harm. Where PostgreSQL fetches its WAL by
/// itself, what is missing may still come.
fn judge_gap(
    server: &Server<'_>,
    archive: &Archive,
    judged: &Judged<'_>,
    delivery: &Delivery,
) -> Result<(), Error> {
    let Some(gap) = judged.wal.gap else { return Ok(()) };
    let missing = missing(server, gap, judged.facts);
    let advice = "look for it in the 'errors' and 'incoming' directories and in the server's pg_wal, or restore \
                  another backup";
    let is_before_target = match judged.target {
        _ if gap.in_backup => false,
        Some(RecoveryTarget::Time(at)) => {
            let last = last_finished(archive, judged.wal, Some(gap.segment))?;
            last.is_none_or(|(_, finished)| is_earlier(finished, *at))
        }
        Some(RecoveryTarget::Lsn(_)) => true,
        Some(RecoveryTarget::Immediate | RecoveryTarget::Xid(_) | RecoveryTarget::Name(_)) | None => false,
    };
    let spoils = match (gap.in_backup, is_before_target) {
        (true, _) => ", without which the backup is not consistent; ",
        (false, true) => ", which lies before the recovery target; ",
        (false, false) => {
            if let Some(RecoveryTarget::Xid(_) | RecoveryTarget::Name(_)) | None = judged.target {
                server.warning(format!("{missing}; recovery will stop before it. To have more, {advice}"));
            }
            return Ok(());
        }
    };
    if let Delivery::Fetched(_) = delivery {
        server.warning(format!(
            "{missing}{spoils}the restored server cannot go on beyond it before it is archived. If it does not come by \
             itself, {advice}"
        ));
        return Ok(());
    }
    if judged.is_enough(gap) {
        server.warning(format!("{missing}{spoils}what has arrived of it is taken, and may not be enough"));
        return Ok(());
    }
    let or_target = if gap.in_backup { "" } else { ", or choose a target before it" };
    Err(Error::refused(format!("{missing}{spoils}{advice}{or_target}")))
}

/// Where the archive ends before the target time, PostgreSQL ends recovery without having found it, and since version 13
/// does not start.
fn warn_of_early_end(server: &Server<'_>, archive: &Archive, judged: &Judged<'_>) -> Result<(), Error> {
    let Some(RecoveryTarget::Time(target)) = judged.target else { return Ok(()) };
    let may_have_more = judged.partial.is_some() || judged.is_standby;
    let Some((last, finished)) = last_finished(archive, judged.wal, None)? else { return Ok(()) };
    if may_have_more || !is_earlier(finished, *target) {
        return Ok(());
    }
    server.warning(format!(
        "the last WAL segment that is archived, {last}, was finished before the target time: PostgreSQL may not find the \
         target, and then 'recovery ended before configured recovery target was reached' and it does not start. Archive \
         what comes next ('barman switch-wal --force --archive {}') and restore again, add --partial-wal, or leave out \
         the target and give --target-tli latest to have all there is",
        server.name()
    ));
    Ok(())
}

impl Judged<'_> {
    /// Whether the needed WAL ends in the segment of which the beginning is there.
    fn is_enough(&self, gap: Gap) -> bool {
        let (size, end) = (self.facts.layout.size(), self.facts.end);
        let start = gap.segment.start(size);
        let ends_in_it = match self.facts.stop {
            WalEnd::At(lsn) => lsn.bytes() < start.bytes() + u64::from(size.bytes()),
            WalEnd::OfArchive | WalEnd::OfBackup => start == end.start(size),
        };
        self.partial == Some(gap.segment) && ends_in_it
    }
}

fn missing(server: &Server<'_>, gap: Gap, facts: &WalFacts) -> String {
    match facts.cut_off.get(&gap.segment) {
        None => format!("the archive of server '{}' lacks the WAL segment {}", server.name(), gap.segment),
        Some(bytes) => format!(
            "the archive of server '{}' lacks the whole WAL segment {} (it holds {bytes} bytes, and a segment has {})",
            server.name(),
            gap.segment,
            facts.layout.size().bytes()
        ),
    }
}

/// Whether a segment was finished, in seconds of Unix time, before a moment: then more WAL is needed to get there.
fn is_earlier(finished: f64, moment: Timestamp) -> bool {
    finished < moment.timestamp_micros() as f64 / 1e6
}

/// The last segment of the plan, or the last one before the gap, and when it was finished, in seconds of Unix time.
fn last_finished(
    archive: &Archive,
    wal: &WalPlan,
    gap: Option<WalSegment>,
) -> Result<Option<(WalSegment, f64)>, Error> {
    let mut segments = wal.files.iter().filter_map(|name| name.segment());
    let last = segments.rfind(|segment| gap.is_none_or(|gap| *segment < gap));
    let Some(segment) = last else { return Ok(None) };
    Ok(archive.open()?.find(WalName::Segment(segment))?.map(|entry| (segment, entry.time)))
}

/// Decodes one segment of each kind: that the key, the passphrase or a filter is missing must not be found out when the
/// base backup is copied. To decode all of them would take as long again as to restore them.
fn ensure_decodable(
    server: &Server<'_>,
    archive: &Archive,
    wal: &WalPlan,
    size: SegmentSize,
) -> Result<(), Error> {
    let mut tried = Vec::new();
    for segment in wal.files.iter().filter_map(|name| name.segment()) {
        server.context.cancel.check()?;
        let kind = archive.stored_as(segment, size)?;
        if !matches!(kind, StoredAs::Packed { .. }) || tried.contains(&kind) {
            continue;
        }
        let name = WalName::Segment(segment);
        archive.read(name)?.expecting(name, size).copy_to(&mut io::sink(), &archive.path_of(name))?;
        tried.push(kind);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_second_count_when_a_segment_is_held_against_a_target() {
        let target = chrono::DateTime::from_timestamp_micros(1_764_113_089_942_972).unwrap().fixed_offset();
        assert!(is_earlier(1_764_113_089.3, target) && !is_earlier(1_764_113_089.95, target));
    }
}
