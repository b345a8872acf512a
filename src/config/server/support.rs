//! What a server asks for and this version does not do.

use super::{BackupMethod, ServerConfig};
use crate::config::schema::{Key, Support, key};
use crate::config::value::Value;

impl ServerConfig {
    /// Why this version cannot look after the server: one sentence for each thing that its backups or its WAL
    /// depend on. `check`, `cron` and `backup` refuse such a server.
    pub fn unsupported(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut lacks =
            |sentence: String| missing.push(format!("{sentence} is not supported by this version"));

        if self.is_passive() {
            lacks("a passive node (primary_ssh_command)".to_owned());
        }
        if self.streaming_archiver() {
            lacks("receiving WAL from PostgreSQL (streaming_archiver = on)".to_owned());
        }
        match self.backup_method() {
            BackupMethod::Rsync | BackupMethod::LocalRsync => {}
            other => lacks(format!("backup_method = {}", other.as_str())),
        }
        for (option, address) in self.object_stores() {
            lacks(format!("an object store ({option} = {address})"));
        }
        missing
    }

    /// The options that a file sets and that have no effect in this version, beyond what
    /// [`ServerConfig::unsupported`] says.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let said = [key!("primary_ssh_command"), key!("streaming_archiver")];
        let later = Key::all().filter(|key| key.def().support == Support::Later && !said.contains(key));
        later.filter(|key| self.is_changed(*key)).map(Key::name).collect()
    }

    /// Whether a file sets the option to something that would make a difference.
    fn is_changed(&self, key: Key) -> bool {
        let is_off = match self.value(key) {
            Value::Null | Value::Bool(false) => true,
            Value::Set(set) => set.words.is_empty(),
            value => key.def().default == Some(value.to_string().as_str()),
        };
        self.source(key).file().is_some() && !is_off
    }
}
