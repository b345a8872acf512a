//! Whether the places of a restore lie apart, from each other and from backups: two trees in one place would remove
//! each other's files.
//!
//! Places are compared as they are, without symbolic links and `..`: two names may lead to one directory.

use std::path::Path;

use super::chosen::Chosen;
use super::host::{Host, Place, of_host};
use super::names::WAL_DIRECTORY;
use crate::catalog::Tablespace;
use crate::ops::{Error, Server};
use crate::types::BackupId;

/// What PostgreSQL or a restore makes in a data directory besides what all backups hold.
const OWN_DIRECTORIES: [&str; 4] = ["pg_wal", "pg_xlog", "pg_tblspc", WAL_DIRECTORY];

/// Refuses tablespaces, and a directory for WAL, around other places, and where files of the data directory go. A
/// tablespace may lie in the data directory: PostgreSQL does not like it and allows it.
///
/// `places` are those of `chosen`, in their order.
pub fn ensure(server: &Server<'_>, chosen: &Chosen, places: &[Place]) -> Result<(), Error> {
    let [destination, locations @ ..] = places else { return Ok(()) };
    for (at, location) in locations.iter().enumerate() {
        let refusal = |why: String| Error::refused(refusal(chosen, location, at, &why));
        let others = locations.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
        let mut inside = std::iter::once(destination).chain(others);
        if let Some(inside) = inside.find(|other| other.real.starts_with(&location.real)) {
            let inside = inside.path.display();
            return Err(refusal(format!("holds '{inside}', where other files of this restore go")));
        }
        let Ok(relative) = location.real.strip_prefix(&destination.real) else { continue };
        let is_default = at >= chosen.backup.tablespaces.len() && relative == Path::new(WAL_DIRECTORY);
        if !is_default && is_taken(server, chosen, relative)? {
            return Err(refusal(format!(
                "lies in '{}', where files of the data directory go",
                destination.path.join(relative.iter().next().unwrap_or_default()).display()
            )));
        }
    }
    Ok(())
}

/// Refuses a place in a backup, whichever it is, and whoever's: above all a restore over files would destroy it.
pub fn refuse_backups(host: &dyn Host, places: &[Place]) -> Result<(), Error> {
    for place in places {
        for dir in place.real.ancestors() {
            let name = dir.file_name().and_then(|name| name.to_str());
            let Some(id) = name.and_then(|name| name.parse::<BackupId>().ok()) else { continue };
            if is_backup(host, dir, &id)? {
                return Err(Error::refused(format!(
                    "'{}'{} lies in '{}', which holds the files of backup {id}; a restore to it would destroy that \
                     backup. Choose another directory",
                    place.path.display(),
                    of_host(host),
                    dir.display()
                )));
            }
        }
    }
    Ok(())
}

/// Whether there is a record of a backup in the directory with its name, or where newer programs have it.
fn is_backup(host: &dyn Host, dir: &Path, id: &BackupId) -> Result<bool, Error> {
    let of_server = dir.parent().and_then(Path::parent);
    let record = of_server.map(|of_server| of_server.join("meta").join(format!("{id}-backup.info")));
    for record in std::iter::once(dir.join("backup.info")).chain(record) {
        if host.read(&record)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refusal(chosen: &Chosen, location: &Place, at: usize, why: &str) -> String {
    let path = location.path.display();
    match chosen.backup.tablespaces.get(at) {
        Some(Tablespace { name, .. }) => format!(
            "the location '{path}' of tablespace '{name}' {why}; choose another one with --tablespace {name}:LOCATION"
        ),
        None => format!("the WAL directory '{path}' {why}; choose another one with --staging-wal-directory"),
    }
}

/// Whether files of the data directory go to `relative` in it, or into the directory of PostgreSQL's own that it lies
/// in. A directory that a DBA had made for tablespaces is not taken by them: the backup holds it without these.
fn is_taken(server: &Server<'_>, chosen: &Chosen, relative: &Path) -> Result<bool, Error> {
    let Some(first) = relative.iter().next() else { return Ok(false) };
    if OWN_DIRECTORIES.iter().any(|own| first == *own) {
        return Ok(true);
    }
    let files = &server.context.files;
    let is_own = first == "base" || first == "global" || first.as_encoded_bytes().starts_with(b"pg_");
    // Of what is in archives, names of PostgreSQL's own are taken for there; other files may lie beside those of a
    // tablespace, since unpacking removes nothing.
    let Some(data) = chosen.source.data_dir() else { return Ok(is_own) };
    if is_own {
        return Ok(files.exists(&data.join(first))?);
    }
    let there = data.join(relative);
    Ok(files.exists(&there)? && !(files.is_dir(&there) && files.list(&there)?.is_empty()))
}
