use super::selection;
use crate::cli::app::App;
use crate::output::Servers;
use crate::view;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman list-servers
  The names alone, for a script:
    barman list-servers --minimal";

/// List the configured servers
///
/// One line for each, with its description and whether it is inactive, disabled by an error in its configuration,
/// or passive. `barman check` tells what is wrong with a disabled one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Print names only
    #[arg(long)]
    minimal: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if selection::refuse_conflicts(app) {
        return Ok(());
    }
    let listed = selection::all(app).map(|config| view::Listed {
        name: config.name(),
        description: config.description(),
        active: config.is_active(),
        disabled: config.is_disabled(),
        passive: config.is_passive(),
    });
    app.terminal.answer(&Servers { servers: listed.collect(), minimal: args.minimal });
    Ok(())
}
