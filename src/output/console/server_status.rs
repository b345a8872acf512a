use crate::view::ServerStatus;

/// One line per fact under the server's name.
pub fn server_status(status: &ServerStatus) -> String {
    let lines = status.lines.iter().map(|line| format!("\t{}: {}\n", line.description, line.message));
    format!("Server {}:\n", status.server) + &lines.collect::<String>()
}
