//! Asking the primary of a standby to close the WAL file that a backup of the standby ends with.

use std::time::{Duration, Instant};

use crate::catalog::BackupInfo;
use crate::ops::{Error, Server, primary};
use crate::pg::Client;

/// How often the primary is asked, and how far apart.
const SWITCHES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(10);

/// What is done next for WAL that does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing, for now.
    Wait,
    /// Have the current WAL file closed.
    Switch,
    /// Have a checkpoint written, which even an idle primary does, and the file closed.
    Checkpoint,
}

/// The requests to a primary while the last WAL of a backup is awaited.
pub struct Nudges {
    /// `None` when nobody is to be asked.
    primary: Option<Client>,
    began: Instant,
    switches: u32,
    /// `None` when no checkpoint is to be asked for, any more or at all.
    checkpoint_after: Option<Duration>,
}

impl Nudges {
    /// Those for a backup, which are none when its server closes its WAL files itself. That the primary cannot be
    /// reached is told: the backup is complete all the same, and its WAL may come.
    pub fn for_backup(server: &Server<'_>, backup: &BackupInfo) -> Self {
        let primary = if backup.is_of_standby() { primary::connect(server, true) } else { Ok(None) };
        Self {
            primary: primary.inspect_err(|error| warn(server, error)).ok().flatten(),
            began: Instant::now(),
            switches: 0,
            checkpoint_after: server.config.primary_checkpoint_timeout(),
        }
    }

    /// Makes the request that is due, if one is; after the first that fails there are no more.
    pub fn give(&mut self, server: &Server<'_>) {
        let Some(primary) = &self.primary else { return };
        let outcome = match step(self.began.elapsed(), self.switches, self.checkpoint_after) {
            Step::Wait => Ok(()),
            Step::Switch => {
                self.switches += 1;
                primary.switch_wal().map(drop)
            }
            Step::Checkpoint => {
                self.checkpoint_after = None;
                primary.checkpoint().and_then(|()| primary.switch_wal().map(drop))
            }
        };
        if let Err(error) = outcome {
            warn(server, &error.into());
            self.primary = None;
        }
    }
}

fn warn(server: &Server<'_>, error: &Error) {
    if !server.context.cancel.is_cancelled() {
        server.warning(format!(
            "The primary of server '{}' cannot be asked to close its WAL file: {}",
            server.name(),
            error.with_causes()
        ));
    }
}

fn step(waited: Duration, switches: u32, checkpoint_after: Option<Duration>) -> Step {
    if switches < SWITCHES {
        return if waited >= PAUSE * switches { Step::Switch } else { Step::Wait };
    }
    match checkpoint_after {
        Some(pause) if waited >= PAUSE * SWITCHES + pause => Step::Checkpoint,
        _ => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_is_asked_ten_times_and_then_for_a_checkpoint_where_that_is_wanted() {
        let at = |secs, switches, checkpoint: Option<u64>| {
            step(Duration::from_secs(secs), switches, checkpoint.map(Duration::from_secs))
        };
        assert_eq!(at(0, 0, None), Step::Switch);
        assert_eq!((at(9, 1, None), at(10, 1, None)), (Step::Wait, Step::Switch));
        assert_eq!((at(90, 9, Some(60)), at(159, 10, Some(60))), (Step::Switch, Step::Wait));
        assert_eq!((at(160, 10, Some(60)), at(9999, 10, None)), (Step::Checkpoint, Step::Wait));
    }
}
