//! The settings: one table of options, the files they come from, and what they mean for a server.
//!
//! Reading goes in two steps, because the program becomes another user and opens its log in between:
//!
//! 1. [`MainFile::find`] and [`MainFile::load`] read the main file and its section `[barman]` ([`Global`]).
//! 2. [`MainFile::load_servers`] reads the files of the configuration directory and the one of `config-update`,
//!    and gives every server a value for every option of the [`schema`]: its own, that of `[barman]`, or the
//!    default.
//!
//! A file is [`ini`] or TOML; both become the same sections, in which every option knows its file and line. What
//! stops the program is an [`Error`]; what the person should know is a [`Notice`]; what keeps one server from
//! working is in [`ServerConfig::problems`].

mod edit;
mod error;
mod global;
pub mod ini;
mod interpolation;
mod kind;
mod log_style;
mod main_file;
mod model;
mod notice;
mod paths;
mod place;
mod raw;
pub mod schema;
mod sections;
mod select;
mod server;
#[cfg(test)]
pub(crate) mod tests;
mod toml;
mod value;
mod written;

use std::collections::BTreeMap;

pub use edit::{EditError, set_option};
pub use error::Error;
pub use global::Global;
pub use interpolation::Fault as InterpolationFault;
pub use kind::{Kind, SetKind, WordKind};
pub use log_style::{LogField, LogFill, LogFormat, LogLevel, LogPiece};
pub use main_file::MainFile;
pub use model::Model;
pub use notice::{Audience, Notice};
pub use place::{Place, Source};
pub use select::SelectError;
pub use server::{
    BackupMethod, BackupOptions, Change, Compression, CompressionLevel, Encryption, HookEvent, HookPhase,
    Hooks, RecoveryOptions, Retry, ReuseBackup, ServerConfig, Setting, Staging, StagingLocation,
    StagingOptions,
};
pub use value::{OptionSet, Value};
pub use written::{SectionKind, Written, validate as validate_option};

/// The whole configuration.
pub struct Config {
    /// The settings of the installation.
    pub global: Global,
    /// The servers by name.
    pub servers: BTreeMap<String, ServerConfig>,
    /// The models by name.
    pub models: BTreeMap<String, Model>,
    /// What is to be told about the files, in the order it was met.
    pub warnings: Vec<Notice>,
    /// Directories that servers share, in Barman's words; with one of them no server can be worked with.
    pub conflicts: Vec<String>,
}
