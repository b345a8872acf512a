//! A setting's value, and how Barman writes it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::ser::{SerializeMap, Serializer};

use super::kind::SetKind;
use crate::types::{HumanDuration, RetentionPolicy};

/// What an option is set to.
///
/// `Display` is the notation of `show-servers`, which is Python's: `True`, `None`, `['a', 'b']`,
/// `BackupOptions({'concurrent_backup'})`. `Serialize` is the JSON of `diagnose`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// Not set.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// Any text that is not empty: a path, a connection string, a word.
    Text(String),
    /// Words out of a fixed list.
    Set(OptionSet),
    /// A span of time.
    Interval(Duration),
    /// An amount of bytes.
    Size(u64),
    /// Texts in their order.
    List(Vec<String>),
    /// kB per second for each tablespace, in the order of the configuration.
    Limits(Vec<(String, i64)>),
    /// Which backups are kept.
    Retention(RetentionPolicy),
}

/// The words of a set option, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSet {
    /// Which option's words.
    pub kind: &'static SetKind,
    /// Those that are set.
    pub words: BTreeSet<&'static str>,
}

impl OptionSet {
    /// Whether `word` is set.
    pub fn contains(&self, word: &str) -> bool {
        self.words.contains(word)
    }
}

impl Value {
    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value in the JSON of `show-servers`, where sets keep Python's notation.
    pub fn to_shown_json(&self) -> serde_json::Value {
        match self {
            Self::Set(_) => serde_json::Value::String(self.to_string()),
            _ => serde_json::json!(self),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Set(set) => write!(f, "{set}"),
            Self::Interval(span) => f.write_str(&python_timedelta(*span)),
            Self::Size(bytes) => bytes.fmt(f),
            Self::List(items) => write!(f, "[{}]", joined(items.iter().map(|item| quoted(item)))),
            Self::Limits(limits) => {
                let pairs = limits.iter().map(|(name, limit)| format!("{}: {limit}", quoted(name)));
                write!(f, "{{{}}}", joined(pairs))
            }
            Self::Retention(policy) => policy.fmt(f),
        }
    }
}

impl fmt::Display for OptionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.words.is_empty() {
            return write!(f, "{}()", self.kind.name);
        }
        write!(f, "{}({{{}}})", self.kind.name, joined(self.words.iter().map(|word| quoted(word))))
    }
}

impl serde::Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Set(set) => {
                let words: Vec<&str> = set.words.iter().copied().collect();
                serializer.serialize_str(&words.join(","))
            }
            Self::Interval(span) => serializer.collect_str(&HumanDuration::from(*span)),
            Self::Size(bytes) => serializer.serialize_u64(*bytes),
            Self::List(items) => serializer.collect_seq(items),
            Self::Limits(limits) => {
                let mut map = serializer.serialize_map(Some(limits.len()))?;
                for (name, limit) in limits {
                    map.serialize_entry(name, limit)?;
                }
                map.end()
            }
            Self::Retention(policy) => serializer.collect_str(policy),
        }
    }
}

/// A list of texts as Python prints it.
pub(super) fn python_list(items: &[&str]) -> String {
    format!("[{}]", joined(items.iter().map(|item| quoted(item))))
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// A text as Python quotes it: with `'`, or with `"` when only `'` is inside.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A span as Python prints it: `21 days, 0:00:00`.
fn python_timedelta(span: Duration) -> String {
    let seconds = span.as_secs();
    let clock = format!("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match seconds / 86_400 {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::BACKUP_OPTIONS;

    #[test]
    fn values_are_written_as_barman_writes_them() {
        let set = |words: &[&'static str]| {
            Value::Set(OptionSet { kind: &BACKUP_OPTIONS, words: words.iter().copied().collect() })
        };
        let hours = |hours: u64| Value::Interval(Duration::from_secs(hours * 3600));
        for (value, shown, json) in [
            (Value::Null, "None", "null"),
            (Value::Bool(true), "True", "true"),
            (Value::Int(-3), "-3", "-3"),
            (set(&[]), "BackupOptions()", "\"\""),
            (
                set(&["external_configuration", "concurrent_backup"]),
                "BackupOptions({'concurrent_backup', 'external_configuration'})",
                "\"concurrent_backup,external_configuration\"",
            ),
            (hours(0), "0:00:00", "\"less than one second\""),
            (hours(25), "1 day, 1:00:00", "\"1 day, 1 hour\""),
            (hours(21 * 24), "21 days, 0:00:00", "\"21 days\""),
            (Value::Size(10), "10", "10"),
            (Value::List(vec!["a".into(), "it's".into()]), "['a', \"it's\"]", "[\"a\",\"it's\"]"),
            (Value::Limits(vec![("b".into(), 2), ("a".into(), 1)]), "{'b': 2, 'a': 1}", "{\"b\":2,\"a\":1}"),
            (Value::Retention(RetentionPolicy::Redundancy(2)), "REDUNDANCY 2", "\"REDUNDANCY 2\""),
        ] {
            assert_eq!(value.to_string(), shown);
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
        }
        assert_eq!(set(&[]).to_shown_json(), serde_json::json!("BackupOptions()"));
    }
}
