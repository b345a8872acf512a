//! A run of the program: its settings, its context, its console.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::commands::Command;
use super::globals::{self, Cli, Color, LogLevel};
use super::logging;
use crate::config::{Audience, Config, Global, MainFile, Notice, ServerConfig};
use crate::ops::{self, Server};
use crate::output::{Format, Terminal, TerminalOptions};
use crate::pg;
use crate::sys::log_file::LogFile;
use crate::sys::{Cancel, Context, Events, Files, Progress, Severity, user};
use crate::types::with_causes;

/// Everything a command works with.
pub struct App {
    /// The configuration of all servers.
    pub config: Config,
    /// The world outside.
    pub context: Context,
    /// Where answers go.
    pub terminal: Arc<Terminal>,
}

impl App {
    /// Reads the configuration, becomes the user it names, opens the log and reads the servers.
    pub fn start(cli: &Cli) -> anyhow::Result<Self> {
        let files = Files::default();
        let main_file = MainFile::load(&MainFile::find(cli.config.as_deref(), &files)?, &files)?;
        user::ensure(&main_file.global().barman_user)?;
        let cancel = Cancel::on_signals().context("cannot install signal handlers")?;
        let log_warning = open_log(main_file.global(), cli.log_level);
        let terminal = Arc::new(Terminal::new(terminal_options(cli)));
        let context = Context::new(Arc::new(Narrator(terminal.clone())), cancel);
        if let Some(warning) = log_warning {
            tracing::warn!("{warning}");
        }
        let config = main_file.load_servers(&files)?;
        let app = Self { config, context, terminal };
        app.tell_notices(|notice| notice.server.is_none());
        Ok(app)
    }

    /// Says what the configuration of a server gives reason to say, when work with it begins.
    pub fn tell_notices_of(&self, server: &ServerConfig) {
        self.tell_notices(|notice| notice.server.as_deref() == Some(server.name()));
    }

    fn tell_notices(&self, concerns: impl Fn(&Notice) -> bool) {
        for notice in self.config.warnings.iter().filter(|notice| concerns(notice)) {
            match notice.audience {
                Audience::Everyone => self.context.events.say(notice.severity, &notice.to_string()),
                Audience::Log => tracing::warn!("{notice}"),
            }
        }
    }

    /// A server with what use cases need to work on it.
    pub fn server<'a>(&'a self, config: &'a ServerConfig) -> Server<'a> {
        Server::new(&self.context, &self.config.global, config)
    }

    /// The exit code of a command that went through; one of its own that tells of trouble goes before the general one.
    pub fn finish(&self, code: ExitCode) -> ExitCode {
        if self.terminal.failed() && code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
    }

    /// Says what went wrong with one server, so that the others can be worked on; a stop that was asked for
    /// ends the whole command.
    pub fn keep_going<T>(&self, result: Result<T, ops::Error>) -> anyhow::Result<Option<T>> {
        match result {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if self.context.cancel.is_cancelled() => Err(error.into()),
            Err(error) => {
                self.context.events.error(&error.description());
                Ok(None)
            }
        }
    }

    /// Says why a command stopped.
    pub fn fail(&self, error: &anyhow::Error) -> ExitCode {
        let text = if self.context.cancel.is_cancelled() {
            "Process interrupted by user (KeyboardInterrupt)".to_owned()
        } else {
            match error.downcast_ref::<ops::Error>() {
                Some(error) => error.description(),
                None => with_causes(error.as_ref()),
            }
        };
        self.context.events.error(&text);
        ExitCode::FAILURE
    }
}

/// Opens the log; gives what is to be said when that fails.
fn open_log(global: &Global, level: Option<LogLevel>) -> Option<String> {
    let path = global.log_file.as_deref();
    let opened = path.map(LogFile::open).transpose();
    let warning = opened.as_ref().err().zip(path).map(|(error, path)| {
        format!(
            "Failed opening the requested log file. Using standard error instead. ('{}': {error})",
            path.display()
        )
    });
    let threshold = level.map_or(global.log_level, LogLevel::threshold);
    logging::install(opened.ok().flatten(), threshold, global.log_format.clone());
    warning
}

fn terminal_options(cli: &Cli) -> TerminalOptions {
    let terminals = io::stdout().is_terminal() && io::stderr().is_terminal();
    let color = match cli.color {
        Color::Never => false,
        Color::Always => true,
        Color::Auto => terminals,
    };
    let format = match cli.format {
        _ if cli.command.as_ref().is_some_and(Command::is_for_monitoring) => Format::Monitoring,
        globals::Format::Console => Format::Console,
        globals::Format::Json => Format::Json,
    };
    TerminalOptions {
        format,
        quiet: cli.quiet,
        debug: cli.debug,
        color,
        terminal: io::stderr().is_terminal() && format == Format::Console,
        redact: pg::redact,
    }
}

/// Passes on what work tells: to the console, and to the log.
struct Narrator(Arc<Terminal>);

impl Events for Narrator {
    fn say(&self, severity: Severity, text: &str) {
        self.0.say(severity, text);
        match severity {
            Severity::Debug => tracing::debug!("{text}"),
            Severity::Info => tracing::info!("{text}"),
            Severity::Warning => tracing::warn!("{text}"),
            Severity::Error => tracing::error!("{text}"),
        }
    }

    fn progress(&self, progress: Progress<'_>) {
        self.0.progress(progress);
    }
}
