use super::selection;
use crate::cli::app::App;
use crate::cli::globals::{IMPLEMENTATION, RELEASE};
use crate::ops::diagnose::{self, Options};
use crate::output::Diagnosis;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  For a bug report:
    barman diagnose
  Where does each setting come from?
    barman diagnose --show-config-source";

/// Print all about the installation as one JSON document
///
/// For a bug report: configuration, versions, state and catalogue of every server, without passwords. Servers that do
/// not answer, and records that cannot be read, are told as such; it works when hardly anything else does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
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
    selection::all(app).for_each(drop);
    let document = diagnose::run(&app.context, &app.config, options)?;
    app.terminal.answer(&Diagnosis(document));
    Ok(())
}
