//! Scripts around each WAL file that comes or goes.

use super::{Error, Scripts, Subject, WalFacts};
use crate::config::HookEvent;
use crate::sys::Context;
use crate::types::{WalName, with_causes};
use crate::wal::{self, Attendant, OpenArchive, Outcome, PassingFile, Removal};

/// Has the scripts of a server attend to its WAL files.
pub struct WalScripts<'a> {
    context: &'a Context,
    scripts: Scripts<'a>,
    event: HookEvent,
}

impl<'a> WalScripts<'a> {
    /// The scripts around `event`; `None` when there are none.
    pub fn around(context: &'a Context, scripts: Scripts<'a>, event: HookEvent) -> Option<Self> {
        scripts.watch(event).then_some(Self { context, scripts, event })
    }
}

/// Removes the WAL files that `is_condemned` tells, with the scripts around each of them when there are any, and tells
/// `tell` what became of each. Gives the reason why the rest of them stayed, when a script wanted that.
pub fn remove_wal(
    context: &Context,
    scripts: Scripts<'_>,
    mut archive: OpenArchive<'_>,
    is_condemned: impl Fn(WalName) -> bool,
    tell: impl FnMut(Removal),
) -> Result<Option<wal::Error>, wal::Error> {
    match WalScripts::around(context, scripts, HookEvent::WalDelete) {
        Some(mut scripts) => archive.remove_attended(is_condemned, &mut scripts, tell),
        None => archive.remove(is_condemned, tell).map(|()| None),
    }
}

impl Attendant for WalScripts<'_> {
    fn before(&mut self, file: &PassingFile<'_>) -> Result<(), wal::Error> {
        let facts = WalFacts { path: file.path, entry: file.entry, error: None };
        let stopped = self.scripts.before(self.context, self.event, &Subject::Wal(&facts));
        stopped.map_err(|error| match error {
            Error::Cancelled(cancelled) => cancelled.into(),
            aborted @ Error::Aborted { .. } => {
                wal::Error::Stopped { name: file.entry.name.clone(), reason: aborted.to_string() }
            }
        })
    }

    fn after(&mut self, file: &PassingFile<'_>, outcome: Outcome<'_>) {
        let error = error_text(file, outcome);
        let facts = WalFacts { path: file.path, entry: file.entry, error: error.as_deref() };
        self.scripts.after(self.context, self.event, &Subject::Wal(&facts));
    }
}

/// `BARMAN_ERROR`. Of a file that is there already it has the words of Barman, which scripts may look for.
fn error_text(file: &PassingFile<'_>, outcome: Outcome<'_>) -> Option<String> {
    let quoted = |label: &Option<String>| match label {
        Some(label) => format!("'{label}'"),
        None => "None".to_owned(),
    };
    let entry = file.entry;
    let duplicate = |kind: &str| {
        format!(
            "{kind}:WalFileInfo(compression={}, encryption={}, name='{}', size={}, time={:?})",
            quoted(&entry.compression),
            quoted(&entry.encryption),
            entry.name,
            entry.size,
            entry.time
        )
    };
    match outcome {
        Outcome::Done => None,
        Outcome::Identical => Some(duplicate("MatchingDuplicateWalFile")),
        Outcome::Different => Some(duplicate("DuplicateWalFile")),
        Outcome::Arriving => {
            Some(format!("{} changed while it was read; it is left for the next run", entry.name))
        }
        Outcome::Failed(error) => Some(with_causes(error)),
    }
}
