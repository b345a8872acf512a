//! All decisions of a restore, made and said before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Local;

use super::places::Places;
use super::recovery_conf;
use super::request::{Chosen, RestoreRequest, TypedTarget};
use super::wal_plan::{self, Ancestry, WalEnd, WalFacts, WalPlan};
use crate::ops::{Error, Server};
use crate::types::{
    Assumed, PgVersion, RecoveryTarget, SegmentLayout, SegmentSize, TargetAction, TargetTime, TargetTimeline,
    Timeline, Timestamp, WalName, WalSegment, parse_target_time, timestamp_text,
};
use crate::wal::{Archive, TimelineHistory};

/// A restore, decided.
#[derive(Debug)]
pub struct RestorePlan {
    /// The backup and the places its files go to.
    pub chosen: Chosen,
    /// What there is at these places.
    pub places: Places,
    /// The version of the server.
    pub version: PgVersion,
    /// The WAL that goes with it.
    pub wal: WalPlan,
    /// How recovery is steered; without it the server recovers to the end of its WAL as after a crash.
    pub recovery: Option<Recovery>,
}

/// Point-in-time recovery.
#[derive(Debug)]
pub struct Recovery {
    /// Where to stop.
    pub target: Option<RecoveryTarget>,
    /// Stop just before it.
    pub exclusive: bool,
    /// The value of `recovery_target_timeline`, when it has to be written.
    pub timeline: Option<String>,
    /// What to do then.
    pub action: Option<TargetAction>,
}

/// Decides how `chosen` is restored.
pub fn plan(
    server: &Server<'_>,
    chosen: Chosen,
    places: Places,
    request: &RestoreRequest,
) -> Result<RestorePlan, Error> {
    let facts = BackupFacts::of(&chosen)?;
    let target = request.targets.first().map(|typed| resolve_target(server, typed)).transpose()?;
    let is_pitr = target.is_some() || request.timeline.is_some();
    if request.action.is_some() && !is_pitr {
        return Err(Error::refused("Can't enable recovery target action when PITR is not required"));
    }
    if is_pitr && chosen.destination.to_str().is_none() {
        return Err(Error::refused(format!(
            "the destination '{}' is not in UTF-8, and PostgreSQL could not be told where its WAL lies; choose another \
             one, or restore without a target and without --target-tli",
            chosen.destination.display()
        )));
    }
    if let Some(reason) = recovery_conf::refusal(target.as_ref(), request.action, facts.version) {
        return Err(Error::refused(reason));
    }
    if request.exclusive {
        warn_of_vain_exclusive(server, target.as_ref());
    }
    let archive = server.archive();
    let ancestry = resolve_ancestry(&archive, &facts, request.timeline, is_pitr)?;
    announce(server, target.as_ref(), request.timeline.map(|_| ancestry.target()));
    refuse_too_early(&facts, target.as_ref())?;
    refuse_other_history(&facts, &ancestry)?;
    let stop = match &target {
        Some(RecoveryTarget::Immediate) => WalEnd::OfBackup,
        Some(RecoveryTarget::Lsn(lsn)) => WalEnd::At(*lsn),
        Some(RecoveryTarget::Time(_) | RecoveryTarget::Xid(_) | RecoveryTarget::Name(_)) | None => {
            WalEnd::OfArchive
        }
    };
    let mut wal_facts = WalFacts {
        begin: facts.begin_wal,
        end: facts.end_wal,
        layout: facts.layout,
        ancestry,
        stop,
        cut_off: BTreeMap::new(),
    };
    let names = archived_names(&archive, &facts)?;
    let mut wal = wal_plan::plan(names.iter().copied(), &wal_facts);
    wal_facts.cut_off = cut_off_segments(server, &archive, &wal, facts.layout.size())?;
    if !wal_facts.cut_off.is_empty() {
        wal = wal_plan::plan(names, &wal_facts);
    }
    judge_gap(server, &archive, &wal, &wal_facts, target.as_ref())?;
    let newest = newest_known(&archive, facts.end_wal.timeline())?;
    let timeline = recovery_timeline(request.timeline, facts.version, wal_facts.ancestry.target(), newest);
    let recovery = is_pitr.then_some(Recovery {
        target,
        exclusive: request.exclusive,
        timeline,
        action: request.action,
    });
    Ok(RestorePlan { version: facts.version, wal, recovery, chosen, places })
}

/// What every backup that can be restored has recorded.
struct BackupFacts {
    version: PgVersion,
    layout: SegmentLayout,
    begin_wal: WalSegment,
    end_wal: WalSegment,
    end_lsn: crate::types::Lsn,
    end_time: Timestamp,
}

impl BackupFacts {
    fn of(chosen: &Chosen) -> Result<Self, Error> {
        let backup = &chosen.backup;
        let known = || {
            let version = backup.version?;
            Some(Self {
                version,
                layout: SegmentLayout::of(version, backup.xlog_segment_size),
                begin_wal: backup.begin_wal?,
                end_wal: backup.end_wal?,
                end_lsn: backup.end_xlog?,
                end_time: backup.end_time?,
            })
        };
        known().ok_or_else(|| {
            Error::refused(format!(
                "the record of backup {} does not say where its WAL begins and ends; it cannot be restored with \
                 certainty. Choose another backup",
                backup.id
            ))
        })
    }
}

/// The longest name of a restore point. With a longer one in its configuration PostgreSQL does not start.
const NAME_BYTES: usize = 63;

fn resolve_target(server: &Server<'_>, typed: &TypedTarget) -> Result<RecoveryTarget, Error> {
    Ok(match typed {
        TypedTarget::Immediate => RecoveryTarget::Immediate,
        TypedTarget::Xid(xid) => RecoveryTarget::Xid(parse_xid(xid)?),
        TypedTarget::Name(name) if name.is_empty() => {
            return Err(Error::refused("The name of the restore point to restore to is empty"));
        }
        TypedTarget::Name(name) if name.len() > NAME_BYTES => {
            return Err(Error::refused(format!(
                "The name of the restore point to restore to has {} bytes, and PostgreSQL knows names of up to \
                 {NAME_BYTES}",
                name.len()
            )));
        }
        TypedTarget::Name(name) => RecoveryTarget::Name(name.clone()),
        TypedTarget::Lsn(lsn) => RecoveryTarget::Lsn(*lsn),
        TypedTarget::Time(text) => {
            let parsed = parse_target_time(text, &Local).map_err(|why| {
                Error::refused(format!("Unable to parse the target time parameter '{text}': {why}"))
            })?;
            tell_assumptions(server, text, &parsed);
            RecoveryTarget::Time(parsed.moment)
        }
    })
}

/// A moment that is not the one that was meant loses data or brings the disaster back.
fn tell_assumptions(server: &Server<'_>, text: &str, target: &TargetTime) {
    let moment = timestamp_text(target.moment);
    match target.assumed {
        Assumed::Nothing => {}
        Assumed::LocalZone => server.warning(format!(
            "No time zone has been specified through '--target-time' command-line option. Barman assumed the same \
             time zone from the Barman host. That makes it {moment}."
        )),
        Assumed::FirstOfTwo => server.warning(format!(
            "The clocks of this host showed '{text}' twice, because they were set back. The first of the two is \
             taken: {moment}."
        )),
    }
    if target.is_order_assumed {
        server.warning(format!(
            "The numbers in '{text}' can be read as several dates. The one that is taken: {}. Write the year first, \
             like '2026-01-31', to leave no doubt.",
            target.moment.format("%-d %B %Y")
        ));
    }
}

/// What PostgreSQL reads as a transaction number; on anything else it would not start.
fn parse_xid(text: &str) -> Result<String, Error> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(_) if is_number => Ok(text.to_owned()),
        _ => Err(Error::refused(format!(
            "Unable to parse the target xid parameter '{text}': write a transaction number, like '4711'"
        ))),
    }
}

/// Only time, transaction and position have a before and an after.
fn warn_of_vain_exclusive(server: &Server<'_>, target: Option<&RecoveryTarget>) {
    match target {
        Some(RecoveryTarget::Time(_) | RecoveryTarget::Xid(_) | RecoveryTarget::Lsn(_)) => {}
        Some(RecoveryTarget::Immediate | RecoveryTarget::Name(_)) | None => server.warning(
            "'--exclusive' has no effect: it goes with '--target-time', '--target-xid' or '--target-lsn'",
        ),
    }
}

/// The timelines that lead to the one recovery is to follow.
///
/// Without a word from the DBA, recovery to a target follows what PostgreSQL follows by itself: the newest timeline
/// from version 12 on, the backup's before. A plain restore replays the backup's own.
fn resolve_ancestry(
    archive: &Archive,
    facts: &BackupFacts,
    typed: Option<TargetTimeline>,
    is_pitr: bool,
) -> Result<Ancestry, Error> {
    let own = facts.end_wal.timeline();
    let newest_by_default = is_pitr && facts.version.at_least(12);
    let timeline = match typed {
        Some(TargetTimeline::Number(number)) => number,
        Some(TargetTimeline::Latest) => newest_known(archive, own)?,
        None if newest_by_default => {
            let reachable = archive.reachable_timelines(own, facts.end_lsn)?;
            reachable.last().map_or(own, |(timeline, _)| *timeline)
        }
        Some(TargetTimeline::Current) | None => own,
    };
    ancestry_of(archive, timeline)?.ok_or_else(|| {
        Error::refused(format!(
            "timeline {} is not in the archive: its history file '{timeline}.history' is missing. Leave out \
             --target-tli, or name one that 'barman show-backup' lists as reachable",
            timeline.number()
        ))
    })
}

/// The newest timeline as PostgreSQL looks for it: histories are tried one after the other until one is missing.
fn newest_known(archive: &Archive, own: Timeline) -> Result<Timeline, Error> {
    let mut newest = own;
    while let Some(next) = newest.number().checked_add(1).and_then(Timeline::new)
        && archive.contains(WalName::History(next))?
    {
        newest = next;
    }
    Ok(newest)
}

/// `None` when the archive does not know the way to `timeline`.
fn ancestry_of(archive: &Archive, timeline: Timeline) -> Result<Option<Ancestry>, Error> {
    if timeline == Timeline::FIRST {
        return Ok(Some(Ancestry::new(Vec::new(), timeline)));
    }
    let history = archive.load_history(timeline)?;
    let parents = |history: TimelineHistory| {
        history.ancestors.iter().map(|ancestor| (ancestor.timeline, ancestor.switch_point)).collect()
    };
    Ok(history.map(|history| Ancestry::new(parents(history), timeline)))
}

/// The files that the archive lists from the begin of the backup on, and every history, as far as they are there.
fn archived_names(archive: &Archive, facts: &BackupFacts) -> Result<BTreeSet<WalName>, Error> {
    let mut listed = BTreeSet::new();
    // A history is needed whatever its place in the order; those of timelines up to the backup's lie before it.
    for number in 2..=facts.begin_wal.timeline().number() {
        listed.extend(Timeline::new(number).map(WalName::History));
    }
    for entry in archive.open()?.entries(WalName::Segment(facts.begin_wal)..)? {
        listed.extend(entry?.wal_name());
    }
    let mut names = BTreeSet::new();
    for name in listed {
        if archive.contains(name)? {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The segments that are not as long as one, with their lengths. Those that are compressed tell theirs only when they
/// are read.
fn cut_off_segments(
    server: &Server<'_>,
    archive: &Archive,
    wal: &WalPlan,
    size: SegmentSize,
) -> Result<BTreeMap<WalSegment, u64>, Error> {
    let mut cut_off = BTreeMap::new();
    for segment in wal.files.iter().filter_map(|name| name.segment()) {
        server.context.cancel.check()?;
        cut_off.extend(archive.find_wrong_length(segment, size)?.map(|bytes| (segment, bytes)));
    }
    Ok(cut_off)
}

fn announce(server: &Server<'_>, target: Option<&RecoveryTarget>, timeline: Option<Timeline>) {
    let mut words = Vec::new();
    let mut immediate = None;
    match target {
        Some(RecoveryTarget::Time(at)) => words.push(format!("time: '{}'", timestamp_text(*at))),
        Some(RecoveryTarget::Xid(xid)) => words.push(format!("xid: '{xid}'")),
        Some(RecoveryTarget::Lsn(lsn)) => words.push(format!("lsn: '{lsn}'")),
        Some(RecoveryTarget::Immediate) => immediate = Some("immediate: True".to_owned()),
        Some(RecoveryTarget::Name(_)) | None => {}
    }
    words.extend(timeline.map(|timeline| format!("timeline: '{}'", timeline.number())));
    if let Some(RecoveryTarget::Name(name)) = target {
        words.push(format!("name: '{name}'"));
    }
    words.extend(immediate);
    if !words.is_empty() {
        server.info(format!("Doing PITR. Recovery target {}", words.join(", ")));
    }
}

/// A server is consistent only from the end of its backup on: PostgreSQL cannot stop before.
fn refuse_too_early(facts: &BackupFacts, target: Option<&RecoveryTarget>) -> Result<(), Error> {
    match target {
        Some(RecoveryTarget::Time(at)) if *at < facts.end_time => Err(Error::refused(format!(
            "The requested target time {} is before the backup end time {}; that is the earliest moment that this \
             backup can be restored to. Choose an older backup for an earlier one",
            timestamp_text(*at),
            timestamp_text(facts.end_time)
        ))),
        Some(RecoveryTarget::Lsn(lsn)) if *lsn < facts.end_lsn => Err(Error::refused(format!(
            "The requested target LSN {lsn} is before the backup end LSN {}; that is the earliest position that this \
             backup can be restored to. Choose an older backup for an earlier one",
            facts.end_lsn
        ))),
        _ => Ok(()),
    }
}

fn refuse_other_history(facts: &BackupFacts, ancestry: &Ancestry) -> Result<(), Error> {
    if ancestry.passes(facts.end_wal.timeline(), facts.end_lsn) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "timeline {} forked off before the end of the backup (timeline {}, {}); the backup cannot be restored on it. \
         Choose an older backup or another --target-tli",
        ancestry.target().number(),
        facts.end_wal.timeline().number(),
        facts.end_lsn
    )))
}

/// A gap before the target makes the restore useless; one after it does no harm.
fn judge_gap(
    server: &Server<'_>,
    archive: &Archive,
    wal: &WalPlan,
    facts: &WalFacts,
    target: Option<&RecoveryTarget>,
) -> Result<(), Error> {
    let Some(gap) = wal.gap else { return Ok(()) };
    let missing = match facts.cut_off.get(&gap.segment) {
        None => format!("the archive of server '{}' lacks the WAL segment {}", server.name(), gap.segment),
        Some(bytes) => format!(
            "the archive of server '{}' lacks the whole WAL segment {} (it holds {bytes} bytes, and a segment has {})",
            server.name(),
            gap.segment,
            facts.layout.size().bytes()
        ),
    };
    let advice = "look for it in the 'errors' and 'incoming' directories and in the server's pg_wal, or restore \
                  another backup";
    if gap.in_backup {
        return Err(Error::refused(format!(
            "{missing}, without which the backup is not consistent; {advice}"
        )));
    }
    let before_target = match target {
        Some(RecoveryTarget::Immediate) => false,
        Some(RecoveryTarget::Time(at)) => {
            last_before(archive, wal, gap.segment)?.is_none_or(|finished| is_earlier(finished, *at))
        }
        Some(RecoveryTarget::Lsn(_)) => true,
        Some(RecoveryTarget::Xid(_) | RecoveryTarget::Name(_)) | None => {
            server.warning(format!("{missing}; recovery will stop before it. To have more, {advice}"));
            false
        }
    };
    if before_target {
        return Err(Error::refused(format!(
            "{missing}, which lies before the recovery target; {advice}, or choose a target before it"
        )));
    }
    Ok(())
}

/// Whether a segment was finished, in seconds of Unix time, before a moment: then more WAL is needed to get there.
fn is_earlier(finished: f64, moment: Timestamp) -> bool {
    finished < moment.timestamp_micros() as f64 / 1e6
}

/// When the last segment before the gap was finished, in seconds of Unix time.
fn last_before(archive: &Archive, wal: &WalPlan, gap: WalSegment) -> Result<Option<f64>, Error> {
    let before = wal.files.iter().filter_map(|name| name.segment()).rfind(|segment| *segment < gap);
    let Some(segment) = before else { return Ok(None) };
    Ok(archive.open()?.find(WalName::Segment(segment))?.map(|entry| entry.time))
}

/// What was typed is written as typed. What we chose is written unless PostgreSQL by itself is sure to follow it:
/// from version 12 on it takes the newest history that it is given, whether the backup lies on its way or not.
fn recovery_timeline(
    typed: Option<TargetTimeline>,
    version: PgVersion,
    chosen: Timeline,
    newest: Timeline,
) -> Option<String> {
    match typed {
        Some(TargetTimeline::Number(number)) => Some(number.number().to_string()),
        // Before version 12 the backup's timeline is the default and has no name.
        Some(TargetTimeline::Current) => version.at_least(12).then(|| "current".to_owned()),
        Some(TargetTimeline::Latest) => Some("latest".to_owned()),
        None => {
            let is_certain = !version.at_least(12) || newest == Timeline::FIRST;
            (!is_certain).then(|| chosen.number().to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(typed: Option<TargetTimeline>, major: u32, chosen: u32, newest: u32) -> Option<String> {
        let timeline = |number| Timeline::new(number).unwrap();
        recovery_timeline(typed, PgVersion::new(major * 10_000), timeline(chosen), timeline(newest))
    }

    #[test]
    fn a_newer_timeline_that_forked_off_before_the_backup_is_not_followed_by_postgresql_either() {
        assert_eq!(chosen(None, 15, 1, 2), Some("1".into()));
        assert_eq!(chosen(None, 15, 2, 2), Some("2".into()));
        assert_eq!(chosen(None, 15, 1, 1), None);
    }

    #[test]
    fn each_version_is_told_its_timeline_in_words_that_it_knows() {
        assert_eq!(chosen(None, 11, 1, 2), None);
        assert_eq!(chosen(Some(TargetTimeline::Current), 11, 1, 2), None);
        assert_eq!(chosen(Some(TargetTimeline::Current), 12, 1, 2), Some("current".into()));
        assert_eq!(chosen(Some(TargetTimeline::Latest), 11, 2, 2), Some("latest".into()));
    }

    #[test]
    fn parts_of_a_second_count_when_a_segment_is_held_against_a_target() {
        let target = chrono::DateTime::from_timestamp_micros(1_764_113_089_942_972).unwrap().fixed_offset();
        assert!(is_earlier(1_764_113_089.3, target) && !is_earlier(1_764_113_089.95, target));
    }
}
