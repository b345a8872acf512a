//! Views as parts of the JSON document of `--format json`: keys, nesting and types are Barman's.

mod backup_details;
mod backup_list;
mod document;
mod python;
mod replication_status;
mod restored;
mod servers;
mod sync_info;
mod taken_backup;

pub use backup_details::backup_details;
pub use backup_list::backup_list;
pub use document::Document;
pub use python::indented;
pub use replication_status::replication_status;
pub use restored::restored;
pub use servers::{checks, running_tasks, server, server_settings, server_status};
pub use sync_info::write_sync_info;
pub use taken_backup::taken_backup;

use serde_json::{Value, json};

use crate::types::{ByteSize, Timestamp};

/// An object as it grows, by key.
struct Object(serde_json::Map<String, Value>);

impl Object {
    fn new() -> Self {
        Self(serde_json::Map::new())
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn put_if(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// A size for people under `key`, and exactly under `<key>_bytes`.
    fn put_size(&mut self, key: &str, size: ByteSize) {
        self.put(key, size.to_string());
        self.put(&format!("{key}_bytes"), size.0);
    }

    /// A moment as `text` writes it under `key`, and in seconds since 1970, as text, under `<key>_timestamp`.
    fn put_moment(&mut self, key: &str, at: Option<Timestamp>, text: impl Fn(Timestamp) -> String) {
        self.put(key, at.map(text));
        self.put(&format!("{key}_timestamp"), at.map(|at| at.timestamp().to_string()));
    }

    fn finish(self) -> Value {
        json!(self.0)
    }
}
