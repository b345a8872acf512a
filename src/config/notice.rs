//! What the configuration makes us say at start-up.

use std::fmt;

use super::place::Place;
use crate::sys::Severity;

/// A message about the configuration that does not stop the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// Who is told.
    pub audience: Audience,
    /// What is told, in Barman's words.
    pub text: String,
    /// The line it is about.
    pub place: Option<Place>,
    /// The server that it is about, when nobody needs it who works with others.
    pub server: Option<String>,
}

/// Who is told a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The person and the log.
    Everyone,
    /// The log.
    Log,
}

impl Notice {
    /// A warning to the person and the log.
    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, Audience::Everyone, text)
    }

    /// A warning to the log.
    pub(super) fn log_warning(text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, Audience::Log, text)
    }

    pub(super) fn new(severity: Severity, audience: Audience, text: impl Into<String>) -> Self {
        Self { severity, audience, text: text.into(), place: None, server: None }
    }

    /// The same, about a line.
    pub(super) fn at(self, place: &Place) -> Self {
        Self { place: Some(place.clone()), ..self }
    }

    /// The same, for those who work with a server.
    pub(super) fn of_server(self, name: &str) -> Self {
        Self { server: Some(name.to_owned()), ..self }
    }
}

/// The text, and the line in parentheses.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} ({place})", self.text),
            None => f.write_str(&self.text),
        }
    }
}
