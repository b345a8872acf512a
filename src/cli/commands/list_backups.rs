use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::{Error, Server, list_backups, retention};
use crate::output::BackupIds;
use crate::view::BackupList;

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
        if args.minimal {
            if let Some(ids) = app.keep_going(ids(&server))? {
                app.terminal.answer(&ids);
            }
        } else if let Some(list) = app.keep_going(list(&server))? {
            app.terminal.answer(&list);
        }
    }
    Ok(())
}

fn ids<'a>(server: &Server<'a>) -> Result<BackupIds<'a>, Error> {
    Ok(BackupIds { server: server.name(), ids: list_backups::ids(&server.catalog()?) })
}

fn list(server: &Server<'_>) -> Result<BackupList, Error> {
    let rules = retention::Rules::of(server.config);
    list_backups::run(&server.context, &server.catalog()?, &server.archive(), rules)
}
