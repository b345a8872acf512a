use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};

use crate::types::WalName;

/// Bytes of a name that take part in comparisons of the index: the longest WAL file name.
pub(super) const KEY_BYTES: usize = 40;

/// A name padded or cut to a fixed length. The order of keys never contradicts the order of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub [u8; KEY_BYTES]);

impl Default for Key {
    fn default() -> Self {
        Self([0; KEY_BYTES])
    }
}

impl Key {
    pub fn of(name: &str) -> Self {
        let (mut key, len) = ([0; KEY_BYTES], name.len().min(KEY_BYTES));
        key[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self(key)
    }

    /// The name, or what is kept of it.
    pub fn to_text(self) -> String {
        String::from_utf8_lossy(&self.0).trim_end_matches('\0').to_owned()
    }
}

/// A run of names in text order, the order that every comparison of WAL names follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameRange {
    from: Bound<String>,
    to: Bound<String>,
}

impl NameRange {
    pub fn new(range: &impl RangeBounds<WalName>) -> Self {
        let text = |bound: Bound<&WalName>| bound.map(WalName::to_string);
        Self { from: text(range.start_bound()), to: text(range.end_bound()) }
    }

    /// The names behind `name` up to `to`.
    pub fn after(name: &str, to: &str) -> Self {
        Self { from: Bound::Excluded(name.to_owned()), to: Bound::Included(to.to_owned()) }
    }

    /// The names from `name` up to `to`.
    pub fn from(name: &str, to: &str) -> Self {
        Self { from: Bound::Included(name.to_owned()), to: Bound::Included(to.to_owned()) }
    }

    pub fn contains(&self, name: &str) -> bool {
        let from = (self.from.as_ref().map(String::as_str), self.to.as_ref().map(String::as_str));
        RangeBounds::<str>::contains(&from, name)
    }

    /// Whether every name with this key comes before the range.
    pub fn is_below(&self, key: &Key) -> bool {
        match &self.from {
            Bound::Included(from) => *key < Key::of(from),
            Bound::Excluded(from) => *key <= Key::of(from),
            Bound::Unbounded => false,
        }
    }

    /// Whether every name with this key comes after the range.
    pub fn is_beyond(&self, key: &Key) -> bool {
        match &self.to {
            Bound::Included(to) => *key > Key::of(to),
            Bound::Excluded(to) => *key >= Key::of(to),
            Bound::Unbounded => false,
        }
    }
}

/// The name under which a file of WAL is made before it appears at `path`; every Barman ignores it.
///
/// Always the same name, since nobody else makes the file at that time, in the archive by a lock: what a crash left is
/// replaced by the next try. It must be removed first and never opened: it may be a second name of a file in `incoming`.
pub fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}
