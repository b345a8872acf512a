//! Archiving what PostgreSQL has put into `incoming`, and waiting for what it will put there.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::hooks::{Scripts, WalScripts};
use super::{Error, Server, compression, encryption};
use crate::config::HookEvent;
use crate::sys::{Cancelled, Severity};
use crate::types::{SegmentSize, WalName, WalSegment};
use crate::wal::{self, Attendant, IncomingSettings, Step, archive_incoming};

/// The pause between two looks at what has arrived.
const POLL: Duration = Duration::from_millis(100);
/// The same when something has stopped the first one that takes its time.
const POLL_AFTER_STOP: Duration = Duration::from_secs(10);
/// The same while another process archives before a restore.
const POLL_WHILE_BUSY: Duration = Duration::from_millis(500);
/// So long a restore waits for that process.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who asks for WAL to be archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// A person or cron: the run says so even when there is nothing to do.
    Command,
    /// Another use case on its way; silent when there is nothing to do.
    UseCase,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// All is archived that can be now.
    Over,
    /// Another process is at it already.
    Busy,
    /// A hook script has ended it, or a file that its sender has not finished.
    Stopped,
}

/// Archives what has arrived, and says so line by line. At a passive node nothing arrives.
pub fn run(server: &Server<'_>) -> Result<(), Error> {
    if server.config.is_passive() {
        return Ok(());
    }
    server.refuse_unsupported()?;
    archive(server, Asker::Command, None).map(drop)
}

/// Whether [`run`] would have nothing to do, as far as shows at a glance. What keeps from looking is for it to tell.
pub fn is_idle(server: &Server<'_>) -> bool {
    settings(server, None)
        .and_then(|settings| Ok(wal::is_idle(&server.context, &server.archive(), &settings)?))
        .unwrap_or(false)
}

/// Archives what has arrived before a restore, for which it may be needed; waits for another process that is at it.
///
/// What stands in the way is a warning: a disk that is full, a script or a file that stops archiving must not keep
/// what is archived from being restored. Only a stop is an error.
pub fn run_before_restore(server: &Server<'_>) -> Result<(), Error> {
    match archive_when_free(server) {
        Err(error) if server.context.cancel.is_cancelled() => Err(error),
        Err(error) => {
            server.warning(format!(
                "The WAL files that wait in '{}' are not included in the restore. Reason: {}",
                server.config.incoming_wals_directory().display(),
                error.description()
            ));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn archive_when_free(server: &Server<'_>) -> Result<(), Error> {
    let (context, name) = (&server.context, server.name());
    let mut waited = Duration::ZERO;
    while archive(server, Asker::UseCase, None)? == Ending::Busy {
        if waited.is_zero() {
            server.info(format!(
                "Another archive-wal process is running on server {name}: waiting up to {} seconds for the WAL that it \
                 archives",
                PATIENCE.as_secs()
            ));
        }
        if waited >= PATIENCE {
            let incoming = server.config.incoming_wals_directory();
            let count = context.files.list_if_exists(&incoming)?.len();
            server.warning(format!(
                "Another archive-wal process is still running on server {name}. {count} files that wait in '{}' are not \
                 included in the restore; restore again when they are archived if you need them",
                incoming.display()
            ));
            return Ok(());
        }
        let rested: Result<(), Cancelled> = context.clock.sleep(POLL_WHILE_BUSY, &context.cancel);
        rested?;
        waited += POLL_WHILE_BUSY;
    }
    Ok(())
}

/// The same on the way of another use case.
pub fn run_on_the_way(server: &Server<'_>) -> Result<(), Error> {
    archive(server, Asker::UseCase, None).map(drop)
}

/// Archives what arrives until `segment` is in the archive; `false` when that took longer than `limit`.
pub fn await_segment(
    server: &Server<'_>,
    segment: WalSegment,
    size: SegmentSize,
    limit: Option<Duration>,
) -> Result<bool, Error> {
    let archive = server.archive();
    await_condition(server, size, limit, || Ok(archive.contains(WalName::Segment(segment))?))
}

/// Archives what arrives until `is_met`; `false` when that took longer than `limit`.
pub fn await_condition(
    server: &Server<'_>,
    size: SegmentSize,
    limit: Option<Duration>,
    mut is_met: impl FnMut() -> Result<bool, Error>,
) -> Result<bool, Error> {
    let started = Instant::now();
    loop {
        let ending = archive(server, Asker::UseCase, Some(size))?;
        if is_met()? {
            return Ok(true);
        }
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            return Ok(false);
        }
        let pause = match ending {
            Ending::Over | Ending::Busy => POLL,
            Ending::Stopped => POLL_AFTER_STOP,
        };
        let rested: Result<(), Cancelled> = server.context.clock.sleep(pause, &server.context.cancel);
        rested?;
    }
}

fn archive(server: &Server<'_>, asker: Asker, size: Option<SegmentSize>) -> Result<Ending, Error> {
    let Some(_lock) = server.lock_for_work(&server.task_lock("archive-wal"))? else {
        if asker == Asker::Command {
            server.info(format!(
                "Another archive-wal process is already running on server {}. Skipping to the next server",
                server.name()
            ));
        }
        return Ok(Ending::Busy);
    };
    let size = match size {
        Some(size) => Some(size),
        None => known_segment_size(server)?,
    };
    let settings = settings(server, size)?;
    // Said with the first file, so that a use case that polls says nothing when nothing comes.
    let header = Cell::new(None);
    let mut say = |step: Step<'_>| {
        if let Step::Found { taken, found } = step {
            header.set(header_for(server.name(), taken, found, asker));
            if asker == Asker::UseCase {
                return;
            }
        }
        for (severity, line) in header.take().into_iter().flatten().chain(lines_of(step, server.name())) {
            server.context.events.say(severity, &line);
        }
    };
    let mut scripts = WalScripts::around(&server.context, Scripts::of(server), HookEvent::Archive);
    let attendant = scripts.as_mut().map(|scripts| scripts as &mut dyn Attendant);
    match archive_incoming(&server.context, &server.archive(), &settings, attendant, &mut say) {
        Err(wal::Error::Stopped { name, reason }) => {
            server.warning(format!(
                "Archiving of {}/{name} aborted by pre_archive_retry_script. Reason: {reason}. It and what came after \
                 it is left for the next run.",
                server.name()
            ));
            Ok(Ending::Stopped)
        }
        // The server may be about to send it again.
        Err(error @ wal::Error::BrokenOff { .. }) if asker == Asker::UseCase => {
            let hint = error.hint().unwrap_or_default();
            server.warning(format!("{error}. It and what came after it is left for the next run. {hint}"));
            Ok(Ending::Stopped)
        }
        other => Ok(other.map(|_| Ending::Over)?),
    }
}

fn settings(server: &Server<'_>, size: Option<SegmentSize>) -> Result<IncomingSettings, Error> {
    let config = server.config;
    Ok(IncomingSettings {
        incoming_dir: config.incoming_wals_directory(),
        errors_dir: config.errors_directory(),
        compression: compression::compression(config),
        level: compression::level(config),
        recipient: encryption::recipient(server)?,
        batch_size: config.archiver_batch_size().and_then(NonZeroUsize::new),
        segment_size: size,
    })
}

/// The size that the newest backup has recorded that knows it: it never changes in the life of a cluster.
fn known_segment_size(server: &Server<'_>) -> Result<Option<SegmentSize>, Error> {
    let catalog = server.catalog()?;
    // A record that cannot be read must not keep WAL from being archived. One without a version is of a backup that
    // has asked the server nothing yet.
    let size_of = |id| {
        let backup = catalog.find(id).ok().flatten()?;
        backup.version.is_some().then_some(backup.xlog_segment_size)
    };
    Ok(catalog.ids().rev().find_map(size_of))
}

type Lines = Vec<(Severity, String)>;

fn header_for(server: &str, taken: usize, found: usize, asker: Asker) -> Option<Lines> {
    let info = |line: String| (Severity::Info, line);
    let header = format!("Processing xlog segments from file archival for {server}");
    match taken {
        0 if asker == Asker::UseCase => None,
        0 => Some(vec![info(header), info("\tno file found".to_owned())]),
        _ if found > taken => Some(vec![info(format!("{header} (batch size: {taken})"))]),
        _ => Some(vec![info(header)]),
    }
}

fn already_present(name: WalName, server: &str) -> String {
    format!("\tError: {name} is already present in server {server}. File moved to errors directory.")
}

/// What Barman prints for a step, to the letter.
fn lines_of(step: Step<'_>, server: &str) -> Lines {
    let info = |line: String| (Severity::Info, line);
    match step {
        Step::Found { .. } => Vec::new(),
        Step::Archived(name) | Step::Identical(name) => vec![info(format!("\t{name}"))],
        Step::Completed(name) => vec![
            info(format!("\t{name}")),
            (
                Severity::Warning,
                format!(
                    "server '{server}': the archive had only the beginning of {name}, which was broken off on its way. \
                     The whole file has replaced it."
                ),
            ),
        ],
        Step::Different(name) => vec![info(format!("\t{name}")), info(already_present(name, server))],
        Step::Closed(name, reason) => vec![
            info(format!("\t{name}")),
            info(already_present(name, server)),
            (
                Severity::Warning,
                format!(
                    "Whether {name} is the file that the archive of server {server} has cannot be told: {reason}. With \
                     a working 'encryption_passphrase_command' and the private key, what is the same is recognised."
                ),
            ),
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
