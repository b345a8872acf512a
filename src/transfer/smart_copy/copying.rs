use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::analysis::Tree;
use super::file_list::FileList;
use super::local::{self, Done};
use super::meter::Meter;
use super::pool::run_parallel;
use super::runner::Runner;
use super::stats::Span;
use super::{CopyItem, Error, ItemKind, ReuseMode};
use crate::transfer::rsync::{Itemized, Rsync};
use crate::transfer::{Endpoint, Location};

/// Links are followed to what they point to; on the receiving side one to a directory stays. Modes and times are
/// kept, owners are not.
const COPY_OPTIONS: &str = "-LKpt";

/// Files of less than an exbibyte are left out of the copy, not out of the list.
const NO_FILES: &str = "--min-size=1152921504606846976";

/// What a run of rsync has done, or several have.
#[derive(Default)]
pub(super) struct Copied {
    pub spans: Vec<Span>,
    pub missing: Vec<PathBuf>,
    pub files: u64,
    pub bytes: u64,
    pub copied_bytes: u64,
}

impl Copied {
    fn new(done: &Itemized, spans: Vec<Span>) -> Self {
        let (files, bytes, copied_bytes) = (done.files, done.bytes_told(), done.copied_bytes);
        Self { spans, missing: Vec::new(), files, bytes, copied_bytes }
    }

    pub fn add(&mut self, other: Self) {
        self.spans.extend(other.spans);
        self.missing.extend(other.missing);
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.copied_bytes = self.copied_bytes.saturating_add(other.copied_bytes);
    }
}

/// Removes from each destination what the source does not have, and makes the directories.
pub(super) fn purge(runner: &Runner, trees: &[Tree]) -> Result<(), Error> {
    let populated = trees.iter().filter(|tree| tree.populated).map(|tree| tree.item).collect();
    run_parallel(populated, runner.workers(), &runner.stop, |item| {
        let build = |rsync: Rsync| {
            rsync
                .options(["-rLK", "--delete", "--delete-excluded", "--force", NO_FILES])
                .filters(&item.filters)
                .location(Location::inside(&runner.copy.source, &item.source))
                .location(Location::inside(&runner.copy.destination, &item.destination))
        };
        runner.retrying(&item.label, || runner.apply(&item.source, build))
    })?;
    Ok(())
}

/// Files of a tree that are copied one after the other.
struct Job<'a> {
    number: usize,
    item: &'a CopyItem,
    files: FileList,
    checksum: bool,
    populated: bool,
}

/// Copies what was planned for the trees.
pub(super) fn copy_trees(runner: &Runner, trees: Vec<Tree>) -> Result<Vec<Copied>, Error> {
    let mut jobs = Vec::new();
    for Tree { number, item, plan, populated, .. } in trees {
        let safe = plan.safe.into_iter().map(|files| (files, false));
        let check = plan.check.into_iter().map(|files| (files, true));
        let job = |(files, checksum)| Job { number, item, files, checksum, populated };
        jobs.extend(safe.chain(check).map(job));
    }
    jobs.sort_by_key(|job| Reverse(job.files.weight()));
    let total = jobs.iter().map(|job| job.files.bytes).fold(0, u64::saturating_add);
    tracing::debug!("copying {total} bytes in {} lists", jobs.len());
    let meter = Meter::new(&*runner.context.events, "copying files", Some(total));
    run_parallel(jobs, runner.workers(), &runner.stop, |job| copy_list(runner, &job, &meter))
}

/// Copies a list of files in the way that suits it.
fn copy_list(runner: &Runner, job: &Job, meter: &Meter) -> Result<Copied, Error> {
    if runner.needs_no_rsync() && !job.populated && job.item.bandwidth_limit == 0 {
        copy_locally(runner, job, meter)
    } else {
        copy_by_rsync(runner, job, meter)
    }
}

fn copy_locally(runner: &Runner, job: &Job, meter: &Meter) -> Result<Copied, Error> {
    let (begin, mut share) = (Instant::now(), meter.share());
    let places = (job.item.source.as_path(), job.item.destination.as_path());
    let Done { files, bytes } = local::copy(runner, places, &job.files, |bytes| share.set(bytes))?;
    let spans = vec![Span::since(begin, job.number)];
    Ok(Copied { spans, missing: Vec::new(), files, bytes, copied_bytes: bytes })
}

fn copy_by_rsync(runner: &Runner, job: &Job, meter: &Meter) -> Result<Copied, Error> {
    let (begin, item, limit) = (Instant::now(), job.item, job.item.bandwidth_limit);
    let build = |rsync: Rsync| {
        reusing(runner.copy.reuse, item, rsync)
            .options([COPY_OPTIONS, "--dirs"])
            .option_if(job.checksum, "--checksum")
            // What was removed from the destination may have left a directory where a file goes.
            .option_if(job.populated, "--force")
            .value("--bwlimit", (limit > 0).then(|| limit.to_string()))
            .files_from_input()
            .location(Location::inside(&runner.copy.source, &item.source))
            .location(Location::inside(&runner.copy.destination, &item.destination))
    };
    let mut share = meter.share();
    let done = runner.retrying(&item.label, || {
        let tell = |done: &Itemized, _| share.set(done.bytes());
        runner.copy(("directory", &item.source), build, &job.files.names, tell)
    })?;
    // What has vanished meanwhile counts as done too.
    share.set(job.files.bytes);
    Ok(Copied::new(&done, vec![Span::since(begin, job.number)]))
}

/// Files of an earlier copy take the place of those that have not changed.
///
/// To write into existing files saves a second copy of each on the disk. But after a run that failed half-way they
/// may be links to those of the earlier copy, which must not change; so with links every changed file is written
/// beside, and put into place under its name.
fn reusing(reuse: ReuseMode, item: &CopyItem, rsync: Rsync) -> Rsync {
    match reuse {
        ReuseMode::Off => rsync.option("--inplace"),
        ReuseMode::Copy => rsync.option("--inplace").value("--copy-dest", item.reuse.as_ref()),
        ReuseMode::Link => rsync.value("--link-dest", item.reuse.as_ref()),
    }
}

/// Single files that go to one directory, by one run of rsync.
struct Group<'a> {
    destination: &'a Path,
    files: Vec<(usize, &'a CopyItem, &'a Path)>,
}

/// Copies the single files.
pub(super) fn copy_files(runner: &Runner) -> Result<Vec<Copied>, Error> {
    let mut groups = BTreeMap::<&Path, Vec<_>>::new();
    for (number, item) in runner.copy.items.iter().enumerate() {
        if let ItemKind::File { name, .. } = &item.kind {
            groups.entry(&item.destination).or_default().push((number, item, name.as_path()));
        }
    }
    let groups = groups.into_iter().map(|(destination, files)| Group { destination, files }).collect();
    run_parallel(groups, runner.workers(), &runner.stop, |group| copy_group(runner, &group))
}

/// These are never written in place: the destination may hold a link to an earlier copy under the same name.
fn copy_group(runner: &Runner, group: &Group) -> Result<Copied, Error> {
    let begin = Instant::now();
    if runner.copy.destination == Endpoint::Local {
        runner.context.files.create_dir_all(group.destination)?;
    }
    let build = |rsync: Rsync| {
        // The path behind the `/./` is kept; the directories in it are there, and stay as they are.
        let rsync = rsync.options([COPY_OPTIONS, "--relative", "--no-implied-dirs"]);
        let part = |(_, item, name): &(_, &CopyItem, &Path)| {
            Location::part_of(&runner.copy.source, &item.source, name)
        };
        let rsync = group.files.iter().map(part).fold(rsync, Rsync::location);
        rsync.location(Location::inside(&runner.copy.destination, group.destination))
    };
    let (_, first, name) = group.files[0];
    let path = first.source.join(name);
    let mut told = Vec::<Vec<u8>>::new();
    let done = runner.retrying(&first.label, || {
        runner.copy(("file", &path), build, &[], |_, item| told.extend(item.map(|item| item.name)))
    })?;
    let spans = group.files.iter().map(|(number, ..)| Span::since(begin, *number)).collect();
    let mut copied = Copied::new(&done, spans);
    for (_, item, name) in &group.files {
        if !told.iter().any(|told| Path::new(OsStr::from_bytes(told)) == *name) {
            copied.missing.push(missing_file(item, name)?);
        }
    }
    Ok(copied)
}

/// The path of a file that was not there, if it may be missing.
fn missing_file(item: &CopyItem, name: &Path) -> Result<PathBuf, Error> {
    let path = item.source.join(name);
    match item.kind {
        ItemKind::File { optional: false, .. } => Err(Error::NoSuchFile { label: item.label.clone(), path }),
        _ => Ok(path),
    }
}
