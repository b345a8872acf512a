//! Connection strings: what libpq reads, read the same way.
//!
//! [`Conninfo`] is the text and its grammar; nothing outside is looked at. [`Conninfo::resolve`] lays what stands
//! elsewhere under it, in libpq's order: string, service file, `PG*` variables, defaults; then the password file.
//! Programs that use libpq themselves get the text, not our reading of it.
//!
//! A keyword that asks for a protection we do not have is an error, never dropped. No value of a secret keyword
//! is ever in an error, a `Debug` or a `Display`.

mod error;
mod hosts;
mod keywords;
mod overlay;
mod parse;
mod passfile;
mod redact;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod tls_settings;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use error::{Error, KeywordName, Origin};
pub(super) use hosts::{Host, Password, Place};
pub(super) use keywords::Keyword;
pub use redact::redact;
pub(super) use settings::{AuthMethod, AuthPolicy, ChannelBinding, Keepalive, Settings, TargetSession};
pub(super) use tls_settings::{CertificateMode, OptionalFile, Roots, SslMode, TlsSettings, TlsVersion};

use crate::sys::{self, Files};

/// A connection string that libpq would accept; shown without its passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Conninfo {
    text: String,
    parameters: parse::Parameters,
}

impl Conninfo {
    /// The text as it was written, passwords included: for libpq programs, never for messages.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value that the text itself gives to a keyword such as `application_name`.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.parameters.get(&Keyword::find(keyword)?).map(String::as_str)
    }

    /// The text for a libpq program: with `application_name` and an empty search path, unless it has its own.
    pub fn for_program(&self, application_name: &str) -> Self {
        self.with_default(Keyword::ApplicationName, application_name)
            .with_default(Keyword::Options, "-csearch_path=")
    }

    /// Adds a parameter behind the text, unless the text gives one.
    pub(super) fn with_default(&self, key: Keyword, value: &str) -> Self {
        if self.parameters.contains_key(&key) { self.clone() } else { self.with(key, value) }
    }

    /// Adds a parameter behind the text, where it replaces an earlier one.
    pub(super) fn with(&self, key: Keyword, value: &str) -> Self {
        let mut new = self.clone();
        let (separator, value_text) = if parse::is_uri(&self.text) {
            (if self.text.contains('?') { "&" } else { "?" }, parse::encode(value))
        } else {
            (if self.text.is_empty() { "" } else { " " }, parse::quote(value))
        };
        new.text.push_str(&format!("{separator}{key}={value_text}"));
        new.parameters.insert(key, value.to_owned());
        new
    }

    /// Lays service file, environment, defaults and password file under the text.
    pub(super) fn resolve(&self, around: &Surroundings<'_>) -> Result<Settings, Error> {
        Settings::of(&overlay::Overlay::load(&self.parameters, around)?, around)
    }
}

impl FromStr for Conninfo {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self { text: text.to_owned(), parameters: parse::parse(text)? })
    }
}

impl fmt::Display for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

impl fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conninfo({:?})", redact(&self.text))
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one who must know it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(redact::REPLACEMENT)
    }
}

/// What stands around a connection string: the environment, the home directory, the user, the files.
pub(super) struct Surroundings<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) home: Option<PathBuf>,
    pub(super) user: String,
    pub(super) files: &'a Files,
}

impl<'a> Surroundings<'a> {
    /// Those of this process.
    pub(super) fn of_process(files: &'a Files) -> Self {
        Self { variable: &sys::env::var, home: sys::env::home(), user: sys::user::current(), files }
    }
}
