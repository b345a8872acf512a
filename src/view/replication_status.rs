use crate::types::{Lsn, StreamingClient};

/// Who receives a server's WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationStatus {
    /// The server.
    pub server: String,
    /// Which clients were asked for.
    pub clients_of: ClientKind,
    /// Whether each client gets one line.
    pub minimal: bool,
    /// What the server said; `None` when it could not be asked.
    pub found: Option<Replication>,
}

/// What a server says about its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// How far its WAL is; `None` where it cannot tell.
    pub current: Option<Lsn>,
    /// The clients.
    pub clients: Vec<StreamingClient>,
}

/// Kinds of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// All of them.
    All,
    /// Those that replay what they get.
    HotStandby,
    /// Those that keep it only, such as `pg_receivewal`.
    WalStreamer,
}

impl ClientKind {
    /// Whether a client is of the kind.
    pub fn has(self, client: &StreamingClient) -> bool {
        match self {
            Self::All => true,
            Self::HotStandby => client.is_standby(),
            Self::WalStreamer => !client.is_standby(),
        }
    }

    /// What several of them are called.
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "streaming clients",
            Self::HotStandby => "hot standby servers",
            Self::WalStreamer => "WAL streamers",
        }
    }
}
