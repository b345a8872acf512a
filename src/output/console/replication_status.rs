use std::fmt::{Display, Write};

use crate::types::{ByteSize, Lsn, StreamingClient, SyncStage, capitalized, timestamp_text};
use crate::view::{Replication, ReplicationStatus};

/// Each client in a paragraph, or on a line of its own.
pub fn replication_status(status: &ReplicationStatus) -> String {
    let Some(found) = &status.found else { return String::new() };
    let title = status.clients_of.title();
    let mut text = if status.minimal { short_head(status, found) } else { head(status, found) };
    if found.clients.is_empty() {
        text += &format!("  No {title} attached\n");
    }
    for (index, client) in found.clients.iter().enumerate() {
        let number = index + 1;
        text += &match status.minimal {
            true => line(number, client),
            false => paragraph(number, client, found.current),
        };
    }
    text
}

fn head(status: &ReplicationStatus, found: &Replication) -> String {
    let title = status.clients_of.title();
    let mut text = format!("Status of {title} for server '{}':\n", status.server);
    text.extend(found.current.map(|current| format!("  Current LSN on master: {current}\n")));
    if !found.clients.is_empty() {
        text += &format!("  Number of {title}: {}\n", found.clients.len());
    }
    text
}

fn short_head(status: &ReplicationStatus, found: &Replication) -> String {
    let title = capitalized(&status.clients_of.title().to_lowercase());
    match found.current {
        Some(current) => format!("{title} for master '{}' (LSN @ {current}):\n", status.server),
        None => format!("{title} for slave '{}':\n", status.server),
    }
}

fn line(number: usize, client: &StreamingClient) -> String {
    let address = client.address.as_deref().unwrap_or("socket");
    let from = format!("{}@{address} S:{}", or_none(&client.user_name), or_none(&client.sent));
    let (kind, got) = match client.is_standby() {
        true => {
            (client.sync_letter(), format!("F:{} R:{}", or_none(&client.flushed), or_none(&client.replayed)))
        }
        false => ("W".to_owned(), format!("W:{}", or_none(&client.written))),
    };
    let (priority, name) = (or_none(&client.sync_priority), or_none(&client.application_name));
    format!("  {number}. {kind}) {from} {got} P:{priority} AN:{name}\n")
}

fn paragraph(number: usize, client: &StreamingClient, current: Option<Lsn>) -> String {
    let priority = client.sync_priority.filter(|priority| *priority > 0);
    let priority = priority.map(|priority| format!("#{priority} ")).unwrap_or_default();
    let mut text = format!("\n  {number}. {priority}{}\n", client.title());
    let mut row = |name: &str, value: &dyn Display| {
        let _ = writeln!(text, "     {name}: {value}");
    };
    let SyncStage { stage, last, name } = client.sync_stage(current);
    row("Application name", &or_none(&client.application_name));
    row("Sync stage      ", &format!("{stage}/{last} {name}"));
    match &client.address {
        Some(address) => {
            let (port, host) = (or_none(&client.port), client.host_name.as_deref().unwrap_or("-"));
            row("Communication   ", &"TCP/IP");
            row("IP Address      ", &format!("{address} / Port: {port} / Host: {host}"));
        }
        None => row("Communication   ", &"Unix domain socket"),
    }
    row("User name       ", &or_none(&client.user_name));
    row("Current state   ", &format!("{} ({})", or_none(&client.state), or_none(&client.sync_state)));
    if let Some(slot) = &client.slot {
        row("Replication slot", slot);
    }
    row("WAL sender PID  ", &client.pid);
    row("Started at      ", &or_none(&client.started.map(timestamp_text)));
    if let Some(xmin) = &client.xmin {
        row("Standby's xmin  ", xmin);
    }
    for (name, position) in client.positions() {
        let Some(position) = position else { continue };
        let behind = current.map(|current| format!(" (diff: {})", ByteSize(position.distance_from(current))));
        let name = format!("{:<11}", capitalized(name) + " LSN");
        row(&name, &format!("{position}{}", behind.unwrap_or_default()));
    }
    text
}

/// What is not known stands there as Python writes it.
fn or_none(value: &Option<impl Display>) -> String {
    value.as_ref().map_or("None".into(), ToString::to_string)
}
