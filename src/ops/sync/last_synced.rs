use std::path::PathBuf;

use crate::ops::{Error, Server};
use crate::types::WalName;
use crate::wal::SYNC_RECORD;

/// How far the WAL of the primary has been copied: `sync-wals.info` beside the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSynced {
    /// The file on the last line of the primary's list when it was read.
    pub name: WalName,
    /// Where that line started.
    pub position: u64,
}

impl LastSynced {
    fn path(server: &Server<'_>) -> PathBuf {
        server.config.wals_directory().join(SYNC_RECORD)
    }

    /// What was recorded; `None` when nothing was, or what stands there says nothing: then everything is asked for, and
    /// what is here is not copied again.
    pub fn load(server: &Server<'_>) -> Result<Option<Self>, Error> {
        let path = Self::path(server);
        let Some(content) = server.context.files.read_if_exists(&path)? else { return Ok(None) };
        let recorded = Self::parse(&String::from_utf8_lossy(&content));
        if recorded.is_none() {
            server.warning(format!(
                "'{}' does not say which WAL was copied last: the primary node is asked for all of it",
                path.display()
            ));
        }
        Ok(recorded)
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, position) = text.trim_end().split_once('\t')?;
        Some(Self { name: name.parse().ok()?, position: position.parse().ok()? })
    }

    /// Records it, durably.
    pub fn save(self, server: &Server<'_>) -> Result<(), Error> {
        let text = format!("{}\t{}", self.name, self.position);
        Ok(server.context.files.replace_durably(&Self::path(server), text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_barman_records_is_read() {
        let recorded = LastSynced::parse("00000002.history\t464").unwrap();
        assert_eq!((recorded.name.to_string().as_str(), recorded.position), ("00000002.history", 464));
        for text in ["", "\t", "00000002.history", "00000002.history\t", "x\t1", "00000002.history\t-1"] {
            assert_eq!(LastSynced::parse(text), None, "{text:?}");
        }
    }
}
