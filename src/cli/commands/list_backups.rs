use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::{Error, Server, list_backups, retention};
use crate::output::console;

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Servers whose backups to list, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,

    /// Print identifiers only
    #[arg(long)]
    minimal: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    for config in selection::servers(app, &args.server_names, Reaction::ANY) {
        let server = app.server(config);
        let answer = if args.minimal { ids(&server) } else { list(&server) };
        if let Some(text) = app.keep_going(answer)? {
            app.terminal.answer(&text);
        }
    }
    Ok(())
}

fn ids(server: &Server<'_>) -> Result<String, Error> {
    Ok(console::backup_ids(&list_backups::ids(&server.catalog()?)))
}

fn list(server: &Server<'_>) -> Result<String, Error> {
    let rules = retention::Rules::of(server.config);
    let list = list_backups::run(&server.context, &server.catalog()?, &server.archive(), rules)?;
    Ok(console::backup_list(&list))
}
