//! The scripts that a user has run before and after what is done: a backup, a WAL file coming in, a deletion, a WAL
//! file going, a restore.
//!
//! Around each event there may be four: `pre_…_script`, then `pre_…_retry_script`, the event, then
//! `post_…_retry_script` and `post_…_script`. A plain script runs once and what it makes of it changes nothing. A retry
//! script runs until it succeeds, or says by its exit code that it gives up: 62 to go on without it, 63 to stop what
//! was about to be done. Before the event only; what is done cannot be stopped any more.
//!
//! The text of the option goes to a shell as the user wrote it; variables tell the script what is going on
//! ([`environment`]). No lock of the WAL archive is held meanwhile, and none that reading the catalogue needs: a script
//! may call barman. What a script says goes to the log.
//!
//! A stop (Ctrl-C) ends the script that runs. Scripts after the event still run then, as after any failure, since
//! they may undo what those before have done: once, without trying again, and until the next stop.

mod environment;
mod run;
mod wal_files;

use std::path::Path;

pub use environment::{BackupFacts, RestoreFacts, Subject, WalFacts};
pub use wal_files::{WalScripts, remove_wal};

use super::Server;
use crate::config::{HookEvent, HookPhase, ServerConfig};
use crate::sys::{Cancelled, Command, Context};
use environment::{Occasion, environment};
use run::{Ending, Script};

/// A script does not let an event happen, or nobody waits for it any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A retry script ended with the exit code that means stop. These are the words that Barman puts into the record
    /// of a backup and into `BARMAN_ERROR`.
    #[error("Abort '{option}' retry hook script ({command}, exit code: {code})", code = run::ABORT_STOP)]
    Aborted {
        /// The option that names the script.
        option: String,
        /// The script.
        command: String,
    },
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// The scripts of a server; by default none.
#[derive(Clone, Copy, Default)]
pub struct Scripts<'a>(Option<Source<'a>>);

#[derive(Clone, Copy)]
struct Source<'a> {
    config: &'a ServerConfig,
    /// The main configuration file, as it was asked for.
    configuration: &'a Path,
}

impl<'a> Scripts<'a> {
    /// The scripts that the configuration of a server names.
    pub fn of(server: &Server<'a>) -> Self {
        Self(Some(Source { config: server.config, configuration: &server.global.config_file }))
    }

    /// Whether any script runs before or after `event`.
    pub fn watch(&self, event: HookEvent) -> bool {
        HookPhase::ALL.iter().any(|phase| !self.scripts(*phase, event).is_empty())
    }

    /// Runs the scripts before `event`; an error when it must not happen.
    pub fn before(&self, context: &Context, event: HookEvent, subject: &Subject<'_>) -> Result<(), Error> {
        for script in self.scripts(HookPhase::Pre, event) {
            let command = self.command(&script, HookPhase::Pre, event, subject);
            match run::run(context, &script, &command)? {
                Ending::Over => {}
                Ending::Stop => {
                    return Err(Error::Aborted { option: script.option, command: script.text });
                }
            }
        }
        Ok(())
    }

    /// Runs the scripts after `event`, whatever became of it.
    pub fn after(&self, context: &Context, event: HookEvent, subject: &Subject<'_>) {
        for script in self.scripts(HookPhase::Post, event).into_iter().rev() {
            let command = self.command(&script, HookPhase::Post, event, subject);
            match run::run(context, &script, &command) {
                Ok(Ending::Over) => {}
                Ok(Ending::Stop) => tracing::warn!("{script} asked to stop what is done already; going on"),
                Err(Cancelled) => tracing::warn!("{script} was ended, or not tried again, because of a stop"),
            }
        }
    }

    /// The scripts of a phase in the order in which those before an event run: the plain one first.
    fn scripts(&self, phase: HookPhase, event: HookEvent) -> Vec<Script<'a>> {
        let Some(Source { config, .. }) = self.0 else { return Vec::new() };
        let hooks = config.hooks(phase, event);
        let (phase, event) = (phase.as_str(), event.as_str());
        let scripts = [
            (hooks.script, false, format!("{phase}_{event}_script")),
            (hooks.retry_script, true, format!("{phase}_{event}_retry_script")),
        ];
        let named = scripts.into_iter().filter_map(|(text, retries, option)| {
            let text = text.filter(|text| !text.is_empty())?.to_owned();
            Some(Script { server: config.name(), option, text, retries })
        });
        named.collect()
    }

    fn command(
        &self,
        script: &Script<'_>,
        phase: HookPhase,
        event: HookEvent,
        subject: &Subject<'_>,
    ) -> Command {
        let Some(Source { config, configuration }) = self.0 else { return Command::new("true") };
        let occasion =
            Occasion { server: config.name(), configuration, phase, event, retries: script.retries, subject };
        let command = Command::new("/bin/sh").args(["-c", &script.text]).path_prefix(config.path_prefix());
        environment(&occasion).into_iter().fold(command, |command, (name, value)| command.env(name, value))
    }
}
