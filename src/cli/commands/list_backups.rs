use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::{Error, Server, list_backups, retention};
use crate::output::console;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman list-backups main
    barman list-backups all
  The identifiers alone, for a script:
    barman list-backups main --minimal";

/// List the backups of servers
///
/// One line for each backup, newest first: server, identifier, name if it has one, kind (R: rsync, F: full, I:
/// incremental, S: snapshot), end, size, size of the WAL that followed it, and what is remarkable: a status other
/// than DONE, or OBSOLETE by the retention policy.
///
/// The size counts the WAL that the backup cannot do without. OBSOLETE* is a backup that the policy would let go
/// and `minimum_redundancy` keeps.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
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
