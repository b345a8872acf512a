/// The processes that work on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTasks {
    /// The server.
    pub server: String,
    /// What runs.
    pub tasks: Vec<RunningTask>,
}

/// A process at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTask {
    /// What it does: `backup`, `cron`, `archive-wal`, …
    pub name: &'static str,
    /// Its number.
    pub pid: u32,
}
