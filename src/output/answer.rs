//! Every answer in its two forms.

use serde_json::{Value, json};

use super::json::Document;
use super::{console, json};
use crate::catalog::BackupInfo;
use crate::types::BackupId;
use crate::view::{
    BackupDetails, BackupList, CheckReport, KeepStatus, Listed, ReplicationStatus, Restored, RunningTasks,
    ServerSettings, ServerStatus, WalArchiveCheck,
};

/// What a command answers: text for people, or a part of the one JSON document that programs get.
pub trait Answer {
    /// The text, each line ended by a line feed; `colors` tells whether words that matter are coloured.
    fn text(&self, colors: bool) -> String;

    /// Puts the answer into the document.
    fn add_to(&self, document: &mut Document);
}

impl Answer for BackupDetails {
    fn text(&self, _: bool) -> String {
        console::backup_details(self)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(&self.server, json::backup_details(self));
    }
}

impl Answer for BackupList {
    fn text(&self, _: bool) -> String {
        console::backup_list(self)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(&self.server, json::backup_list(self));
    }
}

/// The identifiers of a server's backups.
pub struct BackupIds<'a> {
    /// The server.
    pub server: &'a str,
    /// Its backups.
    pub ids: Vec<BackupId>,
}

impl Answer for BackupIds<'_> {
    fn text(&self, _: bool) -> String {
        console::backup_ids(&self.ids)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(self.server, self.ids.iter().map(BackupId::to_string).collect());
    }
}

/// The document of `diagnose`.
pub struct Diagnosis(pub Value);

impl Answer for Diagnosis {
    fn text(&self, _: bool) -> String {
        json::indented(self.0.clone())
    }

    fn add_to(&self, document: &mut Document) {
        document.say("_INFO", json::indented(self.0.clone()).trim_end());
    }
}

/// The record of a backup that was begun, for programs; people have read what happened.
pub struct TakenBackup<'a>(pub &'a BackupInfo);

impl Answer for TakenBackup<'_> {
    fn text(&self, _: bool) -> String {
        String::new()
    }

    fn add_to(&self, document: &mut Document) {
        json::taken_backup(self.0, document);
    }
}

impl Answer for CheckReport {
    fn text(&self, colors: bool) -> String {
        console::checks(self, colors)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(&self.server, json::checks(self));
        for detail in self.checks.iter().flat_map(|check| &check.details) {
            document.say("_INFO", &format!("\t\t{detail}"));
        }
    }
}

impl Answer for KeepStatus {
    fn text(&self, _: bool) -> String {
        format!("Server {}:\n\tKeep: {}\n", self.server, self.word())
    }

    fn add_to(&self, document: &mut Document) {
        let status = json!({"description": "Keep", "message": self.word()});
        document.insert(&self.server, json!({"keep_status": status}));
    }
}

/// The configured servers.
pub struct Servers<'a> {
    /// The servers in the order of their names.
    pub servers: Vec<Listed<'a>>,
    /// Whether people get the names only.
    pub minimal: bool,
}

impl Answer for Servers<'_> {
    fn text(&self, _: bool) -> String {
        console::servers(self.servers.iter(), self.minimal)
    }

    fn add_to(&self, document: &mut Document) {
        for server in &self.servers {
            document.insert(server.name, json::server(server));
        }
    }
}

impl Answer for ReplicationStatus {
    fn text(&self, _: bool) -> String {
        console::replication_status(self)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(&self.server, json::replication_status(self));
    }
}

impl Answer for Restored {
    fn text(&self, _: bool) -> String {
        console::restored(self)
    }

    fn add_to(&self, document: &mut Document) {
        json::restored(self, document);
    }
}

impl Answer for RunningTasks {
    fn text(&self, _: bool) -> String {
        console::running_tasks(self)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(&self.server, json::running_tasks(self));
    }
}

impl Answer for ServerSettings {
    fn text(&self, _: bool) -> String {
        console::server_settings(self)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(&self.server, json::server_settings(self));
    }
}

impl Answer for ServerStatus {
    fn text(&self, _: bool) -> String {
        console::server_status(self)
    }

    fn add_to(&self, document: &mut Document) {
        document.insert(&self.server, json::server_status(self));
    }
}

/// What was found to be in the way is an error beside it.
impl Answer for WalArchiveCheck {
    fn text(&self, _: bool) -> String {
        let passed = match self.obstacle {
            None => format!(" - {}\n", self.verdict()),
            Some(_) => String::new(),
        };
        format!("Server {}:\n{passed}", self.server)
    }

    fn add_to(&self, document: &mut Document) {
        let answer = match self.obstacle {
            None => json!(self.verdict()),
            Some(_) => json!({}),
        };
        document.insert(&self.server, answer);
    }
}
