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
