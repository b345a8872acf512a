//! The JSON forms: the one that `diagnose` is made of, and the one in which nodes tell each other of their backups.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{BackupInfo, Problem};
use crate::catalog::Tablespace;
use crate::catalog::py_literal::Literal;
use crate::types::{BackupId, PgVersion, Timeline, Timestamp, ctime_text, iso_text};

/// What nodes say beside the fields of the record.
const ID: &str = "backup_id";
const BEGIN: &str = "begin_time_iso";
const END: &str = "end_time_iso";
const CHILDREN: &str = "children_backup_ids";

impl BackupInfo {
    /// Every field under the name that it has in the file, and the identifier as `backup_id`; `moment` writes a time.
    ///
    /// Numbers are numbers, lists are lists, but two fields are the text of the file: `backup_label` is quoted, the
    /// children have commas between them.
    pub fn to_json(&self, moment: impl Fn(Timestamp) -> String) -> Map<String, Value> {
        let time = |at: Option<Timestamp>| at.map(&moment);
        let path = |path: &Option<_>| path.as_deref().map(Path::to_string_lossy).map(Value::from);
        let shown = |value: Option<&dyn ToString>| value.map(ToString::to_string);
        let children: Vec<&str> = self.children_backup_ids.iter().map(BackupId::as_str).collect();
        let included =
            self.included_files.as_ref().map(|files| files.iter().map(|file| lossy(file)).collect());
        let tablespaces: Vec<Value> = self.tablespaces.iter().map(tablespace).collect();
        let fields = [
            ("backup_id", json!(self.id.as_str())),
            (
                "backup_label",
                json!(self.backup_label.as_deref().map(|label| Literal::from(label).to_string())),
            ),
            ("begin_offset", json!(self.begin_offset)),
            ("begin_time", json!(time(self.begin_time))),
            ("begin_wal", json!(shown(self.begin_wal.as_ref().map(|it| it as _)))),
            ("begin_xlog", json!(shown(self.begin_xlog.as_ref().map(|it| it as _)))),
            (CHILDREN, json!((!children.is_empty()).then(|| children.join(",")))),
            ("cluster_size", json!(self.cluster_size)),
            ("compression", json!(self.compression)),
            ("config_file", json!(path(&self.config_file))),
            ("copy_stats", json!(self.copy_stats)),
            ("data_checksums", json!(self.data_checksums)),
            ("deduplicated_size", json!(self.deduplicated_size)),
            ("encryption", json!(self.encryption)),
            ("end_offset", json!(self.end_offset)),
            ("end_time", json!(time(self.end_time))),
            ("end_wal", json!(shown(self.end_wal.as_ref().map(|it| it as _)))),
            ("end_xlog", json!(shown(self.end_xlog.as_ref().map(|it| it as _)))),
            ("error", json!(self.error)),
            ("hba_file", json!(path(&self.hba_file))),
            ("ident_file", json!(path(&self.ident_file))),
            ("included_files", included.map_or(Value::Null, Value::Array)),
            ("mode", json!(self.mode)),
            ("parent_backup_id", json!(self.parent_backup_id.as_ref().map(BackupId::as_str))),
            ("pgdata", json!(path(&self.pgdata))),
            ("server_name", json!(self.server_name)),
            ("size", json!(self.size)),
            ("status", json!(self.status.to_string())),
            ("summarize_wal", json!(self.summarize_wal)),
            ("systemid", json!(self.systemid)),
            ("tablespaces", json!((!tablespaces.is_empty()).then_some(tablespaces))),
            ("timeline", json!(self.timeline.map(Timeline::number))),
            ("version", json!(self.version.map(PgVersion::number))),
            ("xlog_segment_size", json!(self.xlog_segment_size.bytes())),
        ];
        let mut fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // As in the file, these are there when they say something.
        fields.extend(self.backup_name.clone().map(|name| ("backup_name".to_owned(), json!(name))));
        fields.extend(self.snapshots_info.as_ref().map(|info| ("snapshots_info".to_owned(), json!(info))));
        fields.extend(self.unknown.iter().map(|(name, value)| (name.clone(), json!(value))));
        fields
    }

    /// The record as another node reads it in the answer of `sync-info`: the fields by name, then the identifier and the
    /// exact times. Fields that Barman 3.19 does not know are left out, for it would read nothing then.
    ///
    /// The children are a list. Barman tells the text of the file, and its own passive nodes take that for a list of
    /// letters: they cannot delete the backup then.
    pub fn to_peer_json(&self) -> Map<String, Value> {
        let known = Self { unknown: Vec::new(), ..self.clone() };
        let mut fields = known.to_json(ctime_text);
        fields.shift_remove(ID);
        fields.sort_keys();
        fields.insert(ID.to_owned(), json!(self.id.as_str()));
        if !self.children_backup_ids.is_empty() {
            let children: Vec<&str> = self.children_backup_ids.iter().map(BackupId::as_str).collect();
            fields.insert(CHILDREN.to_owned(), json!(children));
        }
        let exact = [(BEGIN, self.begin_time), (END, self.end_time)];
        fields
            .extend(exact.into_iter().filter_map(|(name, at)| Some((name.to_owned(), json!(iso_text(at?))))));
        fields
    }

    /// Reads the record that another node tells of in the answer of `sync-info`.
    ///
    /// Every value is read as the text that the file of the other node has, by the same rules.
    pub fn from_peer_json(id: BackupId, fields: &Map<String, Value>) -> Result<Self, Problem> {
        let mut info = Self::new(id);
        for (name, value) in fields {
            let value = match name.as_str() {
                ID | BEGIN | END => continue,
                "begin_time" => fields.get(BEGIN).unwrap_or(value),
                "end_time" => fields.get(END).unwrap_or(value),
                _ => value,
            };
            let text = match value {
                Value::Array(ids) if name == CHILDREN => {
                    ids.iter().map(file_text).collect::<Vec<_>>().join(",")
                }
                other => file_text(other),
            };
            info.set_text(name, &text)?;
        }
        Ok(info)
    }
}

/// The text of a value in the file.
fn file_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => Literal::from(other).to_string(),
    }
}

fn tablespace(tablespace: &Tablespace) -> Value {
    json!([tablespace.name, tablespace.oid, lossy(&tablespace.location)])
}

fn lossy(path: &Path) -> Value {
    Value::from(path.to_string_lossy())
}
