//! Which backups a retention policy keeps, and deleting the others.

use std::collections::BTreeMap;

use crate::catalog::{self, BackupInfo, Catalog, Chains, Keep};
use crate::config::ServerConfig;
use crate::types::{BackupId, BackupStatus, RetentionPolicy, RetentionStatus, Timestamp};

mod enforce;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use enforce::enforce;

/// What the configuration of a server says on how many backups it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// `retention_policy`; none is enforced without.
    pub policy: Option<RetentionPolicy>,
    /// `minimum_redundancy`: so many complete backups stay, whatever the policy says.
    pub minimum_redundancy: u32,
}

impl Rules {
    /// The rules of a server.
    pub fn of(server: &ServerConfig) -> Self {
        Self { policy: server.retention_policy(), minimum_redundancy: server.minimum_redundancy() }
    }
}

/// What the rules of a server say of the backups of its catalogue; `None` when there is no policy.
pub fn judge(
    rules: Rules,
    catalog: &Catalog,
    backups: &[&BackupInfo],
    now: Timestamp,
) -> Result<Option<BTreeMap<BackupId, RetentionStatus>>, catalog::Error> {
    let Some(policy) = rules.policy else { return Ok(None) };
    if let RetentionPolicy::Redundancy(count) = policy
        && count < rules.minimum_redundancy
    {
        tracing::warn!(
            "server '{}': the retention policy '{policy}' keeps fewer backups than minimum_redundancy = {}, which are \
             kept; raise the one or lower the other",
            catalog.layout().server,
            rules.minimum_redundancy
        );
    }
    let mut keeps = BTreeMap::new();
    for info in backups {
        keeps.extend(catalog.keep(&info.id)?.map(|keep| (&info.id, keep)));
    }
    Ok(Some(plan(policy, rules.minimum_redundancy, backups, |id| keeps.get(id).copied(), now)))
}

/// Decides on every backup of a catalogue.
///
/// `backups` are all of them, oldest first. Only complete ones count; increments share the fate of their root.
/// A kept backup counts like any other, so that it can take the place of a newer one.
pub fn plan(
    policy: RetentionPolicy,
    minimum_redundancy: u32,
    backups: &[&BackupInfo],
    keep: impl Fn(&BackupId) -> Option<Keep>,
    now: Timestamp,
) -> BTreeMap<BackupId, RetentionStatus> {
    let mut judge = Judge::new(policy, minimum_redundancy, now);
    let newest_first = backups.iter().rev().filter(|info| !info.is_incremental());
    let verdicts: BTreeMap<&BackupId, Verdict> =
        newest_first.map(|info| (&info.id, judge.next(info, keep(&info.id)))).collect();
    let chains = Chains::of(backups);
    let status = |info: &BackupInfo| match verdicts.get(&info.id) {
        Some(verdict) => verdict.root,
        None => {
            let root = chains.ancestors(&info.id).last().and_then(|root| verdicts.get(root));
            root.map_or(RetentionStatus::Unjudged, |verdict| verdict.increments)
        }
    };
    backups.iter().map(|info| (info.id.clone(), status(info))).collect()
}

/// What the policy says of a backup that is no increment, and of the increments that it is the root of.
#[derive(Clone, Copy)]
struct Verdict {
    root: RetentionStatus,
    increments: RetentionStatus,
}

impl Verdict {
    const fn same(status: RetentionStatus) -> Self {
        Self { root: status, increments: status }
    }

    /// A request to keep a backup does not keep its increments. To keep it with all WAL after it implies that
    /// they stay usable; to keep it for itself does not, so that they go when the policy alone would not need
    /// them (`is_beyond`).
    fn new(by_policy: RetentionStatus, keep: Option<Keep>, is_beyond: bool) -> Self {
        match keep {
            None => Self::same(by_policy),
            Some(Keep::Full) => Self { root: RetentionStatus::KeptFull, increments: RetentionStatus::Valid },
            Some(Keep::Standalone) => Self {
                root: RetentionStatus::KeptStandalone,
                increments: if is_beyond { RetentionStatus::Obsolete } else { RetentionStatus::Valid },
            },
        }
    }
}

/// Goes through the complete backups from the newest to the oldest and says of each whether it is needed.
enum Judge {
    /// The newest `left` are.
    Redundancy { left: u32 },
    /// All are that ended after `horizon`, and the one before them, from which to roll forward.
    Window { horizon: Option<Timestamp>, is_covered: bool, spare: u32 },
}

impl Judge {
    fn new(policy: RetentionPolicy, minimum_redundancy: u32, now: Timestamp) -> Self {
        match policy {
            RetentionPolicy::Redundancy(count) => Self::Redundancy { left: count.max(minimum_redundancy) },
            RetentionPolicy::RecoveryWindow(window) => Self::Window {
                horizon: now.checked_sub_signed(window.span()),
                is_covered: false,
                spare: minimum_redundancy,
            },
        }
    }

    fn next(&mut self, info: &BackupInfo, keep: Option<Keep>) -> Verdict {
        if info.status != BackupStatus::Done {
            return Verdict::same(RetentionStatus::Unjudged);
        }
        match self {
            Self::Redundancy { left: 0 } => Verdict::new(RetentionStatus::Obsolete, keep, true),
            Self::Redundancy { left } => {
                *left -= 1;
                Verdict::new(RetentionStatus::Valid, keep, false)
            }
            Self::Window { horizon, is_covered, spare } if !*is_covered => {
                *is_covered = info.end_time.zip(*horizon).is_some_and(|(end, horizon)| end < horizon);
                *spare = spare.saturating_sub(1);
                Verdict::new(RetentionStatus::Valid, keep, *is_covered)
            }
            Self::Window { spare: 0, .. } => Verdict::new(RetentionStatus::Obsolete, keep, true),
            Self::Window { spare, .. } => {
                *spare -= 1;
                Verdict::new(RetentionStatus::PotentiallyObsolete, keep, true)
            }
        }
    }
}
