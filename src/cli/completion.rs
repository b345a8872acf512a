//! What the shell offers when somebody presses the tab key: commands and options from their definitions, servers from
//! the configuration, backups from the catalogue.
//!
//! The shell runs the program with [`VARIABLE`] set and the words typed so far. That run reads files as the user who
//! types, and does nothing else: no other user is taken, no log is opened, and what cannot be read is not offered.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::CompleteEnv;

use super::globals::Cli;
use crate::config::{Config, MainFile, ServerConfig};
use crate::ops::Server;
use crate::sys::events::Silent;
use crate::sys::{Cancel, Context, Files, env};

/// The environment variable that names the shell which asks. Nobody has it by accident, as one might have `COMPLETE`.
pub const VARIABLE: &str = "BARMAN_COMPLETE";

/// The words that stand for a backup.
const SHORTCUTS: [(&str, &str); 4] = [
    ("latest", "the newest one"),
    ("oldest", "the oldest one"),
    ("last-failed", "the newest one that failed"),
    ("latest-full", "the newest one that stands alone"),
];

/// Answers a shell that asks; `false` when none does and the program is to do its work.
pub fn answer(args: &[OsString]) -> bool {
    if env::var_os(VARIABLE).is_none_or(|shell| shell == "0") {
        return false;
    }
    let words = args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect::<Vec<_>>();
    let shell = CompleteEnv::with_factory(|| command(&Typed::from(&words))).var(VARIABLE);
    // A message would land in the middle of the line that is being typed.
    let _ = shell.try_complete(args, env::current_dir().ok().as_deref());
    true
}

/// What the words typed so far say about what can follow.
#[derive(Clone, Default)]
struct Typed {
    config: Option<PathBuf>,
    server: Option<String>,
}

impl Typed {
    fn from(words: &[OsString]) -> Self {
        let Ok(matches) = Cli::command().ignore_errors(true).try_get_matches_from(words) else {
            return Self::default();
        };
        let config = matches.get_one::<PathBuf>("config").map(|path| expanded(path));
        let command = matches.subcommand().map(|(_, matches)| matches);
        Self { config, server: command.and_then(server_of) }
    }

    /// The servers, when the configuration can be read.
    fn load(&self) -> Option<Config> {
        let files = Files::default();
        let path = MainFile::find(self.config.as_deref(), &files).ok()?;
        MainFile::load(&path, &files).ok()?.load_servers(&files).ok()
    }

    fn servers(&self) -> Vec<CompletionCandidate> {
        let Some(config) = self.load() else { return Vec::new() };
        let described = |server: &ServerConfig| {
            let help = server.description().map(|text| text.to_owned().into());
            CompletionCandidate::new(server.name()).help(help)
        };
        config.servers.values().map(described).collect()
    }

    /// The backups of the server that was typed, newest first, then the words that stand for one.
    fn backups(&self) -> Option<Vec<CompletionCandidate>> {
        let config = self.load()?;
        let server = config.server(self.server.as_deref()?).ok()?;
        let context = Context::new(Arc::new(Silent), Cancel::default());
        let catalog = Server::new(&context, &config.global, server).catalog().ok()?;
        let backups = catalog.load().backups;
        let candidate = |value: &str, help: String| CompletionCandidate::new(value).help(Some(help.into()));
        let ids = backups.iter().rev().map(|info| candidate(info.id.as_str(), info.status.to_string()));
        let names = backups.iter().rev().filter_map(|info| {
            let name = info.backup_name.as_deref()?;
            Some(candidate(name, info.id.to_string()))
        });
        let shortcuts = SHORTCUTS.iter().map(|(word, meaning)| candidate(word, (*meaning).to_owned()));
        Some(ids.chain(names).chain(shortcuts).collect())
    }
}

/// The server that a command is to work on.
fn server_of(command: &ArgMatches) -> Option<String> {
    command.try_get_one::<String>("server_name").ok().flatten().cloned()
}

/// The shell hands over a leading `~/` as it was typed.
fn expanded(path: &Path) -> PathBuf {
    path.to_str().map_or_else(|| path.to_owned(), env::expand_home)
}

/// The command line with what can be offered for servers and backups.
fn command(typed: &Typed) -> Command {
    Cli::command().mut_subcommands(|command| {
        let typed = typed.clone();
        command.mut_args(move |arg| with_candidates(arg, typed.clone()))
    })
}

fn with_candidates(arg: Arg, typed: Typed) -> Arg {
    match arg.get_id().as_str() {
        "server_name" => arg.add(ArgValueCandidates::new(move || typed.servers())),
        "server_names" => arg.add(ArgValueCandidates::new(move || {
            let mut servers = typed.servers();
            if !servers.is_empty() {
                servers.push(CompletionCandidate::new("all").help(Some("every server".into())));
            }
            servers
        })),
        "backup_id" => arg.add(ArgValueCandidates::new(move || typed.backups().unwrap_or_default())),
        _ => arg,
    }
}
