//! `rebuild-xlogdb`: the list of the archived WAL, made anew from the files.

use super::{Error, Server};
use crate::wal::Strangers;

/// Makes the list anew; archiving, restores and whoever else needs it wait meanwhile.
pub fn run(server: &Server<'_>) -> Result<(), Error> {
    let name = server.name();
    if server.config.object_stores().any(|(option, _)| option == "wals_directory") {
        return Err(Error::refused("Rebuilding xlogdb is not supported for servers using cloud storage"));
    }
    server.info(format!("Rebuilding xlogdb for server {name}"));
    server.ensure_directories()?;
    let rebuilt = server.archive().rebuild()?;
    warn_of_strangers(server, &rebuilt.strangers);
    let totals = rebuilt.totals;
    if totals.partials.files > 0 {
        tracing::info!("server '{name}': {} unfinished segments are listed, too", totals.partials.files);
    }
    server.info(format!(
        "Done rebuilding xlogdb for server {name} (history: {}, backup_labels: {}, wal_file: {})",
        totals.histories.files, totals.backup_labels.files, totals.segments.files
    ));
    Ok(())
}

fn warn_of_strangers(server: &Server<'_>, strangers: &Strangers) {
    if strangers.count == 0 {
        return;
    }
    let mut paths: Vec<String> = strangers.first.iter().map(|path| format!("* {}", path.display())).collect();
    if let more @ 1.. = strangers.count - strangers.first.len() {
        paths.push(format!("* and {more} more"));
    }
    server.warning(format!(
        "The WAL archive of server {} holds what is no WAL file, or one in the wrong place; it is not listed:\n{}",
        server.name(),
        paths.join("\n")
    ));
}
