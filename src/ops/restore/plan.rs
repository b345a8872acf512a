//! All decisions of a restore, made and said before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use super::chosen::Chosen;
use super::delivery::{self, Delivery};
use super::host::Host;
use super::places::Places;
use super::recovery_conf::{self, AskedFor, Recovery};
use super::request::RestoreRequest;
use super::target;
use super::timelines::{Followed, newest_known, resolve_ancestry};
use super::wal_check::{self, Judged};
use super::wal_plan::{self, Ancestry, WalEnd, WalFacts, WalPlan};
use crate::ops::{Error, Server, get_wal};
use crate::pg::Features;
use crate::types::{
    Lsn, PgVersion, RecoveryTarget, SegmentLayout, SegmentSize, Timeline, Timestamp, WalName, WalSegment,
    timestamp_text,
};
use crate::wal::{Archive, StoredAs};

/// A restore, decided.
#[derive(Debug)]
pub struct RestorePlan {
    /// The backup and the places its files go to.
    pub chosen: Chosen,
    /// What there is at these places.
    pub places: Places,
    /// The version of the server.
    pub version: PgVersion,
    /// The WAL that it needs.
    pub wal: WalPlan,
    /// The segment behind that, of which a beginning goes with it.
    pub partial: Option<WalSegment>,
    /// How it gets the WAL.
    pub delivery: Delivery,
    /// How recovery is steered; without it the server recovers to the end of its WAL as after a crash.
    pub recovery: Option<Recovery>,
}

/// Decides how `chosen` is restored.
pub fn plan(
    server: &Server<'_>,
    host: &dyn Host,
    chosen: Chosen,
    places: Places,
    request: &RestoreRequest,
) -> Result<RestorePlan, Error> {
    let facts = BackupFacts::of(&chosen)?;
    let target = request.targets.first().map(|typed| target::resolve(server, typed)).transpose()?;
    if request.action.is_some() && !request.is_pitr() {
        return Err(Error::refused("Can't enable recovery target action when PITR is not required"));
    }
    let asked = AskedFor { target: target.as_ref(), action: request.action, standby: request.standby };
    if let Some(reason) = asked.refusal(facts.version) {
        return Err(Error::refused(reason));
    }
    let exclusive = request.exclusive && target::takes_exclusive(server, target.as_ref());
    let settings_file = recovery_conf::file_of(server, request, facts.version)?;
    delivery::warn_of_vain_options(server, host, request);
    let delivery = delivery::choose(server, host, request, &chosen, facts.version)?;
    refuse_unspeakable(&delivery)?;
    let archive = server.archive();
    let newest_by_default = request.recovers() && Features::of(facts.version).follows_newest_timeline;
    let end = (facts.end_wal.timeline(), facts.end_lsn);
    let ancestry = resolve_ancestry(&archive, end, request.timeline, newest_by_default)?;
    announce(server, target.as_ref(), request.timeline.map(|_| ancestry.target()));
    refuse_too_early(&facts, target.as_ref())?;
    refuse_other_history(&facts, &ancestry)?;
    let followed = Followed {
        typed: request.timeline,
        chosen: ancestry.target(),
        newest: newest_known(&archive, facts.end_wal.timeline())?,
        is_standby: request.standby,
    };
    let (wal, wal_facts) = plan_wal(server, &archive, &facts, ancestry, target.as_ref())?;
    let partial = find_partial(server, &archive, request, &wal)?;
    let judged = Judged {
        wal: &wal,
        facts: &wal_facts,
        target: target.as_ref(),
        partial,
        is_standby: request.standby,
    };
    wal_check::check(server, &archive, &judged, &delivery)?;
    let recovery = request.recovers().then_some(Recovery {
        target,
        exclusive,
        timeline: followed.setting(facts.version),
        action: request.action,
        standby: request.standby,
        settings_file,
    });
    Ok(RestorePlan { version: facts.version, wal, partial, delivery, recovery, chosen, places })
}

/// PostgreSQL reads its settings as text.
fn refuse_unspeakable(delivery: &Delivery) -> Result<(), Error> {
    match delivery {
        Delivery::Aside(directory) if directory.to_str().is_none() => Err(Error::refused(format!(
            "the directory '{}' is not in UTF-8, and PostgreSQL could not be told that its WAL lies there; choose \
             another one, or restore without a target and without --target-tli",
            directory.display()
        ))),
        Delivery::Aside(_) | Delivery::InPlace(_) | Delivery::Fetched(_) => Ok(()),
    }
}

/// The WAL that leads along `ancestry` to the target, as far as it is archived.
fn plan_wal(
    server: &Server<'_>,
    archive: &Archive,
    facts: &BackupFacts,
    ancestry: Ancestry,
    target: Option<&RecoveryTarget>,
) -> Result<(WalPlan, WalFacts), Error> {
    let stop = match target {
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
    let names = archived_names(archive, facts)?;
    let mut wal = wal_plan::plan(names.iter().copied(), &wal_facts);
    wal_facts.cut_off = cut_off_segments(server, archive, &wal, facts.layout.size())?;
    if !wal_facts.cut_off.is_empty() {
        wal = wal_plan::plan(names, &wal_facts);
    }
    Ok((wal, wal_facts))
}

/// The segment behind the WAL of the archive, if it was asked for and its beginning has arrived.
fn find_partial(
    server: &Server<'_>,
    archive: &Archive,
    request: &RestoreRequest,
    wal: &WalPlan,
) -> Result<Option<WalSegment>, Error> {
    if !request.wal.partial || request.wal.get_wal || request.ends_with_backup() {
        return Ok(None);
    }
    let Some(next) = wal.next else { return Ok(None) };
    let found = get_wal::outlet(server, archive)?.find(WalName::Segment(next), true)?;
    if found.is_none() {
        server.warning(format!(
            "The --partial-wal option has no effect: nothing of the segment {next}, which comes next, has arrived at \
             server '{}'",
            server.name()
        ));
    }
    Ok(found.map(|_| next))
}

/// What every backup that can be restored has recorded.
struct BackupFacts {
    version: PgVersion,
    layout: SegmentLayout,
    begin_wal: WalSegment,
    end_wal: WalSegment,
    end_lsn: Lsn,
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
        if let StoredAs::OtherLength(bytes) = archive.stored_as(segment, size)? {
            cut_off.insert(segment, bytes);
        }
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
