/// The lines of a status, in order.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// The server.
    pub server: String,
    /// What is told about it.
    pub lines: Vec<StatusLine>,
}

/// One fact.
#[derive(Debug, Clone)]
pub struct StatusLine {
    /// The key that programs know it by.
    pub code: &'static str,
    /// What it is.
    pub description: &'static str,
    /// What it is now.
    pub message: String,
}

impl ServerStatus {
    /// Adds a fact.
    pub fn add(&mut self, code: &'static str, description: &'static str, message: impl Into<String>) {
        self.lines.push(StatusLine { code, description, message: message.into() });
    }
}
