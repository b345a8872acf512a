use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pool::Starts;
use super::{Error, ReuseMode, SmartCopy};
use crate::sys::{Cancel, Cancelled, Context};
use crate::transfer::Endpoint;
use crate::transfer::lines::Lines;
use crate::transfer::listing::{self, Entry};
use crate::transfer::rsync::{self, Item, Itemized, Rsync};

/// Since 3.1.0; it keeps files that vanish before their turn from being complained about one by one.
const IGNORE_MISSING: &str = "--ignore-missing-args";

/// Runs the rsyncs of a copy: not too many at once, again when one fails, none after the stop.
pub(super) struct Runner<'a> {
    pub copy: &'a SmartCopy,
    pub context: &'a Context,
    /// Set when we are asked to stop, and when one of the workers has failed.
    pub stop: Cancel,
    starts: Starts,
    /// Whether files may vanish, and both sides know [`IGNORE_MISSING`] as far as we know.
    ignores_missing: AtomicBool,
}

impl<'a> Runner<'a> {
    pub fn new(copy: &'a SmartCopy, context: &'a Context, stop: Cancel) -> Self {
        let (starts, ignores_missing) = (Starts::new(copy.throttle), AtomicBool::new(!copy.is_source_still));
        Self { copy, context, stop, starts, ignores_missing }
    }

    pub fn workers(&self) -> usize {
        self.copy.jobs.max(1)
    }

    /// Whether files of both sides are at hand, and nothing is compared or changes while it is copied.
    pub fn needs_no_rsync(&self) -> bool {
        let SmartCopy { source, destination, is_source_still, reuse, .. } = self.copy;
        let is_here = *source == Endpoint::Local && *destination == Endpoint::Local;
        is_here && *is_source_still && *reuse == ReuseMode::Off
    }

    /// Lists files of the directory `path`, giving them to `each` as they come.
    pub fn list(
        &self,
        path: &Path,
        build: impl Fn(Rsync) -> Rsync,
        input: &[u8],
        mut each: impl FnMut(Entry),
    ) -> Result<(), Error> {
        let mut malformed = None;
        let mut lines = Lines::new(|line: &[u8]| match listing::parse_line(line) {
            Ok(entry) => {
                each(entry);
                Ok(())
            }
            Err(error) => {
                malformed = Some(error);
                Err(io::ErrorKind::InvalidData.into())
            }
        });
        let listing = |rsync: Rsync| build(rsync.options(["--list-only", "--no-human-readable"]));
        let listed = self.start(listing, input, &mut lines);
        match malformed {
            Some(source) => Err(Error::Listing { path: path.into(), source }),
            None => listed.map_err(|error| transfer_error("directory", path, error)),
        }
    }

    /// Copies files of the directory or file `path`; `each` sees how far it is, and each file in turn.
    pub fn copy(
        &self,
        (what, path): (&'static str, &Path),
        build: impl Fn(Rsync) -> Rsync,
        input: &[u8],
        mut each: impl FnMut(&Itemized, Option<Item>),
    ) -> Result<Itemized, Error> {
        let mut done = Itemized::default();
        let mut lines = Lines::new(|line: &[u8]| {
            let item = done.read_line(line);
            each(&done, item);
            Ok(())
        });
        let copying = |rsync: Rsync| build(rsync.options(Itemized::options()));
        self.start(copying, input, &mut lines).map_err(|error| transfer_error(what, path, error))?;
        Ok(done)
    }

    /// Runs an rsync in the directory `path` that prints nothing of interest.
    pub fn apply(&self, path: &Path, build: impl Fn(Rsync) -> Rsync) -> Result<(), Error> {
        self.start(build, &[], &mut io::sink()).map_err(|error| transfer_error("directory", path, error))
    }

    /// Makes an `attempt` at the item `label`, and another if it fails, as often as allowed.
    pub fn retrying<T>(&self, label: &str, attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        let what = format!("rsync on {label}");
        self.copy.retry.run(&what, (self.context, &self.stop), Error::is_retryable, attempt)
    }

    /// Runs one rsync when its turn to start comes, and once more if one side is too old for an option of ours.
    fn start(
        &self,
        build: impl Fn(Rsync) -> Rsync,
        input: &[u8],
        output: &mut dyn Write,
    ) -> Result<(), rsync::Error> {
        let remote = self.copy.source != Endpoint::Local || self.copy.destination != Endpoint::Local;
        loop {
            let ignores_missing = self.ignores_missing.load(Ordering::Relaxed);
            let rsync = Rsync::new()
                .path_prefix(self.copy.path_prefix.as_deref())
                .still_source(self.copy.is_source_still)
                .option_if(ignores_missing, IGNORE_MISSING)
                .option_if(remote && self.copy.network_compression, "--compress");
            self.starts.wait(&*self.context.clock, &self.stop)?;
            match build(rsync).run(input, output, &*self.context.processes, &self.stop) {
                Err(error) if ignores_missing && error.is_unknown_option(IGNORE_MISSING) => {
                    self.ignores_missing.store(false, Ordering::Relaxed);
                }
                other => return other.map(drop),
            }
        }
    }
}

fn transfer_error(what: &'static str, path: &Path, error: rsync::Error) -> Error {
    match error {
        rsync::Error::Cancelled(Cancelled) => Error::Cancelled(Cancelled),
        source => Error::Transfer { what, path: path.into(), source },
    }
}
