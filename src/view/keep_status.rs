use crate::catalog::Keep;

/// Whether a backup is kept, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepStatus {
    /// The server.
    pub server: String,
    /// What the backup is kept for; `None` when it is not.
    pub keep: Option<Keep>,
}

impl KeepStatus {
    /// The word for it: `full`, `standalone`, `nokeep`.
    pub fn word(&self) -> String {
        self.keep.map_or_else(|| "nokeep".to_owned(), |keep| keep.to_string())
    }
}
