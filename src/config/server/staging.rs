//! Room for files on their way to where they are restored.

use std::path::PathBuf;

use super::{ServerConfig, StagingLocation};
use crate::config::schema::key;

/// Room for files of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// The directory.
    pub path: PathBuf,
    /// The host it is on.
    pub location: StagingLocation,
}

/// What is said about the room for files of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingOptions {
    /// `staging_path`.
    pub path: Option<PathBuf>,
    /// `staging_location`.
    pub location: StagingLocation,
    /// `recovery_staging_path`, which was for unpacking.
    pub unpack_path: Option<PathBuf>,
    /// `local_staging_path`, which was for everything else.
    pub combine_path: Option<PathBuf>,
}

impl StagingOptions {
    /// Where archives are unpacked. `None` when the deprecated options tell of room for other steps only.
    pub fn for_unpacking(&self) -> Option<Staging> {
        if let Some(path) = &self.path {
            return Some(Staging { path: path.clone(), location: self.location });
        }
        if !self.is_deprecated() {
            return Some(Staging { path: PathBuf::from("/tmp"), location: self.location });
        }
        let path = self.unpack_path.clone()?;
        Some(Staging { path, location: StagingLocation::Local })
    }

    /// Whether only deprecated options say something.
    pub fn is_deprecated(&self) -> bool {
        self.path.is_none() && (self.unpack_path.is_some() || self.combine_path.is_some())
    }

    /// Whether files are to be prepared in a directory of this host that somebody has chosen for that.
    pub fn is_local_by_choice(&self) -> bool {
        self.is_deprecated() || (self.path.is_some() && self.location == StagingLocation::Local)
    }
}

impl ServerConfig {
    /// What is said about the room for files of a restore.
    pub fn staging_options(&self) -> StagingOptions {
        let location = StagingLocation::named_by(self.value(key!("staging_location")));
        let path = |key| self.text(key).map(PathBuf::from);
        StagingOptions {
            path: path(key!("staging_path")),
            location: location.unwrap_or(StagingLocation::Local),
            unpack_path: path(key!("recovery_staging_path")),
            combine_path: path(key!("local_staging_path")),
        }
    }
}
