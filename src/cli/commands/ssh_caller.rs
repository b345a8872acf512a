//! Commands that other hosts run over ssh: their messages name that host, since somebody there reads them.

use crate::cli::app::App;
use crate::ops;
use crate::sys::env;

/// ` (SSH host: 10.0.0.1)` when ssh has brought the command here; empty otherwise.
pub fn suffix() -> String {
    let connection = env::var("SSH_CONNECTION").unwrap_or_default();
    let client = connection.split_whitespace().next();
    client.map(|client| format!(" (SSH host: {client})")).unwrap_or_default()
}

/// Says why the command failed.
pub fn say_error(app: &App, error: &ops::Error) {
    let hint = error.hint().map(|hint| format!("\nHINT: {hint}")).unwrap_or_default();
    app.context.events.error(&format!("{}{}{hint}", error.with_causes(), suffix()));
}
