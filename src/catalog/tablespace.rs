use std::path::PathBuf;

/// A tablespace of the server at the time of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tablespace {
    /// Its name in SQL.
    pub name: String,
    /// Its object identifier, the name of its directory in a backup.
    pub oid: u32,
    /// Where it lies on the host of the server.
    pub location: PathBuf,
}
