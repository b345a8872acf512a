//! A restore over the files that a destination has (`--delta-restore`): when it may be, and what of them is believed.
//!
//! What the backup does not have disappears from the destination. So it must be the directory of a cluster, not of
//! another one than that of the backup, and no server may run in it.

use std::path::Path;

use super::chosen::Chosen;
use super::host::{Host, Place, of_host};
use super::names::{CONTROL_FILE, INCOMPLETE_MARK, PID_FILE, RESTORED_RECORD};
use crate::catalog::BackupInfo;
use crate::ops::Error;
use crate::types::Timestamp;

/// Refuses places that hold something else than files of the backup's cluster, or whose server runs.
pub fn ensure(host: &dyn Host, chosen: &Chosen, places: &[Place]) -> Result<(), Error> {
    let [destination, locations @ ..] = places else { return Ok(()) };
    let is_unfinished = destination.hidden.iter().any(|name| name == INCOMPLETE_MARK);
    if destination.is_occupied && !destination.holds_postgresql && !is_unfinished {
        return Err(foreign(host, destination, "no data directory of PostgreSQL"));
    }
    for location in locations.iter().take(chosen.backup.tablespaces.len()) {
        if location.is_occupied && !location.holds_postgresql {
            return Err(foreign(host, location, "no tablespace of PostgreSQL"));
        }
    }
    refuse_other_cluster(host, chosen)?;
    refuse_running(host, &chosen.destination)
}

fn foreign(host: &dyn Host, place: &Place, what: &str) -> Error {
    Error::refused(format!(
        "'{}'{} holds files and is {what}; --delta-restore would remove them. Choose another directory, or empty this \
         one",
        place.path.display(),
        of_host(host)
    ))
}

/// A control file begins with the identifier of its cluster.
fn refuse_other_cluster(host: &dyn Host, chosen: &Chosen) -> Result<(), Error> {
    let expected = chosen.backup.systemid.as_ref().and_then(|id| id.parse::<u64>().ok());
    let control = host.read(&chosen.destination.join(CONTROL_FILE))?;
    let found = control.and_then(|content| content.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes)));
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => Err(Error::refused(format!(
            "'{}'{} is the data directory of another PostgreSQL cluster (system identifier {found}; the backup is of \
             {expected}); --delta-restore would replace it. Choose another directory, or empty this one",
            chosen.destination.display(),
            of_host(host)
        ))),
        _ => Ok(()),
    }
}

/// A server that runs would go on writing into the files. What a crash has left of one does no harm.
fn refuse_running(host: &dyn Host, destination: &Path) -> Result<(), Error> {
    let Some(content) = host.read(&destination.join(PID_FILE))? else { return Ok(()) };
    let content = String::from_utf8_lossy(&content);
    let first = content.lines().next().unwrap_or_default().trim();
    // A server without clients writes its number with a minus sign; that of a container counts there only.
    let number = first.trim_start_matches('-').parse::<u32>().ok().filter(|number| *number > 1);
    let is_running = number.map_or(Ok(true), |number| host.is_running(number))?;
    if !is_running {
        return Ok(());
    }
    Err(Error::refused(format!(
        "a PostgreSQL server runs in '{}'{}, or may: '{PID_FILE}' there names process {first}. Stop it first; if that \
         process is no PostgreSQL, or runs on another host or in another container, remove '{PID_FILE}' once you are \
         sure that no server uses the directory",
        destination.display(),
        of_host(host)
    )))
}

/// The moment before which a file must have been changed for its size and time to tell that it is the backup's: when
/// the copies in the backup and in the destination were begun, whichever was first. `None` when that is not known, and
/// every file has to be compared.
pub fn safe_horizon(host: &dyn Host, chosen: &Chosen) -> Result<Option<Timestamp>, Error> {
    let backup = &chosen.backup;
    let record = host.read(&chosen.destination.join(RESTORED_RECORD))?;
    let restored = record.and_then(|content| BackupInfo::parse(backup.id.clone(), &content).ok());
    let begun = restored.and_then(|restored| restored.begin_time).zip(backup.begin_time);
    Ok(begun.map(|(there, here)| there.min(here)))
}
