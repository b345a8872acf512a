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
