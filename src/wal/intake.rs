//! WAL on its way from `incoming` into the archive, in waves.
//!
//! A wave is some files, bounded in number and bytes, so that the disk is asked for durability once for many.
//! Each wave goes through the same steps, and a crash after any of them loses nothing:
//!
//! 1. *plan*: look at the sources, stop before one that may still be arriving or was broken off;
//! 2. *prepare*, in parallel and without a lock: compare with what the archive has, or make a complete and synced
//!    file under a temporary name beside its place;
//! 3. *publish*, under the lock of xlog.db: lines, then files, ascending ([`OpenArchive::publish`]);
//! 4. *conclude*: remove the sources.
//!
//! Where somebody attends to each file, a wave is one file.
//!
//! [`OpenArchive::publish`]: super::OpenArchive

mod attended;
mod prepare;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::iter::Peekable;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

use self::prepare::{Prepared, Source};
use super::archive::{Archive, directory_of};
use super::attendant::Attendant;
use super::error::Error;
use super::incoming::{Arrival, Fault, arrival, scan, set_aside};
use super::open_archive::Publication;
use crate::codec::{Compression, Level};
use crate::sys::Context;
use crate::sys::fs::{File, Metadata, PathContext};
use crate::types::{SegmentSize, WalName};

/// Files in a wave at most.
const WAVE_FILES: usize = 128;
/// Bytes after which a wave is full, if every thread has a file to work on.
const WAVE_BYTES: u64 = 512 << 20;
/// Threads that compress; more would take the machine from its other work.
const MOST_WORKERS: usize = 4;
/// Programs of gpg at the same time.
const MOST_ENCRYPTING: usize = 2;

/// How a server's WAL comes in.
#[derive(Debug, Clone)]
pub struct IncomingSettings {
    /// `incoming_wals_directory`.
    pub incoming_dir: PathBuf,
    /// `errors_directory`, made when needed.
    pub errors_dir: PathBuf,
    /// `compression`: for files that do not come compressed.
    pub compression: Option<Compression>,
    /// `compression_level`.
    pub level: Level,
    /// `encryption_key_id`, where WAL is encrypted: for files that do not come encrypted.
    pub recipient: Option<String>,
    /// `archiver_batch_size`: WAL files in a run at most.
    pub batch_size: Option<NonZeroUsize>,
    /// The server's segment size, when known: tells files that are still arriving and do not tell themselves.
    pub segment_size: Option<SegmentSize>,
}

/// What happened, as it happens; a file is told of when it is in the archive for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// So many WAL files are to be archived, of so many entries in the directory.
    Found {
        /// WAL files.
        taken: usize,
        /// Entries.
        found: usize,
    },
    /// The file is archived.
    Archived(WalName),
    /// The file was archived before with the same content; the second copy is gone.
    Identical(WalName),
    /// The archive had only the beginning of the file, and now has all of it.
    Completed(WalName),
    /// The archive has other content under that name; the file lies among the errors.
    Different(WalName),
    /// The archive has that name, and whether with the same content cannot be told, since it is encrypted; the file
    /// lies among the errors.
    Closed(WalName, &'a str),
    /// The file may still be arriving: it and those after it are left for the next run.
    Arriving(WalName),
    /// These are no WAL files; they lie among the errors.
    Unknown(&'a [OsString]),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntakeReport {
    /// Files that are new in the archive.
    pub archived: u64,
    /// Their bytes in the archive.
    pub stored_bytes: u64,
    /// Files that were there already.
    pub identical: u64,
    /// Files of which the archive had only the beginning.
    pub completed: u64,
    /// Files that the archive has with other content, as far as can be told.
    pub different: u64,
    /// Entries that were no WAL files.
    pub unknown: u64,
    /// The file that the run stopped at, because it may still be arriving.
    pub arriving: Option<WalName>,
}

/// Archives what lies in `incoming`, oldest first, and tells `tell` of it. The caller holds the server's lock for
/// archiving. `attendant` is asked before each file and told after it.
///
/// Stops at the first file that fails; what was archived before it stays. Nothing is removed from `incoming` that
/// is not in the archive, with its line, for good.
pub fn archive_incoming(
    context: &Context,
    archive: &Archive,
    settings: &IncomingSettings,
    attendant: Option<&mut dyn Attendant>,
    tell: &mut dyn FnMut(Step<'_>),
) -> Result<IntakeReport, Error> {
    ensure_usable(archive, settings)?;
    let incoming = scan(&context.files, &settings.incoming_dir, settings.batch_size)?;
    tell(Step::Found { taken: incoming.wals.len(), found: incoming.found });
    let mut intake = Intake {
        context,
        archive,
        settings,
        synced_directories: BTreeSet::new(),
        report: IntakeReport::default(),
    };
    intake.list_what_is_unlisted()?;
    intake.archive(&incoming.wals, attendant, tell)?;
    intake.set_unknown_aside(&incoming.unknown)?;
    if !incoming.unknown.is_empty() {
        tell(Step::Unknown(&incoming.unknown));
    }
    Ok(intake.report)
}

/// Whether [`archive_incoming`] would have nothing to do, as far as shows at a glance: nothing has arrived, and every
/// file of the archive is known to have its line.
pub fn is_idle(context: &Context, archive: &Archive, settings: &IncomingSettings) -> Result<bool, Error> {
    ensure_usable(archive, settings)?;
    let incoming = scan(&context.files, &settings.incoming_dir, None)?;
    Ok(incoming.wals.is_empty() && incoming.unknown.is_empty() && archive.is_known_complete()?)
}

fn ensure_usable(archive: &Archive, settings: &IncomingSettings) -> Result<(), Error> {
    let usable = settings.compression.map_or(Ok(()), |it| archive.codecs.ensure_usable(it));
    usable.map_err(|source| Error::Encode { server: archive.server_name(), source })
}

struct Intake<'a> {
    context: &'a Context,
    archive: &'a Archive,
    settings: &'a IncomingSettings,
    /// Directories below `wals/` of which this run has made sure that the disk keeps their names.
    synced_directories: BTreeSet<PathBuf>,
    report: IntakeReport,
}

impl Intake<'_> {
    fn archive(
        &mut self,
        wals: &[WalName],
        mut attendant: Option<&mut dyn Attendant>,
        tell: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), Error> {
        let most_files = if attendant.is_some() { 1 } else { WAVE_FILES };
        let mut rest = wals.iter().copied().peekable();
        while rest.peek().is_some() {
            self.context.cancel.check()?;
            let (wave, next_arriving) = self.plan_wave(&mut rest, most_files)?;
            let arriving = match (&mut attendant, wave.first()) {
                (Some(attendant), Some(source)) => self.take_attended(source, &mut **attendant, tell)?,
                _ => self.take(&wave, tell)?.1,
            };
            if let Some(arriving) = arriving.or(next_arriving) {
                self.report.arriving = Some(arriving);
                tell(Step::Arriving(arriving));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes a wave into the archive: tells what became of its files, and which of them is still arriving.
    fn take(
        &mut self,
        wave: &[Source],
        tell: &mut dyn FnMut(Step<'_>),
    ) -> Result<(Vec<Prepared>, Option<WalName>), Error> {
        let (prepared, stop) = self.prepare(wave);
        self.commit(wave, &prepared, tell)?;
        Ok((prepared, stop?))
    }

    /// Lists what a program that was killed has archived and not listed, even when nothing new has come.
    fn list_what_is_unlisted(&self) -> Result<(), Error> {
        let (files, paths) = (&self.context.files, self.archive.paths());
        // Nothing is made where nothing was ever archived.
        if files.exists(&paths.xlogdb)? || files.exists(&paths.wals_dir)? {
            self.archive.open()?.list_what_is_unlisted()?;
        }
        Ok(())
    }

    /// Takes the sources of the next wave, and tells the file it stops before because that may still be arriving. A
    /// file that cannot be taken ends the wave, and is an error once those before it are done.
    fn plan_wave(
        &self,
        rest: &mut Peekable<impl Iterator<Item = WalName>>,
        most_files: usize,
    ) -> Result<(Vec<Source>, Option<WalName>), Error> {
        let (mut wave, mut bytes) = (Vec::new(), 0);
        while wave.len() < most_files && (bytes < WAVE_BYTES || wave.len() < self.workers()) {
            let Some(name) = rest.peek().copied() else { break };
            let source = Source { name, path: self.settings.incoming_dir.join(name.to_string()) };
            match self.open_arrived(&source) {
                Ok(Some((_, metadata))) => {
                    bytes += metadata.len();
                    wave.push(source);
                }
                Ok(None) => return Ok((wave, Some(name))),
                Err(Error::Files(gone)) if gone.is_not_found() => {}
                Err(_) if !wave.is_empty() => break,
                Err(error) => return Err(error),
            }
            rest.next();
        }
        Ok((wave, None))
    }

    /// Opens a source that is all there; `None` when it may still be arriving.
    fn open_arrived(&self, source: &Source) -> Result<Option<(File, Metadata)>, Error> {
        let file = self.open_source(source)?;
        let metadata = file.metadata().at("examine", &source.path)?;
        let now = SystemTime::from(self.context.clock.now());
        let open = (&file, source.path.as_path());
        match arrival(source.name, open, &metadata, self.settings.segment_size, now)? {
            Arrival::Over => Ok(Some((file, metadata))),
            Arrival::UnderWay => Ok(None),
            Arrival::BrokenOff { expected } => Err(Error::BrokenOff {
                server: self.archive.server_name(),
                path: source.path.clone(),
                bytes: metadata.len(),
                expected: expected.bytes(),
            }),
        }
    }

    /// Prepares the files of a wave in parallel: gives what became of the first of them, up to the one that failed
    /// or is still arriving.
    fn prepare(&self, wave: &[Source]) -> (Vec<Prepared>, Result<Option<WalName>, Error>) {
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let results = Mutex::new(wave.iter().map(|_| None).collect::<Vec<_>>());
        // Whoever has taken a file finishes it: so all files before the first failure are there.
        let work = || {
            while !stopped.load(Ordering::SeqCst) {
                let index = next.fetch_add(1, Ordering::SeqCst);
                let Some(source) = wave.get(index) else { break };
                let result = self.prepare_one(source);
                stopped.fetch_or(!matches!(result, Ok(Some(_))), Ordering::SeqCst);
                results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.workers().min(wave.len()) {
                scope.spawn(work);
            }
        });
        let (mut prepared, mut stop) = (Vec::new(), Ok(None));
        let mut results = wave.iter().zip(results.into_inner().unwrap_or_else(PoisonError::into_inner));
        for (source, result) in results.by_ref() {
            match result {
                Some(Ok(Some(ready))) => {
                    prepared.push(ready);
                    continue;
                }
                Some(Ok(None)) => stop = Ok(Some(source.name)),
                Some(Err(error)) => stop = Err(error),
                None => {}
            }
            break;
        }
        results.for_each(|(_, result)| {
            if let Some(Ok(Some(unused))) = result {
                self.discard(&unused);
            }
        });
        (prepared, stop)
    }

    /// Brings a prepared wave into the archive and removes its sources.
    fn commit(
        &mut self,
        wave: &[Source],
        prepared: &[Prepared],
        tell: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), Error> {
        if prepared.is_empty() {
            return Ok(());
        }
        let publications: Vec<Publication> =
            prepared.iter().filter_map(Prepared::publication).cloned().collect();
        let (published, result) = match self.publish(&wave[..prepared.len()], &publications) {
            Ok((published, result)) => (Some(published), result),
            Err(error) => (None, Err(error)),
        };
        let first_left = published.map_or(0, |published| {
            let mut new_files = prepared.iter().enumerate().filter(|(_, it)| it.publication().is_some());
            new_files.nth(published).map_or(prepared.len(), |(index, _)| index)
        });
        prepared[first_left..].iter().for_each(|left| self.discard(left));
        let concluded = self.conclude(wave.iter().zip(&prepared[..first_left]), tell);
        result.and(concluded)
    }

    /// Publishes the new files of a wave. Tells how many of them are there for good.
    fn publish(
        &mut self,
        wave: &[Source],
        publications: &[Publication],
    ) -> Result<(usize, Result<(), Error>), Error> {
        let (published, result) = self.archive.open()?.publish(publications);
        let directories: BTreeSet<PathBuf> = wave.iter().map(|source| directory_of(source.name)).collect();
        if !directories.is_subset(&self.synced_directories) {
            self.context.files.sync_dir(&self.archive.paths.wals_dir)?;
            self.synced_directories.extend(directories);
        }
        Ok((published, result))
    }

    /// Removes the sources of what is in the archive for good, and moves the others of that name aside.
    fn conclude<'s>(
        &mut self,
        items: impl Iterator<Item = (&'s Source, &'s Prepared)>,
        tell: &mut dyn FnMut(Step<'_>),
    ) -> Result<(), Error> {
        let (files, settings) = (&self.context.files, self.settings);
        for (Source { name, path }, prepared) in items {
            match prepared {
                Prepared::New(publication) => {
                    self.report.archived += 1;
                    self.report.stored_bytes += publication.entry.size;
                    tell(Step::Archived(*name));
                    files.remove_file_if_exists(path)?;
                }
                Prepared::Completion(_) => {
                    self.report.completed += 1;
                    tell(Step::Completed(*name));
                    files.remove_file_if_exists(path)?;
                }
                Prepared::Identical => {
                    files.remove_file_if_exists(path)?;
                    self.report.identical += 1;
                    tell(Step::Identical(*name));
                }
                Prepared::Different | Prepared::Closed { .. } => {
                    set_aside(
                        self.context,
                        path,
                        name.to_string().as_ref(),
                        &settings.errors_dir,
                        Fault::Duplicate,
                    )?;
                    self.report.different += 1;
                    tell(match prepared {
                        Prepared::Closed { reason } => Step::Closed(*name, reason),
                        _ => Step::Different(*name),
                    });
                }
            }
        }
        Ok(files.sync_dir(&settings.incoming_dir)?)
    }

    fn set_unknown_aside(&mut self, names: &[OsString]) -> Result<(), Error> {
        for name in names {
            let path = self.settings.incoming_dir.join(name);
            set_aside(self.context, &path, name, &self.settings.errors_dir, Fault::Unknown)?;
            self.report.unknown += 1;
        }
        Ok(())
    }

    fn workers(&self) -> usize {
        let most = if self.settings.recipient.is_some() { MOST_ENCRYPTING } else { MOST_WORKERS };
        thread::available_parallelism().map_or(1, NonZeroUsize::get).min(most)
    }

    /// Removes the file that lay ready; a leftover does no harm.
    fn discard(&self, prepared: &Prepared) {
        if let Some(publication) = prepared.publication() {
            let _ = self.context.files.remove_file_if_exists(&publication.temporary);
        }
    }
}

#[cfg(test)]
mod durability;
#[cfg(test)]
mod tests;
