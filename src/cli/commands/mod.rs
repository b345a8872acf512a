//! One file per command: what can be typed, and which use case it asks.

mod archive_wal;
mod backup;
mod check;
mod check_backup;
mod check_wal_archive;
mod config_switch;
mod config_update;
mod copy_options;
mod cron;
mod delete;
mod diagnose;
mod export_backup;
mod generate_manifest;
mod get_wal;
mod import_backup;
mod keep;
mod list_backups;
mod list_files;
mod list_processes;
mod list_servers;
mod lock_directory_cleanup;
mod put_wal;
mod rebuild_xlogdb;
mod replication_status;
mod restore;
mod selection;
mod show_backup;
mod show_servers;
mod ssh_caller;
mod status;
mod switch_wal;
mod sync_backup;
mod sync_info;
mod sync_wals;
mod terminate_process;
mod verify_backup;

use std::process::ExitCode;

use clap::{CommandFactory, Subcommand};

use super::app::App;
use super::globals::Cli;

/// The commands, with the names that they had before. Their help is the documentation of their arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    ArchiveWal(archive_wal::Args),
    Backup(Box<backup::Args>),
    Check(check::Args),
    CheckBackup(check_backup::Args),
    CheckWalArchive(check_wal_archive::Args),
    ConfigSwitch(config_switch::Args),
    ConfigUpdate(config_update::Args),
    Cron(cron::Args),
    Delete(delete::Args),
    Diagnose(diagnose::Args),
    ExportBackup(export_backup::Args),
    GenerateManifest(generate_manifest::Args),
    GetWal(get_wal::Args),
    ImportBackup(import_backup::Args),
    Keep(keep::Args),
    #[command(alias = "list-backup")]
    ListBackups(list_backups::Args),
    ListFiles(list_files::Args),
    #[command(alias = "list-process")]
    ListProcesses(list_processes::Args),
    #[command(alias = "list-server")]
    ListServers(list_servers::Args),
    LockDirectoryCleanup(lock_directory_cleanup::Args),
    PutWal(put_wal::Args),
    RebuildXlogdb(rebuild_xlogdb::Args),
    ReplicationStatus(replication_status::Args),
    #[command(alias = "recover")]
    Restore(Box<restore::Args>),
    #[command(alias = "show-backups")]
    ShowBackup(show_backup::Args),
    #[command(alias = "show-server")]
    ShowServers(show_servers::Args),
    Status(status::Args),
    #[command(alias = "switch-xlog")]
    SwitchWal(switch_wal::Args),
    SyncBackup(sync_backup::Args),
    SyncInfo(sync_info::Args),
    SyncWals(sync_wals::Args),
    TerminateProcess(terminate_process::Args),
    #[command(alias = "verify")]
    VerifyBackup(verify_backup::Args),
}

impl Command {
    /// Whether it answers to a program for monitoring.
    pub fn is_for_monitoring(&self) -> bool {
        matches!(self, Self::Check(args) if args.nagios)
    }
}

/// The exit code when the command could not be begun.
pub fn failure(cli: &Cli) -> ExitCode {
    match cli.command {
        Some(Command::GetWal(_)) => get_wal::unknown(false),
        _ => ExitCode::FAILURE,
    }
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
        Command::CheckWalArchive(args) => check_wal_archive::run(app, args),
        Command::ConfigSwitch(args) => config_switch::run(app, args),
        Command::ConfigUpdate(args) => config_update::run(app, args),
        Command::Cron(args) => cron::run(app, args),
        Command::Delete(args) => delete::run(app, args),
        Command::Diagnose(args) => diagnose::run(app, args),
        Command::ExportBackup(args) => export_backup::run(app, args),
        Command::GenerateManifest(args) => generate_manifest::run(app, args),
        Command::GetWal(args) => return Ok(get_wal::run(app, args)),
        Command::ImportBackup(args) => import_backup::run(app, args),
        Command::Keep(args) => keep::run(app, args),
        Command::ListBackups(args) => list_backups::run(app, args),
        Command::ListFiles(args) => list_files::run(app, args),
        Command::ListProcesses(args) => list_processes::run(app, args),
        Command::ListServers(args) => list_servers::run(app, args),
        Command::LockDirectoryCleanup(args) => lock_directory_cleanup::run(app, args),
        Command::PutWal(args) => put_wal::run(app, args),
        Command::RebuildXlogdb(args) => rebuild_xlogdb::run(app, args),
        Command::ReplicationStatus(args) => replication_status::run(app, args),
        Command::Restore(args) => restore::run(app, args),
        Command::ShowBackup(args) => show_backup::run(app, args),
        Command::ShowServers(args) => show_servers::run(app, args),
        Command::Status(args) => status::run(app, args),
        Command::SwitchWal(args) => switch_wal::run(app, args),
        Command::SyncBackup(args) => sync_backup::run(app, args),
        Command::SyncInfo(args) => sync_info::run(app, args),
        Command::SyncWals(args) => sync_wals::run(app, args),
        Command::TerminateProcess(args) => terminate_process::run(app, args),
        Command::VerifyBackup(args) => verify_backup::run(app, args),
    }?;
    Ok(ExitCode::SUCCESS)
}
