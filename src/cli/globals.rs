//! The options that stand before the command.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::commands::Command;
use crate::config;

/// The release of Barman that we stand in for.
pub const RELEASE: &str = "3.19.1";

/// Our own name and version.
pub const IMPLEMENTATION: &str = concat!("Barman in Rust ", env!("CARGO_PKG_VERSION"));

/// What other programs parse: the release of Barman that we stand in for, then our own name.
pub const VERSION: &str = concat!("3.19.1 Barman in Rust ", env!("CARGO_PKG_VERSION"));

/// The same of the programs for PostgreSQL's host.
pub const CLIENT_VERSION: &str = concat!("3.19.1 (Barman in Rust ", env!("CARGO_PKG_VERSION"), ")");

/// Back up PostgreSQL servers, archive their WAL and restore them to any moment
#[derive(Debug, Parser)]
#[command(
    name = "barman",
    version = VERSION,
    disable_version_flag = true,
    infer_long_args = true,
    subcommand_required = false,
    args_override_self = true,
    after_help = "Start with 'barman check SERVER': it names what is missing. 'barman COMMAND --help' explains a command."
)]
pub struct Cli {
    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,

    /// Configuration file; default: $BARMAN_CONFIG_FILE, ~/.barman.conf, /etc/barman.conf, /etc/barman/barman.conf
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// When to colour messages
    #[arg(long, visible_alias = "colour", value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,

    /// Level of the log file, over the one in the configuration
    #[arg(long, value_enum, value_name = "LEVEL", ignore_case = false)]
    pub log_level: Option<LogLevel>,

    /// Say only what went wrong
    #[arg(short, long)]
    pub quiet: bool,

    /// Tell what happens behind the scenes, on standard error
    #[arg(short, long)]
    pub debug: bool,

    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Console)]
    pub format: Format,

    /// The command to run
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The words of the command line, made unambiguous.
///
/// `--reuse-backup` may stand without its value, but then must not take the server's name for it.
pub fn words(typed: Vec<OsString>) -> Vec<OsString> {
    const VALUES: [&str; 3] = ["link", "copy", "off"];
    let mut words: Vec<OsString> = Vec::with_capacity(typed.len());
    for word in typed {
        let after_bare_option = words.last().is_some_and(|last| last == "--reuse-backup");
        if after_bare_option && !VALUES.iter().any(|value| word == *value) {
            words.pop();
            words.push("--reuse-backup=link".into());
        }
        words.push(word);
    }
    words
}

/// When messages are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Never.
    Never,
    /// Always, also into a file.
    Always,
    /// When both standard output and standard error are terminals.
    Auto,
}

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people and for scripts that parse it.
    Console,
    /// One JSON document when the command ends, messages included.
    Json,
}

/// The levels of the log file, spelled as the configuration spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum LogLevel {
    Notset,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl LogLevel {
    /// What this level lets into the log.
    pub fn threshold(self) -> config::LogLevel {
        match self {
            Self::Notset | Self::Debug => config::LogLevel::DEBUG,
            Self::Info => config::LogLevel::INFO,
            Self::Warning => config::LogLevel::WARNING,
            Self::Error => config::LogLevel::ERROR,
            Self::Critical => config::LogLevel::CRITICAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_reuse_backup_does_not_swallow_the_server() {
        let typed =
            |line: &str| words(line.split(' ').map(OsString::from).collect()).join(&OsString::from(" "));
        assert_eq!(typed("barman backup --reuse-backup main"), "barman backup --reuse-backup=link main");
        assert_eq!(typed("barman backup --reuse-backup copy main"), "barman backup --reuse-backup copy main");
        assert_eq!(typed("barman backup main --reuse-backup"), "barman backup main --reuse-backup");
    }
}
