//! Values that are judged when the server is complete, its model laid over it: what makes no sense counts as
//! nothing and is told to the log.

use super::ServerConfig;
use crate::config::kind::parse_int;
use crate::config::notice::{Audience, Notice};
use crate::config::place::Source;
use crate::config::schema::{Key, key};
use crate::config::value::Value;
use crate::sys::Severity;
use crate::types::RetentionPolicy;

/// Completes the server's values.
pub(in crate::config) fn finish(server: &mut ServerConfig, notices: &mut Vec<Notice>) {
    let mut finish = Finish { server, notices };
    finish.bandwidth_limit();
    finish.tablespace_bandwidth_limit();
    finish.minimum_redundancy();
    finish.retention();
}

struct Finish<'a> {
    server: &'a mut ServerConfig,
    notices: &'a mut Vec<Notice>,
}

impl Finish<'_> {
    fn bandwidth_limit(&mut self) {
        let key = key!("bandwidth_limit");
        let Some(text) = self.text(key) else { return };
        let limit = parse_int(&text);
        if limit.is_none() {
            self.fall_back(key, "Invalid bandwidth_limit", &text, "0");
        }
        self.set(key, limit.map_or(Value::Null, Value::Int));
    }

    /// Limits that say what `bandwidth_limit` says anyway are left out.
    fn tablespace_bandwidth_limit(&mut self) {
        let key = key!("tablespace_bandwidth_limit");
        let Some(text) = self.text(key) else { return };
        let general = self.server.value(key!("bandwidth_limit")).clone();
        let mut limits: Vec<(String, i64)> = Vec::new();
        for rule in text.split_whitespace() {
            let parsed = rule.split_once(':').and_then(|(name, limit)| Some((name, parse_int(limit)?)));
            let Some((name, limit)) = parsed else {
                self.warn(key, format!("Invalid tablespace_bandwidth_limit rule '{rule}'"));
                continue;
            };
            limits.retain(|(known, _)| known != name);
            if Value::Int(limit) != general {
                limits.push((name.to_owned(), limit));
            }
        }
        self.set(key, if limits.is_empty() { Value::Null } else { Value::Limits(limits) });
    }

    fn minimum_redundancy(&mut self) {
        let key = key!("minimum_redundancy");
        let text = self.text(key).unwrap_or_default();
        let number = match parse_int(&text) {
            Some(number) if number < 0 => {
                self.fall_back(key, "Negative value of minimum_redundancy", &text, "0");
                0
            }
            Some(number) => number,
            None if text.is_empty() => 0,
            None => {
                self.fall_back(key, "Invalid minimum_redundancy", &text, "0");
                0
            }
        };
        self.set(key, Value::Int(number));
    }

    fn retention(&mut self) {
        let mode = key!("retention_policy_mode");
        let shown = self.server.value(mode).to_string();
        if shown != "auto" {
            self.fall_back(mode, "Unsupported retention_policy_mode", &shown, "auto");
            self.set(mode, Value::Text("auto".to_owned()));
        }
        let key = key!("retention_policy");
        let Some(text) = self.text(key) else { return };
        match text.parse::<RetentionPolicy>() {
            Ok(policy) => {
                self.set(key, Value::Retention(policy));
                self.wal_retention();
            }
            Err(_) => {
                let server = &self.server.name;
                let fault = format!("Invalid retention_policy setting \"{text}\" for server \"{server}\"");
                self.tell(key, Severity::Error, fault.clone());
                self.server.retention_fault = Some(fault);
            }
        }
    }

    /// Goes with a retention policy only; there is one such policy, and its name is then in capitals.
    fn wal_retention(&mut self) {
        let key = key!("wal_retention_policy");
        let shown = self.server.value(key).to_string();
        if shown != "main" {
            self.fall_back(key, "Unsupported wal_retention_policy value", &shown, "main");
        }
        self.set(key, Value::Text("MAIN".to_owned()));
    }

    fn text(&self, key: Key) -> Option<String> {
        self.server.text(key).map(str::to_owned)
    }

    fn set(&mut self, key: Key, value: Value) {
        self.server.settings.replace(key, value);
    }

    fn fall_back(&mut self, key: Key, fault: &str, value: &str, instead: &str) {
        let server = &self.server.name;
        self.warn(key, format!("{fault} \"{value}\" for server \"{server}\" (fallback to \"{instead}\")"));
    }

    fn warn(&mut self, key: Key, text: String) {
        self.tell(key, Severity::Warning, text);
    }

    fn tell(&mut self, key: Key, severity: Severity, text: String) {
        let notice = Notice::new(severity, Audience::Log, text);
        self.notices.push(match self.server.source(key) {
            Source::File(place) => notice.at(place),
            Source::Default => notice,
        });
    }
}
