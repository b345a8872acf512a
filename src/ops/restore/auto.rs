//! The backup that fits a target, when the DBA leaves the choice to us.

use super::request::{RestoreRequest, TypedTarget};
use super::target::parse_time;
use crate::catalog::{BackupInfo, Catalog};
use crate::ops::Error;
use crate::types::{BackupId, Lsn, TargetTimeline, Timeline, Timestamp};

/// The word for it in the place of a backup.
pub const WORD: &str = "auto";

/// When a backup must have ended.
#[derive(Debug, Clone, Copy)]
enum Limit {
    None,
    Time(Timestamp),
    Lsn(Lsn),
}

/// The newest available backup that ended before the target, on the timeline that was named.
///
/// # Errors
/// When there is none; when the target does not tell which backups come before it; and when the record of a newer
/// backup cannot be read, for it may be the one.
pub fn find(catalog: &Catalog, request: &RestoreRequest) -> Result<BackupId, Error> {
    let (limit, timeline) = (limit(request.targets.first())?, timeline(request.timeline)?);
    let found = catalog.newest_that(|backup| backup.is_available() && fits(backup, limit, timeline))?;
    let found = found.map(|backup| backup.id.clone());
    found.ok_or_else(|| {
        Error::refused(
            "Cannot find any candidate backup for recovery. No available backup ended before the target, on the \
             timeline that was named if one was; 'barman list-backups' and 'barman show-backup' tell when they did",
        )
    })
}

fn fits(backup: &BackupInfo, limit: Limit, timeline: Option<Timeline>) -> bool {
    let ended_in_time = match limit {
        Limit::None => true,
        Limit::Time(target) => backup.end_time.is_some_and(|end| end <= target),
        Limit::Lsn(target) => backup.end_xlog.is_some_and(|end| end <= target),
    };
    ended_in_time && timeline.is_none_or(|timeline| backup.timeline == Some(timeline))
}

fn limit(target: Option<&TypedTarget>) -> Result<Limit, Error> {
    let option = match target {
        None => return Ok(Limit::None),
        Some(TypedTarget::Time(text)) => return Ok(Limit::Time(parse_time(text)?.moment)),
        Some(TypedTarget::Lsn(lsn)) => return Ok(Limit::Lsn(*lsn)),
        Some(TypedTarget::Xid(_)) => "target_xid",
        Some(TypedTarget::Name(_)) => "target_name",
        Some(TypedTarget::Immediate) => "target_immediate",
    };
    Err(Error::refused(format!(
        "For PITR without a backup_id, the only possible recovery targets are target_time and target_lsn. '{option}' \
         recovery target is not allowed without a backup_id."
    )))
}

/// The timeline that the backup must be of. The latest one can be reached from older backups, too.
fn timeline(typed: Option<TargetTimeline>) -> Result<Option<Timeline>, Error> {
    match typed {
        None | Some(TargetTimeline::Latest) => Ok(None),
        Some(TargetTimeline::Number(timeline)) => Ok(Some(timeline)),
        Some(TargetTimeline::Current) => Err(Error::refused(
            "'current' is not a valid timeline keyword when recovering without a backup_id: it means that of the \
             backup. Name a timeline, or a backup",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(end_time: &str, end_lsn: &str) -> BackupInfo {
        BackupInfo {
            end_time: end_time.parse().ok(),
            end_xlog: end_lsn.parse().ok(),
            timeline: Timeline::new(2),
            ..BackupInfo::new("20260101T100000".parse().unwrap())
        }
    }

    #[test]
    fn a_backup_fits_when_it_ended_at_the_target_or_before() {
        let (end, lsn) = ("2026-01-01T10:00:05Z", "0/5000100");
        let backup = backup(end, lsn);
        let fits = |target: TypedTarget| fits(&backup, limit(Some(&target)).unwrap(), None);
        assert!(fits(TypedTarget::Time("2026-01-01 10:00:05+00:00".into())));
        assert!(fits(TypedTarget::Time("2026-01-01 11:00:06+01:00".into())));
        assert!(!fits(TypedTarget::Time("2026-01-01 10:00:04.9+00:00".into())));
        assert!(fits(TypedTarget::Lsn(lsn.parse().unwrap())));
        assert!(!fits(TypedTarget::Lsn("0/50000FF".parse().unwrap())));
    }

    #[test]
    fn a_timeline_by_number_is_that_of_the_backup_and_the_latest_may_be_a_later_one() {
        let backup = backup("2026-01-01T10:00:05Z", "0/5000100");
        let fits = |typed| fits(&backup, Limit::None, timeline(typed).unwrap());
        let number = |number| Some(TargetTimeline::Number(Timeline::new(number).unwrap()));
        assert!(fits(None) && fits(number(2)) && fits(Some(TargetTimeline::Latest)));
        assert!(!fits(number(1)) && !fits(number(3)));
        assert!(timeline(Some(TargetTimeline::Current)).is_err());
    }
}
