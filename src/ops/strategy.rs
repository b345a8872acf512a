//! How PostgreSQL is told that its files are being copied: chosen once, from the configuration and the server.

use super::Error;
use crate::catalog::BackupInfo;
use crate::config::ServerConfig;
use crate::pg::{BackupMode, Client, ConcurrentBackup, Espresso, Features, ServerFacts};
use crate::types::PgVersion;

/// What the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The server is brought into backup mode, which it has once (`exclusive_backup`).
    Exclusive,
    /// Others may take backups at the same time (`concurrent_backup`).
    Concurrent,
}

/// What of a server decides whether it can be backed up in one way or the other.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Its version.
    pub version: PgVersion,
    /// Whether it is a standby.
    pub is_standby: bool,
    /// The extension that old servers need for concurrent backups, when it is installed.
    pub extension: Option<Espresso>,
}

/// Why a server cannot be backed up in the way that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Backup mode is written into the WAL, which a standby does not write.
    #[error("cannot perform exclusive backup on a standby")]
    ExclusiveOnStandby,
    /// The version has no exclusive mode any more.
    #[error("exclusive backups not supported on PostgreSQL {}", .0.major())]
    NoExclusiveMode(PgVersion),
    /// The version has no concurrent mode yet.
    #[error("PostgreSQL {0} has no concurrent backups, set 'backup_options = exclusive_backup'")]
    NoConcurrentMode(PgVersion),
    /// The version has the concurrent mode with an extension only.
    #[error(
        "required for concurrent backups of PostgreSQL {0}: install it and run CREATE EXTENSION pgespresso in the \
         database of 'conninfo', or set 'backup_options = exclusive_backup'"
    )]
    NoExtension(PgVersion),
}

impl Ground {
    /// Looks for the extension where that matters.
    pub fn of(client: &Client, facts: &ServerFacts) -> Result<Self, Error> {
        let extension = match client.features().concurrent_backup {
            ConcurrentBackup::Extension => client.find_espresso()?,
            ConcurrentBackup::Unknown | ConcurrentBackup::Native => None,
        };
        Ok(Self { version: facts.version, is_standby: facts.is_in_recovery, extension })
    }
}

impl Strategy {
    /// The strategy of a server; concurrent when nothing is said.
    pub fn configured(config: &ServerConfig) -> Self {
        if config.backup_options().exclusive { Self::Exclusive } else { Self::Concurrent }
    }

    /// The word of it for the records of backups by rsync.
    pub fn record_mode(self) -> &'static str {
        match self {
            Self::Exclusive => "rsync-exclusive",
            Self::Concurrent => "rsync-concurrent",
        }
    }

    /// Whether a backup was taken in this way.
    pub fn is_of(self, backup: &BackupInfo) -> bool {
        backup.mode.as_deref() == Some(self.record_mode())
    }

    /// What stopping is called in the record of a backup that failed at it.
    pub fn stop_action(self) -> &'static str {
        match self {
            Self::Exclusive => "issuing stop backup command",
            Self::Concurrent => "issuing stop backup command (native concurrent)",
        }
    }

    /// The mode that backups of this server are taken in.
    pub fn mode(self, ground: &Ground) -> Result<BackupMode, Obstacle> {
        if let Some(obstacle) = self.obstacles(ground).into_iter().next() {
            return Err(obstacle);
        }
        Ok(match (self, &ground.extension) {
            (Self::Exclusive, _) => BackupMode::Exclusive,
            (Self::Concurrent, None) => BackupMode::Concurrent,
            (Self::Concurrent, Some(extension)) => BackupMode::Espresso(extension.clone()),
        })
    }

    /// All that stands in the way.
    pub fn obstacles(self, ground: &Ground) -> Vec<Obstacle> {
        let features = Features::of(ground.version);
        let all = match self {
            Self::Exclusive => [
                ground.is_standby.then_some(Obstacle::ExclusiveOnStandby),
                (!features.has_exclusive_backup).then_some(Obstacle::NoExclusiveMode(ground.version)),
            ],
            Self::Concurrent => match features.concurrent_backup {
                ConcurrentBackup::Unknown => [Some(Obstacle::NoConcurrentMode(ground.version)), None],
                ConcurrentBackup::Extension => {
                    [ground.extension.is_none().then_some(Obstacle::NoExtension(ground.version)), None]
                }
                ConcurrentBackup::Native => [None, None],
            },
        };
        all.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(version: u32) -> Ground {
        Ground { version: PgVersion::new(version), is_standby: false, extension: None }
    }

    #[test]
    fn each_version_is_backed_up_in_the_ways_that_it_has() {
        use Obstacle::{NoConcurrentMode, NoExclusiveMode, NoExtension};
        let old = |number| PgVersion::new(number);
        for (version, exclusive, concurrent) in [
            (80_422, Ok(BackupMode::Exclusive), Err(NoConcurrentMode(old(80_422)))),
            (90_124, Ok(BackupMode::Exclusive), Err(NoConcurrentMode(old(90_124)))),
            (90_325, Ok(BackupMode::Exclusive), Err(NoExtension(old(90_325)))),
            (90_624, Ok(BackupMode::Exclusive), Ok(BackupMode::Concurrent)),
            (140_023, Ok(BackupMode::Exclusive), Ok(BackupMode::Concurrent)),
            (150_018, Err(NoExclusiveMode(old(150_018))), Ok(BackupMode::Concurrent)),
        ] {
            assert_eq!(Strategy::Exclusive.mode(&ground(version)), exclusive, "{version}");
            assert_eq!(Strategy::Concurrent.mode(&ground(version)), concurrent, "{version}");
        }
    }

    #[test]
    fn a_standby_has_no_exclusive_backups() {
        let standby = Ground { is_standby: true, ..ground(150_018) };
        let [first, second] = &Strategy::Exclusive.obstacles(&standby)[..] else { panic!("two obstacles") };
        assert_eq!(*first, Obstacle::ExclusiveOnStandby);
        assert_eq!(second.to_string(), "exclusive backups not supported on PostgreSQL 15");
        assert_eq!(Strategy::Concurrent.mode(&standby), Ok(BackupMode::Concurrent));
    }
}
