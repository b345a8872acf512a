/// A server in the list.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the configuration says it is.
    pub description: Option<&'a str>,
    /// Whether it is in service.
    pub active: bool,
    /// Whether its configuration has errors.
    pub disabled: bool,
    /// Whether it copies another Barman's.
    pub passive: bool,
}

impl Listed<'_> {
    /// The word about its state that follows the description; empty for a server in ordinary service.
    pub fn state(&self) -> &'static str {
        match self {
            Self { active: false, .. } => " (inactive)",
            Self { disabled: true, .. } => " (WARNING: disabled)",
            Self { passive: true, .. } => " (Passive)",
            _ => "",
        }
    }
}
