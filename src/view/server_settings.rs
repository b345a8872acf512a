use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::types::{Lsn, Timestamp, WalSegment, timestamp_text};

/// Settings and facts of one server by name.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The server.
    pub server: String,
    /// Whether it is in service.
    pub active: bool,
    /// Whether its configuration has errors.
    pub disabled: bool,
    /// What is known.
    pub settings: BTreeMap<String, Shown>,
}

/// A value of any type, in the two notations in which Barman shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Python's.
    pub text: String,
    /// That of JSON.
    pub json: Value,
}

impl Shown {
    /// Nothing is known, or set.
    pub fn nothing() -> Self {
        Self { text: "None".to_owned(), json: Value::Null }
    }

    /// Texts in their order.
    pub fn list(items: &[String]) -> Self {
        let quoted: Vec<String> = items.iter().map(|item| format!("'{item}'")).collect();
        Self { text: format!("[{}]", quoted.join(", ")), json: items.into() }
    }

    fn of<T: ToString + Into<Value>>(value: T) -> Self {
        Self { text: value.to_string(), json: value.into() }
    }
}

impl<T: Into<Shown>> From<Option<T>> for Shown {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::nothing, T::into)
    }
}

impl From<bool> for Shown {
    fn from(value: bool) -> Self {
        Self { text: if value { "True" } else { "False" }.to_owned(), json: value.into() }
    }
}

impl From<u64> for Shown {
    fn from(value: u64) -> Self {
        Self::of(value)
    }
}

impl From<i64> for Shown {
    fn from(value: i64) -> Self {
        Self::of(value)
    }
}

impl From<f64> for Shown {
    fn from(value: f64) -> Self {
        Self::of(value)
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

impl From<&String> for Shown {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&Path> for Shown {
    fn from(path: &Path) -> Self {
        path.display().to_string().into()
    }
}

impl From<Lsn> for Shown {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string().into()
    }
}

impl From<WalSegment> for Shown {
    fn from(segment: WalSegment) -> Self {
        segment.to_string().into()
    }
}

impl From<Timestamp> for Shown {
    fn from(at: Timestamp) -> Self {
        timestamp_text(at).into()
    }
}
