use crate::types::Timeline;

/// Whether a server can archive its WAL into an archive without meeting what another one has left there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalArchiveCheck {
    /// The server.
    pub server: String,
    /// What is in the way.
    pub obstacle: Option<Obstacle>,
}

/// What stands in the way of new WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The archive was to be empty.
    NotEmpty,
    /// So many files of a timeline, or of later ones.
    Timeline {
        /// The number of files.
        files: u64,
        /// The first timeline that was to have none.
        from: Timeline,
    },
}

impl WalArchiveCheck {
    /// The whole finding in one line.
    pub fn verdict(&self) -> String {
        let server = &self.server;
        let Some(obstacle) = self.obstacle else {
            return format!("WAL archive check for server {server} passed");
        };
        let reason = match obstacle {
            Obstacle::NotEmpty => "Expected empty archive".to_owned(),
            Obstacle::Timeline { files, from } => {
                let noun = if files == 1 { "file" } else { "files" };
                let from = from.number();
                format!("Found {files} {noun} in WAL archive equal to or newer than timeline {from}")
            }
        };
        format!("WAL archive check failed for server {server}: {reason}")
    }
}
