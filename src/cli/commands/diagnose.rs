use crate::cli::app::App;
use crate::cli::globals::{IMPLEMENTATION, RELEASE};
use crate::ops::diagnose::{self, Options};
use crate::output::json;

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Tell of each setting which file it comes from
    #[arg(long)]
    show_config_source: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let options = Options {
        config_source: args.show_config_source,
        barman_version: RELEASE,
        implementation: IMPLEMENTATION,
    };
    let document = diagnose::run(&app.context, &app.config, options)?;
    app.terminal.answer_exactly(&json::document(document));
    Ok(())
}
