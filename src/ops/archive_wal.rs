//! `archive-wal`: the server's lock, and what the person is told.

use crate::sys::{Context, Lock, Severity};
use crate::wal::{Archive, Error, IncomingSettings, IntakeReport, Step, archive_incoming};

/// Who asks for WAL to be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A person or cron: the run says so even when there is nothing to do.
    Command,
    /// Another use case on its way; silent when there is nothing to do.
    UseCase,
}

/// Archives what PostgreSQL has put into `incoming`, and says so line by line.
///
/// `None` when another process is at it already.
pub fn run(
    context: &Context,
    archive: &Archive,
    settings: &IncomingSettings,
    asker: Asker,
) -> Result<Option<IntakeReport>, Error> {
    let server = archive.paths().server.as_str();
    let lock = archive.paths().lock_dir.join(format!(".{server}-archive-wal.lock"));
    let Some(_lock) = Lock::try_acquire(&lock)? else {
        context.events.info(&format!(
            "Another archive-wal process is already running on server {server}. Skipping to the next server"
        ));
        return Ok(None);
    };
    let mut say = |step: Step<'_>| {
        for (severity, line) in lines_of(step, server, asker) {
            context.events.say(severity, &line);
        }
    };
    archive_incoming(context, archive, settings, &mut say).map(Some)
}

/// What Barman prints for a step, to the letter.
fn lines_of(step: Step<'_>, server: &str, asker: Asker) -> Vec<(Severity, String)> {
    let info = |line: String| (Severity::Info, line);
    match step {
        Step::Found { taken: 0, .. } if asker == Asker::UseCase => Vec::new(),
        Step::Found { taken, found } => {
            let header = format!("Processing xlog segments from file archival for {server}");
            match taken {
                0 => vec![info(header), info("\tno file found".to_owned())],
                _ if found > taken => vec![info(format!("{header} (batch size: {taken})"))],
                _ => vec![info(header)],
            }
        }
        Step::Archived(name) | Step::Identical(name) => vec![info(format!("\t{name}"))],
        Step::Different(name) => vec![
            info(format!("\t{name}")),
            info(format!(
                "\tError: {name} is already present in server {server}. File moved to errors directory."
            )),
        ],
        Step::Unknown(names) => {
            let header = format!(
                "Some unknown objects have been found while processing xlog segments for {server}. Objects moved \
                 to errors directory:"
            );
            let names = names.iter().map(|name| info(format!("\t{}", name.display())));
            std::iter::once(info(header)).chain(names).collect()
        }
        Step::Arriving(name) => {
            let why = "it changed in the last two seconds and is not as long as a segment";
            vec![(Severity::Debug, format!("server '{server}': leaving '{name}' for the next run: {why}"))]
        }
    }
}
