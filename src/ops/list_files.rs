//! `list-files`.

use std::ffi::OsString;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::str::FromStr;

use super::{Error, wal_use};
use crate::catalog::{BackupInfo, Catalog, RequiredWalError};
use crate::sys::Context;
use crate::types::{ParseError, Timeline, WalName, WalSegment};
use crate::wal::{Archive, XlogDbEntry};

/// Segments that are looked up at a time, so that the archive is not locked while somebody reads our answer.
const BATCH: usize = 10_000;

/// Which files of a backup are asked for (`--target`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// What a restore of the backup itself needs.
    #[default]
    Standalone,
    /// The files of the cluster.
    Data,
    /// The archived WAL from the begin of the backup to the end of the next one.
    Wal,
    /// Data and archived WAL.
    Full,
}

impl FromStr for Target {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "standalone" => Ok(Self::Standalone),
            "data" => Ok(Self::Data),
            "wal" => Ok(Self::Wal),
            "full" => Ok(Self::Full),
            _ => Err(ParseError::new("target", text)),
        }
    }
}

/// What the person asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Which files.
    pub target: Target,
    /// Directories that hold nothing, too.
    pub empty_directories: bool,
}

/// Gives `out` the path of each file of the backup that `text` means, one by one: there may be millions.
///
/// WAL that the backup needs is listed whether it is archived or not; a server that was promoted during the
/// backup, or a backup that did not get that far, is an error.
pub fn run(
    context: &Context,
    catalog: &Catalog,
    archive: &Archive,
    text: &str,
    options: Options,
    out: &mut dyn FnMut(&Path) -> io::Result<()>,
) -> Result<(), Error> {
    let info = catalog.resolve(text)?;
    let mut listing = Listing { context, archive, out };
    if options.target != Target::Wal {
        listing.directory(&catalog.layout().base_dir(&info.id), options.empty_directories)?;
    }
    match options.target {
        Target::Data => Ok(()),
        Target::Standalone => {
            info.required_segments()?.try_for_each(|segment| listing.wal(WalName::Segment(segment)))
        }
        Target::Wal | Target::Full => listing.archived_wal(info, catalog.next_available(&info.id)?),
    }
}

struct Listing<'a> {
    context: &'a Context,
    archive: &'a Archive,
    out: &'a mut dyn FnMut(&Path) -> io::Result<()>,
}

impl Listing<'_> {
    fn path(&mut self, path: &Path) -> Result<(), Error> {
        (self.out)(path).map_err(Error::Output)
    }

    fn wal(&mut self, name: WalName) -> Result<(), Error> {
        self.path(&self.archive.path_of(name))
    }

    /// First the files of a directory, then those of the directories in it. So the copy of the record comes before all
    /// else, where repmgr looks for it: it takes the first line for that and no other. Links to directories are not followed.
    fn directory(&mut self, dir: &Path, with_empty: bool) -> Result<(), Error> {
        self.context.cancel.check()?;
        let (mut files, mut directories, mut links) = (Vec::new(), Vec::new(), Vec::new());
        self.context.files.visit(dir, |name, kind| match kind {
            kind if kind.is_dir() => directories.push(name),
            kind if kind.is_symlink() => links.push(name),
            _ => files.push(name),
        })?;
        let is_empty = files.is_empty() && directories.is_empty() && links.is_empty();
        if is_empty && with_empty {
            return self.path(dir);
        }
        let leads_to_file = |link: &OsString| !self.context.files.is_dir(&dir.join(link));
        files.extend(links.into_iter().filter(leads_to_file));
        files.sort();
        directories.sort();
        files.iter().try_for_each(|file| self.path(&dir.join(file)))?;
        directories.iter().try_for_each(|directory| self.directory(&dir.join(directory), with_empty))
    }

    /// The segments on the timeline of the backup, and among them the histories that come before they end.
    fn archived_wal(&mut self, info: &BackupInfo, next: Option<&BackupInfo>) -> Result<(), Error> {
        let unknown = || RequiredWalError::Unknown { id: info.id.clone() };
        let begin = info.begin_wal.ok_or_else(unknown)?;
        let (earlier, later) = self.find_histories(begin, next)?;
        for history in earlier {
            self.wal(WalName::History(history))?;
        }
        let (mut from, to) = wal_use::range(begin, next);
        loop {
            let batch = self.find_segments((from, to))?;
            let Some(last) = batch.last() else { break };
            from = Bound::Excluded(WalName::Segment(*last));
            batch.iter().try_for_each(|segment| self.wal(WalName::Segment(*segment)))?;
        }
        later.into_iter().try_for_each(|history| self.wal(WalName::History(history)))
    }

    fn find_segments(&self, range: (Bound<WalName>, Bound<WalName>)) -> Result<Vec<WalSegment>, Error> {
        let mut open = self.archive.open()?;
        let segment = |entry: XlogDbEntry| entry.wal_name().and_then(WalName::segment);
        let segments = open.entries(range)?.filter_map(|entry| entry.map(segment).transpose());
        Ok(segments.take(BATCH).collect::<Result<_, _>>()?)
    }

    /// The archived histories, up to the timeline of the backup and after it; none after it when the timeline goes
    /// on after the end of the next backup, because theirs is another backup's WAL.
    fn find_histories(
        &self,
        begin: WalSegment,
        next: Option<&BackupInfo>,
    ) -> Result<(Vec<Timeline>, Vec<Timeline>), Error> {
        let mut histories = Vec::new();
        self.context.files.visit(&self.archive.paths().wals_dir, |name, _| {
            if let Some(Ok(WalName::History(timeline))) = name.to_str().map(str::parse) {
                histories.push(timeline);
            }
        })?;
        histories.sort();
        let mut open = self.archive.open()?;
        let end_of_timeline = wal_use::end_of(begin.timeline());
        let goes_on = match wal_use::range(begin, next).1 {
            Bound::Included(end) => open.last_segment((Bound::Excluded(end), end_of_timeline))?.is_some(),
            Bound::Excluded(_) | Bound::Unbounded => false,
        };
        let mut listed = Vec::new();
        for timeline in histories.into_iter().filter(|timeline| *timeline <= begin.timeline() || !goes_on) {
            if open.find(WalName::History(timeline))?.is_some() {
                listed.push(timeline);
            }
        }
        let later = listed.split_off(listed.partition_point(|timeline| *timeline <= begin.timeline()));
        Ok((listed, later))
    }
}
