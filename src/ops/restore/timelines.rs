//! Which timeline a restored server follows, and whether it has to be told.

use super::wal_plan::Ancestry;
use crate::ops::Error;
use crate::pg::Features;
use crate::types::{Lsn, PgVersion, TargetTimeline, Timeline, WalName};
use crate::wal::{Archive, TimelineHistory};

/// The timelines that lead to the one recovery is to follow, from the end of a backup at `end_lsn` of timeline `own`.
///
/// Without a word from the DBA, recovery follows what PostgreSQL follows by itself: the newest timeline from version
/// 12 on (`newest_by_default`), the backup's before. A server that only replays as after a crash keeps its own.
pub fn resolve_ancestry(
    archive: &Archive,
    (own, end_lsn): (Timeline, Lsn),
    typed: Option<TargetTimeline>,
    newest_by_default: bool,
) -> Result<Ancestry, Error> {
    let timeline = match typed {
        Some(TargetTimeline::Number(number)) => number,
        Some(TargetTimeline::Latest) => newest_known(archive, own)?,
        None if newest_by_default => {
            let reachable = archive.reachable_timelines(own, end_lsn)?;
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
pub fn newest_known(archive: &Archive, own: Timeline) -> Result<Timeline, Error> {
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

/// A timeline that recovery follows.
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    /// What was typed.
    pub typed: Option<TargetTimeline>,
    /// The timeline that this means.
    pub chosen: Timeline,
    /// The newest one in the archive.
    pub newest: Timeline,
    /// Whether the server stays a standby, which goes on to timelines that are still to come.
    pub is_standby: bool,
}

impl Followed {
    /// The value of `recovery_target_timeline`, when it has to be written.
    ///
    /// What was typed is written as typed. What we chose is written unless PostgreSQL by itself is sure to follow it:
    /// from version 12 on it takes the newest history that it is given, whether the backup lies on its way or not.
    pub fn setting(self, version: PgVersion) -> Option<String> {
        let follows_newest = Features::of(version).follows_newest_timeline;
        match self.typed {
            Some(TargetTimeline::Number(number)) => Some(number.number().to_string()),
            // Before version 12 the backup's timeline is the default and has no name.
            Some(TargetTimeline::Current) => follows_newest.then(|| "current".to_owned()),
            Some(TargetTimeline::Latest) => Some("latest".to_owned()),
            None => {
                let only_way =
                    self.newest == Timeline::FIRST || self.is_standby && self.newest == self.chosen;
                let is_certain = !follows_newest || only_way;
                (!is_certain).then(|| self.chosen.number().to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(chosen: u32, newest: u32) -> Followed {
        let timeline = |number| Timeline::new(number).unwrap();
        Followed { typed: None, chosen: timeline(chosen), newest: timeline(newest), is_standby: false }
    }

    fn setting(followed: Followed, major: u32) -> Option<String> {
        followed.setting(PgVersion::new(major * 10_000))
    }

    #[test]
    fn a_newer_timeline_that_forked_off_before_the_backup_is_not_followed_by_postgresql_either() {
        assert_eq!(setting(followed(1, 2), 15), Some("1".into()));
        assert_eq!(setting(followed(2, 2), 15), Some("2".into()));
        assert_eq!(setting(followed(1, 1), 15), None);
    }

    #[test]
    fn a_standby_is_free_to_go_on_to_timelines_that_are_still_to_come() {
        let standby = |chosen, newest| Followed { is_standby: true, ..followed(chosen, newest) };
        assert_eq!(setting(standby(2, 2), 15), None);
        assert_eq!(setting(standby(1, 2), 15), Some("1".into()), "it would not start on the other one");
    }

    #[test]
    fn each_version_is_told_its_timeline_in_words_that_it_knows() {
        let typed = |typed, chosen| Followed { typed: Some(typed), ..followed(chosen, 2) };
        assert_eq!(setting(followed(1, 2), 11), None);
        assert_eq!(setting(typed(TargetTimeline::Current, 1), 11), None);
        assert_eq!(setting(typed(TargetTimeline::Current, 1), 12), Some("current".into()));
        assert_eq!(setting(typed(TargetTimeline::Latest, 2), 11), Some("latest".into()));
    }
}
