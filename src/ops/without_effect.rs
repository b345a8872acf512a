//! Options that a server sets and that do not act yet: the command that would need them says so.

use super::Server;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A backup is restored.
    Restore,
}

impl Task {
    /// The options that change how it is done.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Restore => &["recovery_options"],
        }
    }
}

/// Warns of the options that `server` sets for `task` in vain: somebody relies on them.
pub fn warn(server: &Server<'_>, task: Task) {
    let mut options = server.config.without_effect();
    options.retain(|option| task.options().contains(option));
    if !options.is_empty() {
        server.warning(format!(
            "server '{}' sets options that have no effect in this version: {}",
            server.name(),
            options.join(", ")
        ));
    }
}
