//! Whether the places of a restore may be used, asked before the first byte is written.

use std::path::Path;

use super::chosen::Chosen;
use super::delta;
use super::host::{Host, Place, Survey, of_host};
use super::names::{CONTROL_FILE, INCOMPLETE_MARK, PID_FILE};
use super::separation;
use crate::ops::{Error, Server};
use crate::types::Timestamp;

/// The places that a restore writes to, found fit.
#[derive(Debug)]
pub struct Places {
    /// What there is now, in the order of [`Chosen::places`].
    pub all: Vec<Place>,
    /// What the restore starts from.
    pub start: Start,
}

/// What a restore finds in its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing that counts.
    Nothing,
    /// What an attempt at the same restore has left.
    Repetition,
    /// Files of the cluster, which are kept as far as they are the backup's.
    Files {
        /// Files that were changed before are told apart by size and time; without it all are compared.
        safe_horizon: Option<Timestamp>,
    },
}

impl Places {
    /// The paths in the data directory of the tablespaces that lie there.
    pub fn tablespaces_inside(&self) -> impl Iterator<Item = &Path> {
        let destination = self.all.first().map(|destination| &destination.real);
        let locations = self.all.iter().skip(1);
        locations.filter_map(move |location| location.real.strip_prefix(destination?).ok())
    }
}

/// Looks at the places and refuses those that cannot be written, or hold something else than an unfinished restore
/// of the same backup or, with `delta`, the files of its cluster.
pub fn find_fit(server: &Server<'_>, host: &dyn Host, chosen: &Chosen, delta: bool) -> Result<Places, Error> {
    let survey = host.survey(&chosen.places().collect::<Vec<_>>())?;
    refuse_missing_programs(host, &survey)?;
    for place in &survey.places {
        refuse_closed(host, &survey, place)?;
    }
    let all = survey.places;
    separation::refuse_backups(host, &all)?;
    separation::ensure(server, chosen, &all)?;
    let start = find_start(server, host, chosen, &all, delta)?;
    Ok(Places { all, start })
}

fn find_start(
    server: &Server<'_>,
    host: &dyn Host,
    chosen: &Chosen,
    places: &[Place],
    delta: bool,
) -> Result<Start, Error> {
    if is_unfinished_restore(server, host, chosen, places)? {
        return Ok(Start::Repetition);
    }
    let trees = &places[..places.len().min(1 + chosen.backup.tablespaces.len())];
    if delta && trees.iter().any(|place| place.is_occupied) {
        refuse_occupied_wal_directory(chosen, places)?;
        delta::ensure(host, chosen, places)?;
        return Ok(Start::Files { safe_horizon: delta::safe_horizon(host, chosen)? });
    }
    refuse_occupied(chosen, places)?;
    refuse_occupied_wal_directory(chosen, places)?;
    Ok(Start::Nothing)
}

fn refuse_missing_programs(host: &dyn Host, survey: &Survey) -> Result<(), Error> {
    let [missing, ..] = &survey.missing_programs[..] else { return Ok(()) };
    Err(Error::refused(format!(
        "program '{missing}' not found on the host to restore to{}: install it there, or put it on the PATH of user '{}'",
        of_host(host),
        survey.user
    )))
}

/// What does not exist yet is made in the nearest directory above that does.
fn refuse_closed(host: &dyn Host, survey: &Survey, place: &Place) -> Result<(), Error> {
    let (path, existing, host) = (place.path.display(), place.existing.display(), of_host(host));
    if !place.is_directory {
        return Err(Error::refused(format!(
            "the destination '{path}'{host} cannot be made: '{existing}' is not a directory"
        )));
    }
    let Some(reason) = &place.closed else { return Ok(()) };
    Err(Error::refused(format!(
        "the destination '{path}'{host} cannot be written by user '{}': cannot write to '{existing}': {reason}; choose \
         another directory, or give this one to that user",
        survey.user
    )))
}

/// Hidden files do not count: file systems and people leave some.
fn refuse_occupied(chosen: &Chosen, places: &[Place]) -> Result<(), Error> {
    let [destination, locations @ ..] = places else { return Ok(()) };
    if destination.is_occupied {
        return Err(Error::refused(format!(
            "The restore operation cannot proceed because the destination folder '{}' is not empty. To prevent \
             accidental data loss, the destination must be empty. Please choose a different location or manually \
             empty the folder.",
            destination.path.display()
        )));
    }
    let tablespaces = chosen.backup.tablespaces.iter().zip(locations);
    match tablespaces.into_iter().find(|(_, location)| location.is_occupied) {
        Some((tablespace, location)) => Err(Error::refused(format!(
            "The restore operation cannot proceed. The destination path '{}' for the tablespace '{}' is not empty. To \
             prevent accidental data loss, the tablespace destination must be empty. Please choose a different \
             location or manually empty the folder.",
            location.path.display(),
            tablespace.name
        ))),
        None => Ok(()),
    }
}

/// PostgreSQL removes the directory with all that is in it when recovery ends.
fn refuse_occupied_wal_directory(chosen: &Chosen, places: &[Place]) -> Result<(), Error> {
    match (&chosen.wal_directory, places.last()) {
        (Some(_), Some(place)) if place.is_occupied || !place.hidden.is_empty() => {
            Err(Error::refused(format!(
                "the WAL directory '{}' (--staging-wal-directory) is not empty, and PostgreSQL removes it with all that \
                 is in it when recovery ends; name one that is empty or does not exist",
                place.path.display()
            )))
        }
        _ => Ok(()),
    }
}

/// Whether an attempt at the same restore left off here. One that came as far as the control file may have been
/// started as a server meanwhile; then it is somebody's data.
fn is_unfinished_restore(
    server: &Server<'_>,
    host: &dyn Host,
    chosen: &Chosen,
    places: &[Place],
) -> Result<bool, Error> {
    let is_marked =
        places.first().is_some_and(|place| place.hidden.iter().any(|name| name == INCOMPLETE_MARK));
    let at = |name: &str| chosen.destination.join(name);
    if !is_marked || host.read(&at(INCOMPLETE_MARK))?.as_deref() != Some(chosen.mark().as_bytes()) {
        return Ok(false);
    }
    let Some(control) = host.read(&at(CONTROL_FILE))? else { return Ok(true) };
    let is_untouched = Some(control) == chosen.source.read_control_file(server)?;
    Ok(is_untouched && host.read(&at(PID_FILE))?.is_none())
}
