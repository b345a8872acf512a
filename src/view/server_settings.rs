use std::collections::BTreeMap;

use serde_json::Value;

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
