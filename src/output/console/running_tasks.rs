use crate::view::RunningTasks;

/// A line for each process, its number first.
pub fn running_tasks(running: &RunningTasks) -> String {
    if running.tasks.is_empty() {
        return format!("No active subprocesses found for server {}.\n", running.server);
    }
    let lines = running.tasks.iter().map(|task| format!("{} {}\n", task.pid, task.name));
    format!("Active subprocesses for server {}:\n", running.server) + &lines.collect::<String>()
}
