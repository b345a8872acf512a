//! One file per command: what can be typed, and which use case it asks.

mod archive_wal;
mod backup;
mod check;
mod check_backup;
mod copy_options;
mod cron;
mod delete;
mod list_backups;
mod list_files;
mod list_servers;
mod restore;
mod selection;
mod show_backup;
mod show_servers;
mod status;
mod switch_wal;

use std::process::ExitCode;

use clap::{CommandFactory, Subcommand};

use super::app::App;
use super::globals::Cli;

/// The commands, with the names that they had before.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Archive the WAL files that arrived in the incoming directory
    ArchiveWal(archive_wal::Args),
    /// Take a base backup of a running server
    Backup(Box<backup::Args>),
    /// Tell whether backups can be taken and WAL arrives
    Check(check::Args),
    /// Tell whether all WAL that a backup needs is archived, and record it
    CheckBackup(check_backup::Args),
    /// Do the maintenance that is due; runs every minute
    Cron(cron::Args),
    /// Delete a backup and the WAL that only it needs
    Delete(delete::Args),
    /// List the backups of servers
    #[command(alias = "list-backup")]
    ListBackups(list_backups::Args),
    /// List the files of a backup
    ListFiles(list_files::Args),
    /// List the configured servers
    #[command(alias = "list-server")]
    ListServers(list_servers::Args),
    /// Restore a backup, to its end or to a moment after it
    #[command(alias = "recover", after_help = restore::EXAMPLE)]
    Restore(Box<restore::Args>),
    /// Show all about a backup
    #[command(alias = "show-backups")]
    ShowBackup(show_backup::Args),
    /// Show the settings of servers and what PostgreSQL tells about itself
    #[command(alias = "show-server")]
    ShowServers(show_servers::Args),
    /// Show the state of servers in short
    Status(status::Args),
    /// Make PostgreSQL finish its current WAL file
    #[command(alias = "switch-xlog")]
    SwitchWal(switch_wal::Args),
}

/// Runs the command; without one, explains the program.
pub fn run(app: &App, cli: &Cli) -> anyhow::Result<ExitCode> {
    let Some(command) = &cli.command else {
        app.terminal.print_text(&Cli::command().render_long_help().to_string());
        return Ok(ExitCode::SUCCESS);
    };
    match command {
        Command::ArchiveWal(args) => archive_wal::run(app, args),
        Command::Backup(args) => backup::run(app, args),
        Command::Check(args) => return check::run(app, args),
        Command::CheckBackup(args) => check_backup::run(app, args),
        Command::Cron(args) => cron::run(app, args),
        Command::Delete(args) => delete::run(app, args),
        Command::ListBackups(args) => list_backups::run(app, args),
        Command::ListFiles(args) => list_files::run(app, args),
        Command::ListServers(args) => list_servers::run(app, args),
        Command::Restore(args) => restore::run(app, args),
        Command::ShowBackup(args) => show_backup::run(app, args),
        Command::ShowServers(args) => show_servers::run(app, args),
        Command::Status(args) => status::run(app, args),
        Command::SwitchWal(args) => switch_wal::run(app, args),
    }?;
    Ok(ExitCode::SUCCESS)
}
