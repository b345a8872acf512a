use super::selection;
use crate::cli::app::App;
use crate::output::Servers;
use crate::view;

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print names only
    #[arg(long)]
    minimal: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if selection::refuse_conflicts(app) {
        return Ok(());
    }
    let listed = app.config.servers.values().map(|config| view::Listed {
        name: config.name(),
        description: config.description(),
        active: config.is_active(),
        disabled: config.is_disabled(),
        passive: config.is_passive(),
    });
    app.terminal.answer(&Servers { servers: listed.collect(), minimal: args.minimal });
    Ok(())
}
