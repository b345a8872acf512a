//! Who receives the WAL of a server, and how far each is.

use super::{Error, Server};
use crate::pg::{self, Client, Conninfo, ReplicationClients};
use crate::view::{ClientKind, Replication};

/// The server that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The one that is backed up.
    BackupHost,
    /// The one that WAL comes from, when that is another one (`wal_conninfo`).
    WalHost,
}

/// Asks the server.
pub fn run(server: &Server<'_>, source: Source, clients_of: ClientKind) -> Result<Replication, Error> {
    let client = connect(server, source)?;
    if !client.server_facts()?.has_monitoring_privileges {
        return Err(Error::refused(format!(
            "server '{}': the user of the connection may not see who receives WAL; grant it the role pg_monitor",
            server.name()
        )));
    }
    let found = client.replication_clients()?;
    let ReplicationClients { current, mut clients } = found.ok_or_else(|| {
        let version = client.version_text();
        Error::refused(format!(
            "server '{}': PostgreSQL {version} has no streaming replication to ask about",
            server.name()
        ))
    })?;
    clients.retain(|client| clients_of.has(client));
    Ok(Replication { current, clients })
}

fn connect(server: &Server<'_>, source: Source) -> Result<Client, Error> {
    let config = server.config;
    let other = config.wal_conninfo().filter(|_| source == Source::WalHost);
    let connected = match other {
        None => server.connect(),
        Some(text) => {
            let streaming = config.wal_streaming_conninfo().unwrap_or(text);
            server.info(format!(
                "Configuration overrides applied: 'streaming_conninfo' overridden with '{streaming}' and 'conninfo' \
                 overridden with '{text}'"
            ));
            let conninfo: Result<Conninfo, _> = text.parse();
            let client =
                conninfo.map_err(pg::Error::from).and_then(|it| Client::connect(&it, &server.context.cancel));
            client.map_err(Error::from)
        }
    };
    connected.map_err(|error| {
        let name = server.name();
        Error::refused(format!("Unable to connect to server {name}: {}", error.with_causes()))
    })
}
