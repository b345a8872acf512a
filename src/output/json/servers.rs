use serde_json::{Value, json};

use super::Object;
use crate::view::{CheckReport, Listed, RunningTasks, ServerSettings, ServerStatus};

/// A server in the answer of `list-servers`.
pub fn server(server: &Listed<'_>) -> Value {
    let description = server.description.unwrap_or_default();
    json!({"description": format!("{description}{}", server.state())})
}

/// The answer of `check`, by what was checked.
pub fn checks(report: &CheckReport) -> Value {
    let mut object = Object::new();
    for check in &report.checks {
        let verdict = if check.ok { "OK" } else { "FAILED" };
        object.put(&key(check.label), json!({"status": verdict, "hint": check.hint}));
    }
    object.finish()
}

fn key(label: &str) -> String {
    label.to_lowercase().replace([' ', '-'], "_").replace('.', "")
}

/// The answer of `show-servers`, by setting.
pub fn server_settings(answer: &ServerSettings) -> Value {
    answer.settings.iter().map(|(name, value)| (name.clone(), value.json.clone())).collect()
}

/// The answer of `status`, by code.
pub fn server_status(status: &ServerStatus) -> Value {
    let lines = status.lines.iter();
    lines.map(|line| (line.code, json!({"description": line.description, "message": line.message}))).collect()
}

/// The answer of `list-processes`, an object for each process.
pub fn running_tasks(running: &RunningTasks) -> Value {
    running.tasks.iter().map(|task| json!({"name": task.name, "pid": task.pid})).collect()
}
