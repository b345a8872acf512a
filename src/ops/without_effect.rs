//! Options that a server sets and that do not act yet: the command that would need them says so.

use super::Server;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A base backup is taken, and its WAL archived.
    Backup,
    /// WAL is archived.
    Archiving,
    /// Everything that is due is done: archiving, and deleting by the retention policy.
    Maintenance,
    /// A backup is deleted.
    Deletion,
    /// A backup is restored.
    Restore,
}

impl Task {
    /// The hooks around it, and other options that change how it is done.
    fn options(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Backup => (&["backup", "archive"], &["autogenerate_manifest"]),
            Self::Archiving => (&["archive"], &[]),
            Self::Maintenance => (&["archive", "delete", "wal_delete"], &[]),
            Self::Deletion => (&["delete", "wal_delete"], &[]),
            Self::Restore => (&["recovery"], &["recovery_options", "staging_path", "staging_location"]),
        }
    }

    fn needs(self, option: &str) -> bool {
        let (hooks, others) = self.options();
        hooked_event(option).map_or_else(|| others.contains(&option), |event| hooks.contains(&event))
    }
}

/// The event of a hook option: `archive` of `pre_archive_retry_script`.
fn hooked_event(option: &str) -> Option<&str> {
    let event =
        option.strip_prefix("pre_").or_else(|| option.strip_prefix("post_"))?.strip_suffix("_script")?;
    Some(event.strip_suffix("_retry").unwrap_or(event))
}

/// Warns of the options that `server` sets for `task` in vain: somebody relies on them.
pub fn warn(server: &Server<'_>, task: Task) {
    let mut options = server.config.without_effect();
    options.retain(|option| task.needs(option));
    if !options.is_empty() {
        server.warning(format!(
            "server '{}' sets options that have no effect in this version: {}",
            server.name(),
            options.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_needs_the_hooks_around_it_and_no_others() {
        for (option, tasks) in [
            ("pre_backup_script", &[Task::Backup][..]),
            ("post_archive_retry_script", &[Task::Backup, Task::Archiving, Task::Maintenance]),
            ("post_wal_delete_script", &[Task::Maintenance, Task::Deletion]),
            ("pre_recovery_retry_script", &[Task::Restore]),
            ("recovery_options", &[Task::Restore]),
            ("streaming_backup_name", &[]),
        ] {
            let all = [Task::Backup, Task::Archiving, Task::Maintenance, Task::Deletion, Task::Restore];
            let needing: Vec<Task> = all.into_iter().filter(|task| task.needs(option)).collect();
            assert_eq!(needing, tasks, "{option}");
        }
    }
}
