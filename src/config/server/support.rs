//! What a server asks for and this version does not do.

use super::{BackupMethod, ServerConfig};

impl ServerConfig {
    /// Why this version cannot look after the server: one sentence for each thing that its backups or its WAL
    /// depend on. `check`, `cron` and `backup` refuse such a server.
    pub fn unsupported(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut lacks =
            |sentence: String| missing.push(format!("{sentence} is not supported by this version"));

        for (option, address) in self.object_stores() {
            lacks(format!("an object store ({option} = {address})"));
        }
        // A passive node copies what there is, however it was made.
        if self.is_passive() {
            return missing;
        }
        if self.streaming_archiver() {
            lacks("receiving WAL from PostgreSQL (streaming_archiver = on)".to_owned());
        }
        match self.backup_method() {
            BackupMethod::Rsync | BackupMethod::LocalRsync => {}
            other => lacks(format!("backup_method = {}", other.as_str())),
        }
        missing
    }
}
