use serde_json::{Value, json};

use super::Object;
use crate::types::{ByteSize, Lsn, StreamingClient, SyncStage, timestamp_text};
use crate::view::ReplicationStatus;

/// The answer of `replication-status`; an empty object for a server that could not be asked.
pub fn replication_status(status: &ReplicationStatus) -> Value {
    let Some(found) = &status.found else { return json!({}) };
    let title = status.clients_of.title();
    let clients = found.clients.iter().map(|client| match status.minimal {
        true => in_short(client),
        false => in_full(client, found.current),
    });
    let mut object = Object::new();
    object.put("server_lsn", found.current.map(|current| current.to_string()));
    object.put(&title.to_lowercase().replace(' ', "_"), clients.collect::<Vec<_>>());
    if found.clients.is_empty() {
        object.put("standby_info", format!("No {title} attached"));
    }
    object.finish()
}

fn in_short(client: &StreamingClient) -> Value {
    let position = |position: Option<Lsn>| position.map(|position| position.to_string());
    let mut object = Object::new();
    object.put("user_name", client.user_name.clone());
    object.put("client_addr", client.address.as_deref().unwrap_or("socket"));
    object.put("sent_lsn", position(client.sent));
    match client.is_standby() {
        true => {
            object.put("sync_state", client.sync_letter());
            object.put("flush_lsn", position(client.flushed));
            object.put("replay_lsn", position(client.replayed));
        }
        false => object.put("write_lsn", position(client.written)),
    }
    object.put("sync_priority", client.sync_priority);
    object.put("application_name", client.application_name.clone());
    object.finish()
}

fn in_full(client: &StreamingClient, current: Option<Lsn>) -> Value {
    let SyncStage { stage, last, name } = client.sync_stage(current);
    let mut object = Object::new();
    object.put("name", client.title());
    object.put("application_name", client.application_name.clone());
    object.put("sync_stage", format!("{stage}/{last} {name}"));
    match &client.address {
        Some(address) => {
            object.put("communication", "TCP/IP");
            object.put("ip_address", address.as_str());
            object.put("port", client.port);
            object.put("host", client.host_name.clone());
        }
        None => object.put("communication", "Unix domain socket"),
    }
    object.put("user_name", client.user_name.clone());
    object.put("current_state", client.state.clone());
    object.put("current_sync_state", client.sync_state.clone());
    object.put_if("replication_slot", client.slot.clone());
    object.put("wal_sender_pid", client.pid);
    object.put("started_at", client.started.map(timestamp_text));
    object.put_if("standbys_xmin", client.xmin.clone());
    for (name, position) in client.positions() {
        let Some(position) = position else { continue };
        object.put(&format!("{name}_lsn"), position.to_string());
        if let Some(current) = current {
            object.put_size(&format!("{name}_lsn_diff"), ByteSize(position.distance_from(current)));
        }
    }
    object.finish()
}
