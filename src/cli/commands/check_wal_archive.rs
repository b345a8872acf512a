use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::check_wal_archive;
use crate::types::Timeline;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Before the first WAL of a new server:
    barman check-wal-archive main
  Before a restored server is promoted, and begins timeline 3:
    barman check-wal-archive main --timeline 3

Exit status:
  0  nothing is in the way
  1  there is WAL that new WAL could be mixed up with; the message tells how much";

/// Tell whether the WAL archive has room under the names of a server's new WAL
///
/// Two servers that write WAL files of the same names into one archive make it worthless for both. A new server wants
/// an empty archive; one that goes on after a restore wants one without files of the timeline that it is going to
/// begin, or of later ones.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server whose archive to look at
    server_name: String,

    /// Look for files of this timeline and of later ones only
    #[arg(long, value_parser = parse_timeline)]
    timeline: Option<Timeline>,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::IN_SERVICE) {
        let check = check_wal_archive::run(&app.server(config).archive(), args.timeline)?;
        app.terminal.answer(&check);
        if check.obstacle.is_some() {
            app.context.events.error(&check.verdict());
        }
    }
    Ok(())
}

fn parse_timeline(text: &str) -> Result<Timeline, String> {
    let number = text.parse().ok().and_then(Timeline::new);
    number.ok_or_else(|| format!("'{text}' is not a valid positive integer"))
}
