/// The checks of one server, in the order in which they were made.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// The server.
    pub server: String,
    /// Whether it is in service; what fails on others is shown but is no failure.
    pub active: bool,
    /// Whether its configuration has errors.
    pub disabled: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// Size of the last backup in bytes, for graphs; unknown when there is none.
    pub last_backup_bytes: u64,
    /// Size of the WAL after the last backup in bytes, for graphs.
    pub wal_bytes: u64,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is checked, in the words that monitoring parses.
    pub label: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What was found, or what to do.
    pub hint: String,
    /// Why it failed, where the row does not tell because monitoring knows other words there, or none.
    pub reason: Option<String>,
    /// Further lines.
    pub details: Vec<String>,
    /// Whether a backup can be taken all the same.
    pub tolerated_by_backup: bool,
}

impl CheckReport {
    /// Whether every check is well.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}
