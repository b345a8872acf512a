use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::file_list::FileList;
use super::meter::Meter;
use super::plan::{Plan, Planner, Reference};
use super::pool::{Starts, run_parallel};
use super::stats::{Span, add_up};
use super::{CopyItem, CopyReport, Error, ItemKind, ReuseMode, SmartCopy};
use crate::sys::{Cancel, Cancelled, Context};
use crate::transfer::lines::Lines;
use crate::transfer::listing::{self, Entry, Kind, Stamp};
use crate::transfer::rsync::{self, Itemized, Reason, Rsync};
use crate::transfer::{Endpoint, Location};

/// Trees are listed by so many rsyncs at least: it costs the source little, and each takes a connection.
const LISTERS: usize = 4;

/// Since 3.1.0; it keeps files that vanish before their turn from being complained about one by one.
const IGNORE_MISSING: &str = "--ignore-missing-args";

/// Links are followed to what they point to; on the receiving side one to a directory stays. Modes and times are
/// kept, owners are not.
const COPY_OPTIONS: &str = "-LKpt";

/// Files of less than an exbibyte are left out of the copy, not out of the list.
const NO_FILES: &str = "--min-size=1152921504606846976";

/// A copy under way.
struct Work<'a> {
    copy: &'a SmartCopy,
    context: &'a Context,
    /// Set when we are asked to stop, and when one of the workers has failed.
    stop: Cancel,
    starts: Starts,
    /// Whether both sides know [`IGNORE_MISSING`], as far as we know.
    ignores_missing: AtomicBool,
}

/// A tree that was listed.
struct Tree<'a> {
    number: usize,
    item: &'a CopyItem,
    plan: Plan,
    /// Whether the destination held something already.
    populated: bool,
    span: Span,
}

/// One run of rsync that copies files of a tree.
struct Job<'a> {
    number: usize,
    item: &'a CopyItem,
    files: FileList,
    checksum: bool,
    /// Whether the destination held something already.
    populated: bool,
}

/// Single files that go to one directory, by one run of rsync.
struct Group<'a> {
    destination: &'a Path,
    files: Vec<(usize, &'a CopyItem, &'a Path)>,
}

/// What a run of rsync, or several, have done.
#[derive(Default)]
struct Copied {
    spans: Vec<Span>,
    missing: Vec<PathBuf>,
    files: u64,
    bytes: u64,
    copied_bytes: u64,
}

pub(super) fn run(copy: &SmartCopy, context: &Context) -> Result<CopyReport, Error> {
    if let (Endpoint::Ssh(_), Endpoint::Ssh(_)) = (&copy.source, &copy.destination) {
        return Err(Error::TwoRemotes);
    }
    let stop = Cancel::default();
    let token = stop.clone();
    let _stopper = context.cancel.break_with(move || token.cancel());
    let starts = Starts::new(copy.throttle);
    let work = Work { copy, context, stop, starts, ignores_missing: AtomicBool::new(true) };
    let result = work.run();
    context.cancel.check()?;
    result
}

impl Work<'_> {
    fn run(&self) -> Result<CopyReport, Error> {
        let begin = Instant::now();
        let mut trees = self.list_trees()?;
        self.purge(&trees)?;
        let analyses: Vec<_> = trees.iter().map(|tree| tree.span).collect();
        let links = trees.iter_mut().flat_map(|tree| std::mem::take(&mut tree.plan.links)).collect();
        let mut all = Copied::default();
        for copied in self.copy_trees(trees)?.into_iter().chain(self.copy_files()?) {
            all.spans.extend(copied.spans);
            all.missing.extend(copied.missing);
            all.files += copied.files;
            all.bytes = all.bytes.saturating_add(copied.bytes);
            all.copied_bytes = all.copied_bytes.saturating_add(copied.copied_bytes);
        }
        let labels: Vec<_> = self.copy.items.iter().map(|item| item.label.clone()).collect();
        let stats = add_up(begin, self.workers(), &labels, &analyses, &all.spans);
        let Copied { missing, files, bytes, copied_bytes, .. } = all;
        Ok(CopyReport { stats, links, missing, files, bytes, copied_bytes })
    }

    fn workers(&self) -> usize {
        self.copy.jobs.max(1)
    }

    // Listing.

    fn list_trees(&self) -> Result<Vec<Tree<'_>>, Error> {
        let items = self.copy.items.iter().enumerate();
        let trees: Vec<_> = items.filter(|(_, item)| item.kind == ItemKind::Tree).collect();
        let meter = Meter::new(&*self.context.events, "listing files", None);
        run_parallel(trees, self.workers().max(LISTERS), &self.stop, |(number, item)| {
            self.list_tree(number, item, &meter)
        })
    }

    fn list_tree<'a>(&self, number: usize, item: &'a CopyItem, meter: &Meter) -> Result<Tree<'a>, Error> {
        let begin = Instant::now();
        let (reference, populated) = self.reference(item)?;
        let mut share = meter.share();
        let plan = self.retrying(item, || {
            let mut planner =
                Planner::new(&item.source, &item.filters, &reference, self.copy.safe_horizon, self.workers());
            self.list_source(item, &[], &mut |entry| {
                planner.add(entry);
                share.set(planner.bytes);
            })?;
            if !planner.root_listed() {
                return Err(no_such_directory(item));
            }
            let links = planner.take_followed();
            if !links.is_empty() {
                self.list_source(item, &links, &mut |entry| planner.add(entry))?;
            }
            Ok(planner.finish())
        })?;
        tracing::debug!("listed {} '{}'", item.label, item.source.display());
        Ok(Tree { number, item, plan, populated, span: Span::since(begin, number) })
    }

    /// Lists the tree of `item` without following links; or, given `links`, what these point to.
    fn list_source(&self, item: &CopyItem, links: &[u8], each: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        let source = Location::inside(&self.copy.source, &item.source);
        let build = |rsync: Rsync| {
            let rsync = rsync.filters(&item.filters).option(if links.is_empty() { "-rl" } else { "-rL" });
            let rsync = rsync.location(source.clone());
            if links.is_empty() {
                return rsync;
            }
            // With names from standard input rsync wants a destination, in which it does nothing.
            rsync.files_from_input().location(Location::inside(&Endpoint::Local, Path::new("/")))
        };
        match self.list(&item.source, build, links, each) {
            Err(error) if reason(&error) == Some(Reason::NoSuchDirectory) => Err(no_such_directory(item)),
            other => other,
        }
    }

    fn list(
        &self,
        path: &Path,
        build: impl Fn(Rsync) -> Rsync,
        links: &[u8],
        each: &mut dyn FnMut(Entry),
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
        let listed = self.start(
            |rsync| build(rsync.options(["--list-only", "--no-human-readable"])),
            links,
            &mut lines,
        );
        match malformed {
            Some(source) => Err(Error::Listing { path: path.into(), source }),
            None => listed.map_err(|error| transfer_error("directory", path, error)),
        }
    }

    /// What the files of `item` are compared with, and whether the destination holds something. A destination on
    /// this host is made.
    fn reference(&self, item: &CopyItem) -> Result<(Reference, bool), Error> {
        let reuse = item.reuse.as_ref().filter(|_| self.copy.reuse != ReuseMode::Off);
        if self.copy.destination == Endpoint::Local {
            let files = &self.context.files;
            files.create_dir_all(&item.destination)?;
            let populated = !files.list(&item.destination)?.is_empty();
            let root = reuse.or(Some(&item.destination).filter(|_| populated));
            let tree = |root: &PathBuf| Reference::Tree(files.clone(), root.clone());
            return Ok((root.map_or(Reference::Nothing, tree), populated));
        }
        let there = self.list_stamps(item, &item.destination)?;
        let populated = !there.is_empty();
        let stamps = reuse.map_or(Ok(there), |reuse| self.list_stamps(item, reuse))?;
        Ok((Reference::Listed(stamps), populated))
    }

    /// The files in a directory of the destination's host; none if there is no such directory.
    fn list_stamps(&self, item: &CopyItem, dir: &Path) -> Result<HashMap<Box<[u8]>, Stamp>, Error> {
        let location = Location::inside(&self.copy.destination, dir);
        let listed = self.retrying(item, || {
            let mut stamps = HashMap::new();
            self.list(dir, |rsync| rsync.option("-rl").location(location.clone()), &[], &mut |entry| {
                // Directories are remembered too: with one the destination is not empty.
                if entry.kind != Kind::Directory || entry.name != b"." {
                    stamps.insert(entry.name.into(), entry.stamp);
                }
            })?;
            Ok(stamps)
        });
        match listed {
            Err(error) if reason(&error) == Some(Reason::NoSuchDirectory) => Ok(HashMap::new()),
            other => other,
        }
    }

    // Copying.

    /// Removes from each destination what the source does not have, and makes the directories. No file is as large
    /// as the smallest that would be copied.
    fn purge(&self, trees: &[Tree]) -> Result<(), Error> {
        let populated = trees.iter().filter(|tree| tree.populated).map(|tree| tree.item).collect();
        run_parallel(populated, self.workers(), &self.stop, |item| {
            let build = |rsync: Rsync| {
                rsync
                    .options(["-rLK", "--delete", "--delete-excluded", "--force", NO_FILES])
                    .filters(&item.filters)
                    .location(Location::inside(&self.copy.source, &item.source))
                    .location(Location::inside(&self.copy.destination, &item.destination))
            };
            let purge = || self.start(build, &[], &mut io::sink());
            self.retrying(item, || purge().map_err(|error| transfer_error("directory", &item.source, error)))
        })?;
        Ok(())
    }

    fn copy_trees(&self, trees: Vec<Tree>) -> Result<Vec<Copied>, Error> {
        let mut jobs = Vec::new();
        for Tree { number, item, plan, populated, .. } in trees {
            let safe = plan.safe.into_iter().map(|files| (files, false));
            let check = plan.check.into_iter().map(|files| (files, true));
            let job = |(files, checksum)| Job { number, item, files, checksum, populated };
            jobs.extend(safe.chain(check).map(job));
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.files.weight()));
        let total = jobs.iter().map(|job| job.files.bytes).fold(0, u64::saturating_add);
        tracing::debug!("copying {total} bytes by {} runs of rsync", jobs.len());
        let meter = Meter::new(&*self.context.events, "copying files", Some(total));
        run_parallel(jobs, self.workers(), &self.stop, |job| self.copy_list(job, &meter))
    }

    fn copy_list(&self, job: Job, meter: &Meter) -> Result<Copied, Error> {
        let Job { number, item, files, checksum, populated } = job;
        let begin = Instant::now();
        let build = |rsync: Rsync| {
            let rsync = rsync.options([COPY_OPTIONS, "--dirs"]).option_if(checksum, "--checksum");
            // What was removed from the destination may leave a directory where a file goes.
            let rsync = rsync.option_if(populated, "--force");
            self.reusing(rsync, item)
                .value("--bwlimit", (item.bandwidth_limit > 0).then(|| item.bandwidth_limit.to_string()))
                .files_from_input()
                .location(Location::inside(&self.copy.source, &item.source))
                .location(Location::inside(&self.copy.destination, &item.destination))
        };
        let mut share = meter.share();
        let done = self.retrying(item, || {
            let mut done = Itemized::default();
            let mut lines = Lines::new(|line: &[u8]| {
                done.read_line(line);
                share.set(done.bytes());
                Ok(())
            });
            let copied = self.start(|rsync| build(itemizing(rsync)), &files.names, &mut lines);
            copied.map_err(|error| transfer_error("directory", &item.source, error))?;
            Ok(done)
        })?;
        // What has vanished meanwhile counts as done too.
        share.set(files.bytes);
        let spans = vec![Span::since(begin, number)];
        let (files, bytes) = (done.files, done.bytes_told());
        Ok(Copied { spans, files, bytes, copied_bytes: done.copied_bytes, ..Copied::default() })
    }

    /// Files of an earlier copy take the place of those that have not changed.
    ///
    /// To write into existing files saves a second copy of each on the disk. But after a run that failed half-way
    /// they may be links to those of the earlier copy, which must not change; so with links every changed file is
    /// written beside, and put into place under its name.
    fn reusing(&self, rsync: Rsync, item: &CopyItem) -> Rsync {
        match self.copy.reuse {
            ReuseMode::Off => rsync.option("--inplace"),
            ReuseMode::Copy => rsync.option("--inplace").value("--copy-dest", item.reuse.as_ref()),
            ReuseMode::Link => rsync.value("--link-dest", item.reuse.as_ref()),
        }
    }

    fn copy_files(&self) -> Result<Vec<Copied>, Error> {
        let mut groups = BTreeMap::<&Path, Vec<_>>::new();
        for (number, item) in self.copy.items.iter().enumerate() {
            if let ItemKind::File { name, .. } = &item.kind {
                groups.entry(&item.destination).or_default().push((number, item, name.as_path()));
            }
        }
        let groups = groups.into_iter().map(|(destination, files)| Group { destination, files }).collect();
        run_parallel(groups, self.workers(), &self.stop, |group| self.copy_group(&group))
    }

    /// These are never written in place: the destination may hold a link to an earlier copy under the same name.
    fn copy_group(&self, group: &Group) -> Result<Copied, Error> {
        let begin = Instant::now();
        let (_, first, name) = group.files[0];
        if self.copy.destination == Endpoint::Local {
            self.context.files.create_dir_all(group.destination)?;
        }
        let build = |rsync: Rsync| {
            // The path behind the `/./` is kept; the directories in it are there, and stay as they are.
            let rsync = rsync.options([COPY_OPTIONS, "--relative", "--no-implied-dirs"]);
            let sources = group.files.iter();
            sources
                .fold(rsync, |rsync, (_, item, name)| {
                    rsync.location(Location::part_of(&self.copy.source, &item.source, name))
                })
                .location(Location::inside(&self.copy.destination, group.destination))
        };
        let (done, told) = self.retrying(first, || {
            let (mut done, mut told) = (Itemized::default(), Vec::new());
            let mut lines = Lines::new(|line: &[u8]| {
                told.extend(done.read_line(line).map(|item| item.name));
                Ok(())
            });
            let copied = self.start(|rsync| build(itemizing(rsync)), &[], &mut lines);
            copied.map_err(|error| transfer_error("file", &first.source.join(name), error))?;
            Ok((done, told))
        })?;
        let mut copied = Copied {
            files: done.files,
            bytes: done.bytes_told(),
            copied_bytes: done.copied_bytes,
            ..Copied::default()
        };
        for &(number, item, name) in &group.files {
            copied.spans.push(Span::since(begin, number));
            if !told.iter().any(|told| told == name.as_os_str().as_encoded_bytes()) {
                copied.missing.push(missing_file(item, name)?);
            }
        }
        Ok(copied)
    }

    // Running rsync.

    /// Runs `attempt`, and again if it fails as `retry` allows.
    fn retrying<T>(
        &self,
        item: &CopyItem,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let retry = self.copy.retry;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match attempt() {
                Err(error)
                    if attempts <= retry.times && error.is_retryable() && !self.stop.is_cancelled() =>
                {
                    self.context.events.warning(&format!(
                        "Failure executing rsync on {} (attempt {attempts}): {error}: {}\nRetrying in {} seconds",
                        item.label,
                        cause(&error),
                        retry.sleep.as_secs()
                    ));
                    self.context.clock.sleep(retry.sleep, &self.stop)?;
                }
                other => return other,
            }
        }
    }

    /// Starts one rsync when it may be started, and once more if one side is too old for an option of ours.
    fn start(
        &self,
        build: impl Fn(Rsync) -> Rsync,
        input: &[u8],
        output: &mut dyn io::Write,
    ) -> Result<(), rsync::Error> {
        loop {
            let ignores_missing = self.ignores_missing.load(Ordering::Relaxed);
            let rsync = Rsync::new().path_prefix(self.copy.path_prefix.as_deref());
            let remote = self.copy.source != Endpoint::Local || self.copy.destination != Endpoint::Local;
            let rsync = rsync
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

fn itemizing(rsync: Rsync) -> Rsync {
    rsync.options(Itemized::options())
}

fn transfer_error(what: &'static str, path: &Path, error: rsync::Error) -> Error {
    match error {
        rsync::Error::Cancelled(Cancelled) => Error::Cancelled(Cancelled),
        source => Error::Transfer { what, path: path.into(), source },
    }
}

fn reason(error: &Error) -> Option<Reason> {
    match error {
        Error::Transfer { source: rsync::Error::Failed(failure), .. } => Some(failure.reason),
        _ => None,
    }
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

fn no_such_directory(item: &CopyItem) -> Error {
    Error::NoSuchDirectory { label: item.label.clone(), path: item.source.clone() }
}

/// The path of a file that was not there, if it may be missing.
fn missing_file(item: &CopyItem, name: &Path) -> Result<PathBuf, Error> {
    let path = item.source.join(name);
    match item.kind {
        ItemKind::File { optional: false, .. } => Err(Error::NoSuchFile { label: item.label.clone(), path }),
        _ => Ok(path),
    }
}
