use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::config_switch::{self, Target};

/// What the long help ends with.
const MORE: &str = "\
Examples:
  After a failover to the other data centre:
    barman config-switch main main-in-berlin
  Back to what the section of the server says:
    barman config-switch main --reset

Exit status:
  0  it was done, or the model was active already
  1  the model or the server is unknown, or they are of different clusters";

/// Lay a model over the settings of a server, or take it off
///
/// A model is a section with `model = on` that holds some settings, for example where PostgreSQL is after a failover.
/// One model at a time is active for a server; its settings go before the server's own until the next switch. Only
/// models of the server's `cluster` can be chosen. What changes is printed, option by option.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server to change
    server_name: String,

    /// Model to make the active one
    model_name: Option<String>,

    /// Return to the settings without any model
    #[arg(long, conflicts_with = "model_name")]
    reset: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let Some(config) = selection::server(app, &args.server_name, Reaction::ANY) else { return Ok(()) };
    let target = match (&args.model_name, args.reset) {
        (Some(model), _) => Target::Model(model),
        (None, true) => Target::Reset,
        (None, false) => {
            app.context.events.error("Either a model name or '--reset' flag need to be given");
            return Ok(());
        }
    };
    Ok(config_switch::run(&app.server(config), &app.config, target)?)
}
