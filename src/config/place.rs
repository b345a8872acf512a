//! Where a setting comes from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: u32,
}

impl Place {
    /// A line of a file.
    pub(super) fn new(file: &Arc<Path>, line: u32) -> Self {
        Self { file: Arc::clone(file), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' line {}", self.file.display(), self.line)
    }
}

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// Nobody: it is the default, or the program set it.
    #[default]
    Default,
    /// A line of a file.
    File(Place),
}

impl Source {
    /// The file, when there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Default => None,
            Self::File(place) => Some(&place.file),
        }
    }
}

/// As in `diagnose --show-config-source`: the file, or `default`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => place.file.display().fmt(f),
        }
    }
}
