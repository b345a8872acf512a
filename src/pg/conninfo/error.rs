use std::fmt;
use std::path::PathBuf;

use super::keywords::Keyword;
use crate::sys::fs;

/// Why a connection string cannot be used. No value of a secret keyword is ever in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text holds a NUL byte.
    #[error("connection string holds a NUL byte")]
    NulByte,
    /// A word without `=`, usually the rest of a value with blanks that stands without quotes.
    #[error(
        "connection string has no '=' after the word at character {position} (values with blanks need quotes: 'a b')"
    )]
    MissingEquals {
        /// Where the word begins, counted from 1.
        position: usize,
    },
    /// A keyword that libpq does not know either.
    #[error("connection string has an unknown keyword '{name}' at character {position}")]
    UnknownKeyword {
        /// The keyword; an ellipsis when it may be part of a password.
        name: String,
        /// Where it begins, counted from 1.
        position: usize,
    },
    /// A value begins with `'` and never ends.
    #[error("connection string has no closing quote for the value of '{key}'")]
    UnterminatedQuote {
        /// The keyword.
        key: KeywordName,
    },
    /// A URI has a `[` without its `]`, or something else than a port after it.
    #[error("connection URI has a malformed IPv6 address; it is written [::1]:5432")]
    UnterminatedBracket,
    /// A parameter after the `?` of a URI is not `keyword=value`.
    #[error("connection URI has a parameter that is not 'keyword=value'")]
    MalformedQuery,
    /// A keyword after the `?` of a URI that libpq does not know either.
    #[error("connection URI has an unknown parameter '{name}'")]
    UnknownQuery {
        /// The keyword.
        name: String,
    },
    /// `%` without two hexadecimal digits, `%00`, or bytes that are not UTF-8.
    #[error("connection URI has a malformed percent-encoding")]
    MalformedEncoding,
    /// A value that its keyword does not take.
    #[error("connection parameter {key} has an invalid value{}", shown(value))]
    InvalidValue {
        /// The keyword and where its value comes from.
        key: Origin,
        /// The value, when it may be shown.
        value: Option<String>,
    },
    /// Two lists that belong together have different lengths.
    #[error("connection parameters {first} and {second} have {first_count} and {second_count} entries")]
    ListsDiffer {
        /// The one list.
        first: KeywordName,
        /// Its length.
        first_count: usize,
        /// The other list.
        second: KeywordName,
        /// Its length.
        second_count: usize,
    },
    /// Two parameters that exclude each other.
    #[error("connection parameter {key}: {reason}")]
    Contradiction {
        /// The keyword and where its value comes from.
        key: Origin,
        /// What else is set, and what would be allowed.
        reason: &'static str,
    },
    /// A parameter that asks for a protection or a mechanism we do not have; it is never dropped silently.
    #[error("connection parameter {key} cannot be honoured: {reason}")]
    NotSupported {
        /// The keyword and where its value comes from.
        key: Origin,
        /// What is missing.
        reason: &'static str,
    },
    /// The service is in none of the files.
    #[error("definition of service '{service}' not found in {}", list(searched))]
    ServiceNotFound {
        /// The service.
        service: String,
        /// The files that were searched.
        searched: Vec<PathBuf>,
    },
    /// A service file has something that libpq would not accept.
    #[error("service file '{}': {reason}", path.display())]
    ServiceFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that the parameters name cannot be read.
    #[error(transparent)]
    File(#[from] fs::Error),
}

/// A keyword in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeywordName(pub(super) Keyword);

impl fmt::Display for KeywordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Keyword> for KeywordName {
    fn from(key: Keyword) -> Self {
        Self(key)
    }
}

/// A keyword together with the place its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub(super) key: KeywordName,
    pub(super) source: Source,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The connection string, or a default that follows from it.
    Text,
    /// A service file.
    Service(PathBuf),
    /// An environment variable.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.key)?;
        match &self.source {
            Source::Text => Ok(()),
            Source::Service(path) => write!(f, " (from service file '{}')", path.display()),
            Source::Variable(name) => write!(f, " (from {name})"),
        }
    }
}

fn shown(value: &Option<String>) -> String {
    value.as_ref().map(|value| format!(" '{value}'")).unwrap_or_default()
}

fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "any file: there is no home directory and no system-wide file".into();
    }
    paths.iter().map(|path| format!("'{}'", path.display())).collect::<Vec<_>>().join(" or ")
}
