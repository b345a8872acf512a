use super::servers::title;
use crate::view::ServerSettings;

/// One line per setting under the server's name.
pub fn server_settings(answer: &ServerSettings) -> String {
    let lines = answer.settings.iter().map(|(name, value)| format!("\t{name}: {}\n", value.text));
    title(&answer.server, answer.active, answer.disabled) + &lines.collect::<String>()
}
