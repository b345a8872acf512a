use std::collections::BTreeMap;

/// Settings and facts of one server by name.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The server.
    pub server: String,
    /// Whether it is in service.
    pub active: bool,
    /// Whether its configuration has errors.
    pub disabled: bool,
    /// Name and value, the value written as Barman writes it.
    pub settings: BTreeMap<String, String>,
}
