//! What work tells while it goes on. Who listens (terminal, log, JSON, a test) is decided at the edge.

/// How much a message matters; an error makes the command fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For those who asked for it.
    Debug,
    /// The answer, and how it came about.
    Info,
    /// Something the person should know or change.
    Warning,
    /// Something did not work.
    Error,
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is being done, for example "copying pgdata".
    pub phase: &'a str,
    /// Bytes done since the phase began.
    pub bytes: u64,
    /// Bytes the phase will take, when known.
    pub total_bytes: Option<u64>,
}

/// A listener.
pub trait Events: Send + Sync {
    /// A line for the person; it may have several lines.
    fn say(&self, severity: Severity, text: &str);

    /// A step of long work; may come many times a second.
    fn progress(&self, progress: Progress<'_>);

    /// Says an answer or a step.
    fn info(&self, text: &str) {
        self.say(Severity::Info, text);
    }

    /// Says what the person should know or change.
    fn warning(&self, text: &str) {
        self.say(Severity::Warning, text);
    }

    /// Says what did not work.
    fn error(&self, text: &str) {
        self.say(Severity::Error, text);
    }
}

/// Nobody listens.
pub struct Silent;

impl Events for Silent {
    fn say(&self, _: Severity, _: &str) {}
    fn progress(&self, _: Progress<'_>) {}
}
