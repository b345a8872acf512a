use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::checksum::Algorithm;
use super::generate;
use super::read::{self, Entry};
use super::spread::spread;
use super::tree::{Found, is_left_out};
use super::{Error, Tree};
use crate::sys::fs::PathContext;
use crate::sys::{Events, Progress};

/// How many problems are remembered; of the others, their number.
const PROBLEMS_KEPT: usize = 1000;

/// What is wrong with a file, in the words of `pg_verifybackup`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// It is listed, and not there.
    Missing(PathBuf),
    /// It is there, and not listed.
    Extra(PathBuf, Place),
    /// It is there, and no file.
    NoFile(PathBuf),
    /// It is longer or shorter than it was.
    Size {
        /// The file.
        name: PathBuf,
        /// Its size now.
        now: u64,
        /// Its size in the manifest.
        then: u64,
        /// Where it is.
        place: Place,
    },
    /// Its content has changed.
    Checksum(PathBuf, Place),
    /// It cannot be read.
    Unreadable(PathBuf, String),
}

/// Where a file of a backup is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On disk, as it is.
    Disk,
    /// In the archive of this name.
    Archive(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk => f.write_str("on disk"),
            Self::Archive(name) => write!(f, "in archive \"{name}\""),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => {
                write!(f, "\"{}\" is present in the manifest but not on disk", name.display())
            }
            Self::Extra(name, place) => {
                write!(f, "\"{}\" is present {place} but not in the manifest", name.display())
            }
            Self::NoFile(name) => write!(f, "\"{}\" is not a file or directory", name.display()),
            Self::Size { name, now, then, place } => {
                write!(f, "\"{}\" has size {now} {place} but size {then} in the manifest", name.display())
            }
            Self::Checksum(name, Place::Disk) => {
                write!(f, "checksum mismatch for file \"{}\"", name.display())
            }
            Self::Checksum(name, place) => {
                write!(f, "checksum mismatch for file \"{}\" {place}", name.display())
            }
            Self::Unreadable(name, reason) => {
                write!(f, "could not read file \"{}\": {reason}", name.display())
            }
        }
    }
}

/// What a verification found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The files that the manifest lists.
    pub files: u64,
    /// The first problems, sorted.
    pub problems: Vec<Problem>,
    /// How many more there are.
    pub more_problems: u64,
    /// The tablespaces of which the manifest lists something: `pg_tblspc/<oid>`.
    pub tablespaces: BTreeSet<PathBuf>,
    /// The cluster that the manifest is of, where it tells.
    pub system_id: Option<u64>,
}

impl Verdict {
    pub(super) fn add(&mut self, problem: Option<Problem>) {
        match problem {
            Some(problem) if self.problems.len() < PROBLEMS_KEPT => self.problems.push(problem),
            Some(_) => self.more_problems += 1,
            None => {}
        }
    }
}

/// Compares the files of `tree` with its manifest: whether each is there, and no other, with the size and the content
/// that it had.
///
/// # Errors
/// When nothing can be said: the manifest is missing, damaged or none.
pub fn verify(tree: &Tree, events: &dyn Events) -> Result<Verdict, Error> {
    let (mut verdict, mut bytes) = (Verdict::default(), 0);
    let (mut names, system_id, tablespaces) = spread(
        |work| {
            let (mut names, mut tablespaces) = (Vec::new(), BTreeSet::new());
            let system_id = read::read(tree, &mut |entry| {
                names.push(digest(entry.name.as_os_str().as_bytes()));
                tablespaces.extend(tablespace_of(&entry.name));
                if is_left_out(&entry.name) { Ok(()) } else { work.put(entry) }
            })?;
            Ok((names, system_id, tablespaces))
        },
        |entry| examine(tree, &entry).map(|problem| (problem, entry.bytes)),
        |(problem, read)| {
            verdict.add(problem);
            bytes += read;
            events.progress(Progress { phase: "reading files", bytes, total_bytes: None });
            Ok(())
        },
    )?;
    verdict.files = names.len() as u64;
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        let reason = "it lists a file twice".to_owned();
        return Err(Error::Malformed { path: tree.manifest(), reason });
    }
    tree.list_expected(&|name| tablespaces.contains(name), &mut |found| {
        match found {
            Found::File(name) if names.binary_search(&digest(name.as_os_str().as_bytes())).is_ok() => {}
            Found::File(name) => verdict.add(Some(Problem::Extra(name, Place::Disk))),
            Found::Other(name) => verdict.add(Some(Problem::NoFile(name))),
        }
        Ok(())
    })?;
    verdict.problems.sort();
    Ok(Verdict { system_id, tablespaces, ..verdict })
}

/// What a name is remembered by: two names that share it are not to be found.
pub(super) fn digest(name: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(name).into();
    std::array::from_fn(|at| digest[at])
}

pub(super) fn tablespace_of(name: &Path) -> Option<PathBuf> {
    let oid = name.strip_prefix("pg_tblspc").ok()?.components().next()?;
    Some(Path::new("pg_tblspc").join(oid))
}

fn examine(tree: &Tree, entry: &Entry) -> Result<Option<Problem>, Error> {
    let (name, path) = (entry.name.clone(), tree.path_of(&entry.name));
    let file = match tree.files().metadata(&path) {
        Err(error) if error.is_not_found() => return Ok(Some(Problem::Missing(name))),
        Ok(metadata) if !metadata.is_file() => return Ok(Some(Problem::NoFile(name))),
        Ok(metadata) if metadata.len() != entry.bytes => {
            return Ok(Some(Problem::Size {
                name,
                now: metadata.len(),
                then: entry.bytes,
                place: Place::Disk,
            }));
        }
        other => other.and_then(|_| tree.files().open(&path)),
    };
    if entry.algorithm == Algorithm::None {
        return Ok(None);
    }
    let read = file.map_err(Error::from).and_then(|file| {
        let (bytes, checksum) = generate::read(&file, &path, entry.algorithm, tree.cancel())?;
        let now = file.metadata().at("examine", &path)?.len();
        Ok((bytes.max(now), checksum))
    });
    Ok(match read {
        Ok((now, _)) if now != entry.bytes => {
            Some(Problem::Size { name, now, then: entry.bytes, place: Place::Disk })
        }
        Ok((_, checksum)) if checksum != entry.checksum => Some(Problem::Checksum(name, Place::Disk)),
        Ok(_) => None,
        Err(Error::File(error)) => Some(Problem::Unreadable(name, error.source.to_string())),
        Err(error) => return Err(error),
    })
}
