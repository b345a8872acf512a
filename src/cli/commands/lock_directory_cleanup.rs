use super::selection;
use crate::cli::app::App;
use crate::ops::lock_directory;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman lock-directory-cleanup";

/// Remove lock files that nobody holds
///
/// Lock files stay behind when the work is done; they are empty of meaning then, and small. `cron` removes them each
/// time unless `lock_directory_cleanup` is off, and this command does so by hand. Those that are held stay.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {}

pub fn run(app: &App, _: &Args) -> anyhow::Result<()> {
    if !selection::refuse_conflicts(app) {
        lock_directory::clean(&app.context, &app.config.global)?;
    }
    Ok(())
}
