use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::archive_lock::ArchiveLock;
use super::catalogue::Catalogue;
use super::content::Content;
use super::error::Error;
use super::history::{Ancestor, TimelineHistory};
use super::index::Index;
use super::open_archive::OpenArchive;
use super::xlogdb::{XlogDbEntry, modified_seconds};
use crate::codec::{self, Codecs, Origin};
use crate::sys::fs::{self, File, PathContext, read_head};
use crate::sys::{Cancel, Context, Files};
use crate::types::{Lsn, SegmentSize, Timeline, WalName, WalSegment};

/// Longest line of xlog.db that a crash can have cut; a longer one is something else.
const CUT_LINE_BYTES: u64 = 4096;

/// The file in `wals/` in which a passive node keeps how far it has copied.
pub const SYNC_RECORD: &str = "sync-wals.info";

/// Where the WAL archive of a server lies.
#[derive(Debug, Clone)]
pub struct ArchivePaths {
    /// The server's name.
    pub server: String,
    /// `wals_directory`.
    pub wals_dir: PathBuf,
    /// `<server>-xlog.db` in `xlogdb_directory`.
    pub xlogdb: PathBuf,
    /// `barman_lock_directory`.
    pub lock_dir: PathBuf,
}

/// How a segment lies in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAs {
    /// As long as a segment is.
    Whole,
    /// As it is, with another number of bytes.
    OtherLength(u64),
    /// To be decoded. What is in it shows only then.
    Packed {
        /// The identifier of its compression.
        compression: Option<String>,
        /// That of its encryption.
        encryption: Option<String>,
    },
}

/// The archived WAL of a server: the files in `wals/`, and xlog.db that lists them.
///
/// Files are found by name without looking at the list. Whatever needs the list, or changes anything, goes through
/// [`Archive::open`].
#[derive(Clone)]
pub struct Archive {
    pub(super) files: Files,
    pub(super) cancel: Cancel,
    pub(super) paths: ArchivePaths,
    pub(super) codecs: Codecs,
}

impl Archive {
    /// The archive at `paths`, whose files `codecs` know. Touches nothing.
    pub fn new(context: &Context, paths: ArchivePaths, codecs: Codecs) -> Self {
        Self { files: context.files.clone(), cancel: context.cancel.clone(), paths, codecs }
    }

    /// Where the file lies, or would.
    pub fn path_of(&self, name: WalName) -> PathBuf {
        self.paths.wals_dir.join(name.relative_path())
    }

    /// Whether the file is there.
    pub fn contains(&self, name: WalName) -> Result<bool, Error> {
        Ok(self.files.exists(&self.path_of(name))?)
    }

    /// How a segment of `size` lies in the archive, as far as that shows without decoding it.
    pub fn stored_as(&self, segment: WalSegment, size: SegmentSize) -> Result<StoredAs, Error> {
        let name = WalName::Segment(segment);
        if self.files.metadata(&self.path_of(name))?.len() == u64::from(size.bytes()) {
            return Ok(StoredAs::Whole);
        }
        let found = self.describe(name)?;
        Ok(match (found.compression, found.encryption) {
            (None, None) => StoredAs::OtherLength(found.size),
            (compression, encryption) => StoredAs::Packed { compression, encryption },
        })
    }

    /// The first of the segments that is not there.
    pub fn find_missing(
        &self,
        segments: impl IntoIterator<Item = WalSegment>,
    ) -> Result<Option<WalSegment>, Error> {
        for segment in segments {
            if !self.contains(WalName::Segment(segment))? {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }

    /// The content of the file, decompressed.
    pub fn read(&self, name: WalName) -> Result<Content, Error> {
        self.decoded(&self.path_of(name), Origin::Archived)
    }

    /// The content of any file, decompressed.
    pub(super) fn decoded(&self, path: &Path, origin: Origin) -> Result<Content, Error> {
        self.decoded_open(self.files.open(path)?, path, origin)
    }

    /// The content of an open file, decompressed, `path` being its name.
    pub(super) fn decoded_open(&self, file: File, path: &Path, origin: Origin) -> Result<Content, Error> {
        let stream = self.codecs.decode(file, origin).map_err(|source| self.undecoded(path, source))?;
        Ok(Content::new(stream, self.server_name(), path.to_owned()))
    }

    /// Why a file could not be decoded. A program that was stopped has not failed.
    pub(super) fn undecoded(&self, path: &Path, source: codec::Error) -> Error {
        match self.cancel.check() {
            Err(cancelled) => cancelled.into(),
            Ok(()) => Error::Decode { server: self.server_name(), path: path.to_owned(), source },
        }
    }

    /// The last complete segment of every timeline that has one, as its file tells, ascending. The list is not asked.
    pub fn last_files(&self) -> Result<Vec<XlogDbEntry>, Error> {
        let directories = self.hash_dirs()?;
        let mut last: BTreeMap<Timeline, WalName> = BTreeMap::new();
        for directory in directories.iter().rev() {
            // The first half of the name is the timeline.
            let timeline = directory.to_str().and_then(|name| name[..8].parse().ok());
            if let Some(timeline) = timeline.filter(|timeline| !last.contains_key(timeline)) {
                let names = self.names_in(directory)?;
                let segment = names.into_iter().rev().find(|name| name.segment().is_some());
                last.extend(segment.map(|segment| (timeline, segment)));
            }
        }
        last.into_values().map(|name| self.describe(name)).collect()
    }

    /// The timelines that continue what `timeline` had written up to `lsn`, and where each left it.
    ///
    /// Looks at the histories of the timelines after `timeline`, one by one, until there is none.
    pub fn reachable_timelines(
        &self,
        timeline: Timeline,
        lsn: Lsn,
    ) -> Result<Vec<(Timeline, Ancestor)>, Error> {
        let mut reachable = Vec::new();
        let following = (1..).map_while(|step| Timeline::new(timeline.number().checked_add(step)?));
        for later in following {
            let Some(history) = self.load_history(later)? else { break };
            reachable.extend(history.continues(timeline, lsn).map(|ancestor| (later, ancestor.clone())));
        }
        Ok(reachable)
    }

    /// The history of a timeline; `None` when it is not archived.
    pub fn load_history(&self, timeline: Timeline) -> Result<Option<TimelineHistory>, Error> {
        let name = WalName::History(timeline);
        if !self.contains(name)? {
            return Ok(None);
        }
        let (path, mut text) = (self.path_of(name), Vec::new());
        self.read(name)?.copy_to(&mut text, &path)?;
        let history = String::from_utf8_lossy(&text).parse();
        history.map(Some).map_err(|source| Error::Malformed { server: self.server_name(), path, source })
    }

    /// Waits for the lock of xlog.db and opens the list. A list that is missing is made from the files; a last
    /// line that a crash has cut is mended.
    ///
    /// Python Barman takes the same lock for every look at the list. Hold it briefly.
    pub fn open(&self) -> Result<OpenArchive<'_>, Error> {
        let mut lock = self.lock()?;
        let path = &self.paths.xlogdb;
        let catalogue = match self.files.exists(path)? {
            true => {
                let catalogue = self.open_mended()?;
                lock.is_complete = lock.was_complete && catalogue.was_current();
                catalogue
            }
            false => {
                self.files.create_dir_all(fs::parent(path))?;
                let catalogue = self.list_files()?.0;
                lock.is_complete = true;
                catalogue
            }
        };
        Ok(OpenArchive::new(self, catalogue, lock))
    }

    /// Whether every file is known to have its line. Asks without the lock, so that nobody waits: a program that holds
    /// it at this moment has taken that knowledge away.
    pub(super) fn is_known_complete(&self) -> Result<bool, fs::Error> {
        let path = &self.paths.xlogdb;
        Ok(ArchiveLock::tells_complete(&self.lock_path())
            && self.files.exists(path)?
            && Index::is_current(&self.files, &self.files.open(path)?, path)?)
    }

    pub(super) fn lock(&self) -> Result<ArchiveLock, Error> {
        Ok(ArchiveLock::acquire(&self.lock_path(), &self.cancel)?)
    }

    fn lock_path(&self) -> PathBuf {
        self.paths.lock_dir.join(format!(".{}-xlogdb.lock", self.paths.server))
    }

    fn open_mended(&self) -> Result<Catalogue, Error> {
        let path = &self.paths.xlogdb;
        let file = self.files.open_writable(path)?;
        let cut = self.find_cut_line(&file)?;
        if let Some((start, _)) = cut {
            self.files.set_len(&file, start, path)?;
            self.files.sync(&file, path)?;
        }
        let mut catalogue = Catalogue::open(&self.files, &self.paths.server, path)?;
        // Python writes the line after the file: of a cut line there may be a file that nothing else lists. Ours
        // is written before, and then the file is still in `incoming`.
        if let Some((_, Some(name))) = cut
            && self.contains(name)?
        {
            let appended = catalogue.append(&[self.describe(name)?])?;
            catalogue.keep(&appended, 1)?;
        }
        Ok(catalogue)
    }

    /// Where the last line starts when it has no line feed, and the name it begins with when that is whole.
    pub(super) fn find_cut_line(&self, xlogdb: &File) -> Result<Option<(u64, Option<WalName>)>, Error> {
        let path = &self.paths.xlogdb;
        let len = xlogdb.metadata().at("examine", path)?.len();
        let from = len.saturating_sub(CUT_LINE_BYTES);
        let mut tail = vec![0; usize::try_from(len - from).unwrap_or(0)];
        xlogdb.read_exact_at(&mut tail, from).at("read", path)?;
        let line = tail.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if line.is_empty() {
            return Ok(None);
        }
        if line.len() as u64 == CUT_LINE_BYTES {
            return Err(Error::NoLines { server: self.server_name(), path: path.clone() });
        }
        let name = String::from_utf8_lossy(line).split_once('\t').and_then(|(name, _)| name.parse().ok());
        Ok(Some((len - line.len() as u64, name)))
    }

    /// The directories below `wals/` that hold segments, ascending.
    fn hash_dirs(&self) -> Result<BTreeSet<PathBuf>, fs::Error> {
        let mut directories = BTreeSet::new();
        self.files.visit(&self.paths.wals_dir, |name, _| {
            directories.extend(Some(PathBuf::from(name)).filter(|directory| is_hash_dir(directory)));
        })?;
        Ok(directories)
    }

    /// The directories below `wals/` that may hold files and whose last change is not before `since`, in seconds since
    /// 1970, ascending. `wals/` itself is the empty path.
    pub(super) fn directories_changed_since(&self, since: i64) -> Result<BTreeSet<PathBuf>, Error> {
        let mut directories = self.hash_dirs()?;
        directories.insert(PathBuf::new());
        let mut failed = Ok(());
        directories.retain(|directory| match self.files.metadata(&self.paths.wals_dir.join(directory)) {
            Ok(found) => found.is_dir() && found.mtime() >= since,
            Err(error) if error.is_not_found() => false,
            Err(error) => {
                failed = Err(error);
                false
            }
        });
        failed?;
        Ok(directories)
    }

    /// The WAL files in a directory below `wals/`, ascending; what lies where it does not belong is left out. What
    /// is no directory, or one of somebody else, has none.
    pub(super) fn names_in(&self, directory: &Path) -> Result<BTreeSet<WalName>, Error> {
        let mut names = BTreeSet::new();
        let is_ours = directory == Path::new("") || is_hash_dir(directory);
        if is_ours && self.files.is_dir(&self.paths.wals_dir.join(directory)) {
            self.visit_names(directory, |_, name| names.extend(name))?;
        }
        Ok(names)
    }

    /// Tells `visit` each entry of a directory below `wals/` that is not hidden, with the WAL file that it is; none
    /// when it does not belong there.
    pub(super) fn visit_names(
        &self,
        directory: &Path,
        mut visit: impl FnMut(&OsStr, Option<WalName>),
    ) -> Result<(), Error> {
        let path = self.paths.wals_dir.join(directory);
        self.files.visit(&path, |file_name, kind| {
            if !file_name.as_encoded_bytes().starts_with(b".") {
                // Somebody may have moved old files to another disk, and left links in their places.
                let is_file = kind.is_file() || kind.is_symlink() && path.join(&file_name).is_file();
                visit(&file_name, wal_name_in(directory, &file_name).filter(|_| is_file));
            }
        })?;
        Ok(())
    }

    /// The line of a file of the archive, from the file alone.
    pub(super) fn describe(&self, name: WalName) -> Result<XlogDbEntry, Error> {
        let path = self.path_of(name);
        self.describe_open(name, &self.files.open(&path)?, &path)
    }

    /// The line that an open file would have if it lay in the archive as it is.
    pub(super) fn describe_open(
        &self,
        name: WalName,
        file: &File,
        path: &Path,
    ) -> Result<XlogDbEntry, Error> {
        let metadata = file.metadata().at("examine", path)?;
        let detector = self.codecs.detector();
        let head = read_head(file, detector.wanted_bytes()).at("read", path)?;
        Ok(XlogDbEntry {
            name: name.to_string(),
            size: metadata.len(),
            time: modified_seconds(&metadata),
            compression: detector.detect_archived(&head).map(|compression| compression.to_string()),
            encryption: codec::is_encrypted(&head).then(|| "gpg".to_owned()),
        })
    }

    /// Where the archive lies.
    pub fn paths(&self) -> &ArchivePaths {
        &self.paths
    }

    pub(super) fn server_name(&self) -> String {
        self.paths.server.clone()
    }
}

/// The WAL file that a file's name tells, when it is written as PostgreSQL writes it: hexadecimal digits in upper
/// case. Another spelling would lie where nobody looks for it.
pub(super) fn parse_file_name(file_name: &str) -> Option<WalName> {
    file_name.parse().ok().filter(|name: &WalName| name.to_string() == file_name)
}

/// The WAL file that an entry of a directory below `wals/` is called, when that is where it belongs.
pub(super) fn wal_name_in(directory: &Path, file_name: &OsStr) -> Option<WalName> {
    let name = file_name.to_str().and_then(parse_file_name);
    name.filter(|name| directory_of(*name) == directory)
}

/// Whether a directory below `wals/` is called like one that holds segments: timeline and log in hexadecimal digits.
pub(super) fn is_hash_dir(directory: &Path) -> bool {
    let name = directory.as_os_str().as_encoded_bytes();
    name.len() == 16 && name.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'))
}

/// The directory below `wals/` that the file belongs in; of a history, the empty path.
pub(super) fn directory_of(name: WalName) -> PathBuf {
    name.relative_path().parent().map(Path::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests;
