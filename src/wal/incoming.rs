use std::ffi::{OsStr, OsString};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::archive::parse_file_name;
use super::error::Error;
use super::store::make_copy;
use crate::codec;
use crate::sys::fs::{self, File, Metadata, PathContext};
use crate::sys::{Context, Files};
use crate::types::{SegmentSize, WalName};

/// How long a file of the wrong size may be unchanged before nothing more is expected of its sender.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What lies in the directory that PostgreSQL's `archive_command` fills.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// WAL files to archive now, ascending.
    pub wals: Vec<WalName>,
    /// Entries that have no business there, sorted.
    pub unknown: Vec<OsString>,
    /// All entries but the hidden ones, as Barman counts them.
    pub found: usize,
}

/// Looks at `incoming`, and takes at most `batch_size` WAL files, the least names first.
///
/// Hidden files and `*.tmp` are files on their way.
pub(super) fn scan(
    files: &Files,
    incoming: &Path,
    batch_size: Option<NonZeroUsize>,
) -> Result<Incoming, fs::Error> {
    let mut scanned = Incoming::default();
    files.visit(incoming, |name, kind| {
        let text = name.to_string_lossy();
        if text.starts_with('.') {
            return;
        }
        scanned.found += 1;
        let is_file =
            || kind.is_file() || (kind.is_symlink() && is_link_to_file(files, &incoming.join(&name)));
        match parse_file_name(&text) {
            Some(wal) if is_file() => scanned.wals.push(wal),
            _ if text.ends_with(".tmp") => {}
            _ => scanned.unknown.push(name),
        }
    })?;
    scanned.wals.sort_unstable();
    scanned.wals.truncate(batch_size.map_or(usize::MAX, NonZeroUsize::get));
    scanned.unknown.sort_unstable();
    Ok(scanned)
}

fn is_link_to_file(files: &Files, path: &Path) -> bool {
    files.metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is all there, as far as anybody can tell.
    Over,
    /// It changed in the last two seconds and has not the size it should.
    UnderWay,
    /// It is shorter than it should be, and has not grown for longer than that.
    BrokenOff {
        /// The size it should have.
        expected: SegmentSize,
    },
}

/// Looks how far an open file has come. `segment_size` counts for a segment whose first page does not tell its size.
///
/// Labels and histories have no size they should have, but are written at once: only an empty one is incomplete.
pub(super) fn arrival(
    name: WalName,
    (file, path): (&File, &Path),
    metadata: &Metadata,
    segment_size: Option<SegmentSize>,
    now: SystemTime,
) -> Result<Arrival, fs::Error> {
    let is_segment = matches!(name, WalName::Segment(_) | WalName::Partial(_));
    // No segment is empty, whatever its size.
    let told = match metadata.len() {
        0 => Some(segment_size.unwrap_or_default()),
        _ => told_size(file, path)?,
    };
    let is_short = |size: &SegmentSize| metadata.len() < u64::from(size.bytes());
    let is_whole = match told.or(segment_size).filter(|_| is_segment) {
        Some(size) => metadata.len() == u64::from(size.bytes()),
        None => metadata.len() > 0,
    };
    Ok(match told.filter(|_| is_segment).filter(is_short) {
        _ if !is_whole && is_young(metadata, now) => Arrival::UnderWay,
        Some(expected) => Arrival::BrokenOff { expected },
        None => Arrival::Over,
    })
}

fn told_size(file: &File, path: &Path) -> Result<Option<SegmentSize>, fs::Error> {
    let mut head = [0; codec::SegmentHeader::BYTES];
    let len = file.read_at(&mut head, 0).at("read", path)?;
    Ok(codec::SegmentHeader::parse(&head[..len]).map(|header| header.segment_size))
}

fn is_young(metadata: &Metadata, now: SystemTime) -> bool {
    let age = metadata.modified().ok().map(|modified| match now.duration_since(modified) {
        Ok(age) => age,
        // A time in the future is that of another machine's clock.
        Err(ahead) => ahead.duration(),
    });
    age.is_some_and(|age| age < SETTLED_AFTER)
}

/// Why a file is put into the directory of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The archive has another file of that name.
    Duplicate,
    /// It is no WAL file.
    Unknown,
}

/// Moves what was found in `incoming` and is called `name` to the directory of errors, as `<name>.<UTC>.<fault>`.
/// Nothing there is ever replaced.
pub(super) fn set_aside(
    context: &Context,
    source: &Path,
    name: &OsStr,
    errors_dir: &Path,
    fault: Fault,
) -> Result<(), Error> {
    let files = &context.files;
    files.create_dir_all(errors_dir)?;
    let target = free_path(context, name, errors_dir, fault)?;
    match files.rename(source, &target) {
        Err(error) if error.source.kind() == io::ErrorKind::CrossesDevices && !files.is_dir(source) => {
            make_copy(files, &context.cancel, (&files.open(source)?, source), &target)?;
            files.sync_dir(errors_dir)?;
            Ok(files.remove_file(source)?)
        }
        other => Ok(other?),
    }
}

fn free_path(context: &Context, name: &OsStr, errors_dir: &Path, fault: Fault) -> Result<PathBuf, fs::Error> {
    let suffix = match fault {
        Fault::Duplicate => "duplicate",
        Fault::Unknown => "unknown",
    };
    let mut moment = context.clock.now().to_utc();
    loop {
        let mut name = name.to_owned();
        name.push(format!(".{}.{suffix}", moment.format("%Y%m%dT%H%M%SZ")));
        let target = errors_dir.join(name);
        if !context.files.exists(&target)? {
            return Ok(target);
        }
        moment += Duration::from_secs(1);
    }
}
