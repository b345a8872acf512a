//! `check-wal-archive`: may a server archive into this archive?

use super::Error;
use crate::types::{Timeline, WalName};
use crate::view::{Obstacle, WalArchiveCheck};
use crate::wal::Archive;

/// Looks for what a new server would meet: anything at all, or with `timeline` what belongs to it or to a later one.
pub fn run(archive: &Archive, timeline: Option<Timeline>) -> Result<WalArchiveCheck, Error> {
    let mut open = archive.open()?;
    let obstacle = match timeline {
        // The history comes before everything else of its timeline.
        Some(from) => match open.totals(WalName::History(from)..)?.all().files {
            0 => None,
            files => Some(Obstacle::Timeline { files, from }),
        },
        None => (open.totals(..)?.all().files > 0).then_some(Obstacle::NotEmpty),
    };
    Ok(WalArchiveCheck { server: archive.paths().server.clone(), obstacle })
}
