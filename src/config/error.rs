use std::path::PathBuf;

use super::place::Place;
use super::{ini, interpolation};
use crate::sys;

/// A configuration that the program cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that was asked for does not exist.
    #[error("configuration file '{0}' does not exist")]
    NotFound(PathBuf),
    /// There is no file in any of the usual places.
    #[error("no configuration file found, looked for {}", listed(.0))]
    NoneFound(Vec<PathBuf>),
    /// A file or directory cannot be read.
    #[error(transparent)]
    Files(#[from] sys::fs::Error),
    /// A line that cannot be understood.
    #[error("'{}' {error}", path.display())]
    Ini {
        /// The file.
        path: PathBuf,
        /// The line, and what is wrong with it.
        error: ini::SyntaxError,
    },
    /// A TOML file that cannot be understood.
    #[error("{place}: {message}")]
    Toml {
        /// The line.
        place: Place,
        /// What is wrong with it.
        message: String,
    },
    /// The main file has no section for the installation.
    #[error("'{}' has no [barman] section", .0.display())]
    NoGlobalSection(PathBuf),
    /// An option without which nothing works.
    #[error("{place}: section [{section}] must set '{option}'")]
    Required {
        /// The line of the section.
        place: Place,
        /// The section.
        section: String,
        /// The option it lacks.
        option: &'static str,
    },
    /// A value without which nothing works, and which cannot be understood.
    #[error("{place}: '{option}' in section [{section}] cannot be '{value}': {reason}")]
    Value {
        /// The line.
        place: Place,
        /// The section.
        section: String,
        /// The option.
        option: String,
        /// What it is set to.
        value: String,
        /// Why it cannot be.
        reason: String,
    },
    /// A value whose percent signs cannot be understood.
    #[error("{place}: '{option}' in section [{section}] {fault}")]
    Interpolation {
        /// The line.
        place: Place,
        /// The section.
        section: String,
        /// The option.
        option: String,
        /// What is wrong with the value.
        fault: interpolation::Fault,
    },
    /// A server with a name that means something else.
    #[error("{place}: no server can be called '{name}', which means all of them")]
    Reserved {
        /// The line of the section.
        place: Place,
        /// The name.
        name: String,
    },
    /// A further file that would change what the program has already acted on.
    #[error("{place}: only the main configuration file may set '{option}' in section [barman]")]
    GlobalElsewhere {
        /// The line.
        place: Place,
        /// The option.
        option: String,
    },
    /// A server or model of which Python's Barman would see one half.
    #[error("{second}: section [{section}] is in TOML and in INI; the other one begins in {first}")]
    TwoFormats {
        /// The section.
        section: String,
        /// Where it begins.
        first: Place,
        /// Where it begins in the other format.
        second: Place,
    },
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("'{}'", path.display())).collect::<Vec<_>>().join(", ")
}
