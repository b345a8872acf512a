use super::super::client::{Client, Record};
use super::super::error::Error;
use super::super::session::Request;
use super::WalPosition;
use crate::types::{Lsn, StreamingClient};

/// Who receives a server's WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationClients {
    /// How far the server is; `None` on a standby that cannot tell.
    pub current: Option<Lsn>,
    /// The clients, those that commits wait for first.
    pub clients: Vec<StreamingClient>,
}

impl Client {
    /// Who receives the server's WAL; `None` before 9.1, which cannot tell.
    pub fn replication_clients(&self) -> Result<Option<ReplicationClients>, Error> {
        const PURPOSE: &str = "list the clients of streaming replication";
        self.ensure_supported()?;
        let features = self.features();
        let Some(columns) = features.sql.replication else { return Ok(None) };
        let position = |name: &str| format!("r.{name}_{}::pg_catalog.text AS {name}", columns.position);
        let positions = ["sent", "write", "flush", "replay"].map(position).join(", ");
        let clients = Request::plain(format!(
            "SELECT {}::pg_catalog.int4 AS pid, r.usename::pg_catalog.text AS user_name, r.application_name, \
             pg_catalog.host(r.client_addr) AS address, r.client_hostname, r.client_port, {} AS started, \
             {}::pg_catalog.text AS xmin, r.state, {positions}, r.sync_priority, r.sync_state, \
             {}::pg_catalog.text AS slot \
             FROM pg_catalog.pg_stat_replication AS r ORDER BY r.sync_state DESC, r.sync_priority, 1",
            columns.pid,
            features.sql.moment("r.backend_start"),
            columns.xmin,
            columns.slot,
        ));
        let [current, clients] = self.batch(PURPOSE, [WalPosition::request(features), clients])?;
        let current = self.single(PURPOSE, current)?.parse("lsn")?;
        let clients = clients.iter().map(client_of).collect::<Result<_, _>>()?;
        Ok(Some(ReplicationClients { current, clients }))
    }
}

fn client_of(record: &Record<'_>) -> Result<StreamingClient, Error> {
    Ok(StreamingClient {
        pid: record.get("pid")?,
        user_name: record.get("user_name")?,
        application_name: record.get("application_name")?,
        address: record.get("address")?,
        host_name: record.get("client_hostname")?,
        port: record.get("client_port")?,
        started: record.moment("started")?,
        xmin: record.get("xmin")?,
        state: record.get("state")?,
        sent: record.parse("sent")?,
        written: record.parse("write")?,
        flushed: record.parse("flush")?,
        replayed: record.parse("replay")?,
        sync_priority: record.get("sync_priority")?,
        sync_state: record.get("sync_state")?,
        slot: record.get("slot")?,
    })
}
