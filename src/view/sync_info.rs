use serde_json::{Map, Value};

/// What a node tells another one of a server, but for its WAL, which may be millions of files.
#[derive(Debug)]
pub struct SyncInfo {
    /// Where the last line of xlog.db starts, in bytes.
    pub last_position: u64,
    /// The name on that line; empty when there is none.
    pub last_name: String,
    /// The records of the backups whose files are all there, by identifier.
    pub backups: Map<String, Value>,
    /// The release of Barman that the node stands for.
    pub version: String,
    /// The settings of the server, without passwords.
    pub config: Map<String, Value>,
}

/// One of the WAL files that go with it: a line of xlog.db.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncedWal {
    /// How it is compressed.
    pub compression: Option<String>,
    /// How it is encrypted.
    pub encryption: Option<String>,
    /// Its name.
    pub name: String,
    /// Its bytes as it lies in the archive.
    pub size: u64,
    /// Its last change, in seconds since 1970.
    pub time: f64,
}
