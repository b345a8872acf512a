//! The copy of a PostgreSQL cluster: many trees and a few single files, by several rsyncs at once.
//!
//! ```text
//! list every tree of the source, in parallel, and deal its files out while they are listed
//!     safe   size and time tell whether a file is the one of the reference, or there is nothing to compare with
//!     check  it looks like the one of the reference, but is too young for its time to be believed: checksum
//! remove from destinations that are not empty what the source does not have
//! copy the lists of all trees, the heaviest first, each by one rsync that also makes the directories
//! copy the single files, those of one destination by one rsync: external configuration, the control file
//! ```
//!
//! What is copied from a directory of this host that nobody changes to one that holds nothing yet is listed by rsync,
//! whose patterns say what is copied, and copied without it.
//!
//! The reference is what an earlier copy left in the `reuse` directory, or else what the destination holds. Of a
//! running server everything may change meanwhile: a file is copied as it is when its turn comes, one that has
//! vanished is passed over. Nothing is ever written into a file that the destination shares with the reference.

mod analysis;
mod copying;
mod file_list;
mod local;
mod meter;
mod plan;
mod pool;
mod runner;
mod stats;
mod write_behind;

use std::path::PathBuf;
use std::time::Instant;

pub use plan::SymbolicLink;
pub use pool::StartThrottle;

use copying::Copied;
use runner::Runner;

use super::filter::Filters;
use super::{Endpoint, Retry, listing, rsync};
use crate::sys::{Cancel, Cancelled, Context, fs};
use crate::types::CopyTimes;
use crate::types::Timestamp;

/// A copy, as it is planned.
#[derive(Debug, Clone)]
pub struct SmartCopy {
    /// Where the items come from.
    pub source: Endpoint,
    /// Where they go; not another host if the source is one.
    pub destination: Endpoint,
    /// What is copied: the trees in any order, then the single files.
    pub items: Vec<CopyItem>,
    /// How many rsyncs may run at a time, at least one.
    pub jobs: usize,
    /// What is made of files that have not changed since the copies in the items' `reuse` directories.
    pub reuse: ReuseMode,
    /// When the copy began that the `reuse` directories, or else the destinations, hold, by the clock of the
    /// source. Without it everything that looks unchanged is compared by checksum.
    pub safe_horizon: Option<Timestamp>,
    /// Whether nobody changes the source meanwhile: what vanishes from it is not passed over then.
    pub is_source_still: bool,
    /// What happens when an rsync fails.
    pub retry: Retry,
    /// Whether data is compressed on its way to or from another host.
    pub network_compression: bool,
    /// How fast rsyncs may be started.
    pub throttle: StartThrottle,
    /// Directories in which rsync and ssh are looked for first.
    pub path_prefix: Option<String>,
}

impl SmartCopy {
    /// A copy of nothing, one job at a time, that reuses nothing and never tries again.
    pub fn new(source: Endpoint, destination: Endpoint) -> Self {
        Self {
            source,
            destination,
            items: Vec::new(),
            jobs: 1,
            reuse: ReuseMode::Off,
            safe_horizon: None,
            is_source_still: false,
            retry: Retry::default(),
            network_compression: false,
            throttle: StartThrottle::default(),
            path_prefix: None,
        }
    }

    /// Copies all items, and tells how far it is.
    ///
    /// It returns when no rsync of this host runs any more, also when one failed or we were asked to stop: the
    /// others are ended then. The destination holds a part of the copy in that case, and the same copy may be
    /// run again. Not all has been synced to disk.
    ///
    /// # Errors
    /// The first failure that the retries did not heal.
    pub fn run(&self, context: &Context) -> Result<CopyReport, Error> {
        if let (Endpoint::Ssh(_), Endpoint::Ssh(_)) = (&self.source, &self.destination) {
            return Err(Error::TwoRemotes);
        }
        let stop = Cancel::default();
        let token = stop.clone();
        let _stopper = context.cancel.break_with(move || token.cancel());
        let result = self.run_until(stop, context);
        context.cancel.check()?;
        result
    }

    fn run_until(&self, stop: Cancel, context: &Context) -> Result<CopyReport, Error> {
        let begin = Instant::now();
        let runner = Runner::new(self, context, stop);
        let mut trees = analysis::list_trees(&runner)?;
        let links = trees.iter_mut().flat_map(|tree| std::mem::take(&mut tree.plan.links)).collect();
        let analyses: Vec<_> = trees.iter().map(|tree| tree.span).collect();
        copying::purge(&runner, &trees)?;
        let mut all = Copied::default();
        write_behind::writing_behind(&runner, || {
            copying::copy_trees(&runner, trees)?.into_iter().for_each(|copied| all.add(copied));
            copying::copy_files(&runner)?.into_iter().for_each(|copied| all.add(copied));
            Ok(())
        })?;
        let Copied { spans, missing, files, bytes, copied_bytes } = all;
        let labels: Vec<_> = self.items.iter().map(|item| item.label.clone()).collect();
        let times = stats::add_up(begin, runner.workers(), &labels, &analyses, &spans);
        Ok(CopyReport { times, links, missing, files, bytes, copied_bytes })
    }
}

/// A tree or a file to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyItem {
    /// Its name in the statistics and in messages: `pgdata`, `pg_control`, that of a tablespace.
    pub label: String,
    /// What of the directories below is copied.
    pub kind: ItemKind,
    /// The directory it comes from.
    pub source: PathBuf,
    /// The directory it goes to; on this host it is made if need be.
    pub destination: PathBuf,
    /// A directory of the destination's host with an earlier copy of the same tree.
    pub reuse: Option<PathBuf>,
    /// What is left out.
    pub filters: Filters,
    /// The rate that each rsync keeps to, in KiB a second; 0 is none.
    pub bandwidth_limit: u32,
}

/// What is copied of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// The whole tree.
    Tree,
    /// One file, after all trees.
    File {
        /// Its path relative to the directory, the same in source and destination.
        name: PathBuf,
        /// Whether it may be missing.
        optional: bool,
    },
}

impl CopyItem {
    /// All of the directory `source`.
    pub fn tree(
        label: impl Into<String>,
        source: impl Into<PathBuf>,
        destination: impl Into<PathBuf>,
    ) -> Self {
        Self {
            label: label.into(),
            kind: ItemKind::Tree,
            source: source.into(),
            destination: destination.into(),
            reuse: None,
            filters: Filters::default(),
            bandwidth_limit: 0,
        }
    }

    /// The file `name` of the directory `source`, copied after the trees, to the same name in `destination`.
    pub fn file(
        label: impl Into<String>,
        source: impl Into<PathBuf>,
        destination: impl Into<PathBuf>,
        name: impl Into<PathBuf>,
    ) -> Self {
        let kind = ItemKind::File { name: name.into(), optional: false };
        Self { kind, ..Self::tree(label, source, destination) }
    }

    /// The same file, which may be missing.
    #[must_use]
    pub fn optional(mut self) -> Self {
        if let ItemKind::File { optional, .. } = &mut self.kind {
            *optional = true;
        }
        self
    }
}

/// What is made of a file that has not changed since an earlier copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReuseMode {
    /// It is copied anew.
    #[default]
    Off,
    /// It is copied from the earlier copy.
    Copy,
    /// It becomes a hard link to the one of the earlier copy.
    Link,
}

/// What came of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyReport {
    /// Where the time went.
    pub times: CopyTimes,
    /// Symbolic links of the source, but those of tablespaces and of directories of which nothing is copied: what
    /// they point to was copied in their place.
    pub links: Vec<SymbolicLink>,
    /// Files that were optional, and are missing.
    pub missing: Vec<PathBuf>,
    /// How many files are in place.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// The size of those that had changed and were copied over.
    pub copied_bytes: u64,
}

/// The copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// rsync failed.
    #[error("data transfer failure on {what} '{path}'")]
    Transfer {
        /// "directory" or "file".
        what: &'static str,
        /// Of the source.
        path: PathBuf,
        /// What rsync said.
        source: rsync::Error,
    },
    /// The list of files that rsync gave cannot be read.
    #[error("data transfer failure on directory '{path}'")]
    Listing {
        /// Of the source.
        path: PathBuf,
        /// The line in question.
        source: listing::ParseError,
    },
    /// A directory to be copied does not exist.
    #[error("directory '{path}' of '{label}' does not exist: is its file system mounted?")]
    NoSuchDirectory {
        /// The item.
        label: String,
        /// Its source.
        path: PathBuf,
    },
    /// A file to be copied does not exist.
    #[error("file '{path}' of '{label}' does not exist")]
    NoSuchFile {
        /// The item.
        label: String,
        /// Its source.
        path: PathBuf,
    },
    /// rsync copies to or from this host only.
    #[error("cannot copy from one other host to another")]
    TwoRemotes,
    /// A file or directory of this host could not be made, copied or looked at.
    #[error(transparent)]
    Files(#[from] fs::Error),
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Transfer { source, .. } if source.is_retryable())
    }

    fn is_no_such_directory(&self) -> bool {
        matches!(self, Self::Transfer { source: rsync::Error::Failed(failure), .. }
            if failure.reason == rsync::Reason::NoSuchDirectory)
    }
}
