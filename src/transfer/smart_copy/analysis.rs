use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::meter::{Meter, Share};
use super::plan::{Plan, Planner, Reference};
use super::pool::run_parallel;
use super::runner::Runner;
use super::stats::Span;
use super::{CopyItem, Error, ItemKind, ReuseMode};
use crate::transfer::listing::{Entry, Stamp};
use crate::transfer::rsync::Rsync;
use crate::transfer::{Endpoint, Location};

/// Trees are listed by so many rsyncs at least: it costs the source little, and each takes a connection.
const LISTERS: usize = 4;

/// A tree that was listed.
pub(super) struct Tree<'a> {
    /// The number of the item.
    pub number: usize,
    pub item: &'a CopyItem,
    pub plan: Plan,
    /// Whether the destination held something already that is not protected.
    pub populated: bool,
    pub span: Span,
}

/// Lists all trees, and plans their copies.
pub(super) fn list_trees<'a>(runner: &Runner<'a>) -> Result<Vec<Tree<'a>>, Error> {
    let items = runner.copy.items.iter().enumerate();
    let trees: Vec<_> = items.filter(|(_, item)| item.kind == ItemKind::Tree).collect();
    let meter = Meter::new(&*runner.context.events, "listing files", None);
    let listers = runner.workers().max(LISTERS);
    run_parallel(trees, listers, &runner.stop, |(number, item)| {
        let begin = Instant::now();
        let (reference, populated) = find_reference(runner, item)?;
        let mut share = meter.share();
        let plan = runner.retrying(&item.label, || list_tree(runner, item, &reference, &mut share))?;
        tracing::debug!("listed {} '{}'", item.label, item.source.display());
        Ok(Tree { number, item, plan, populated, span: Span::since(begin, number) })
    })
}

fn list_tree(
    runner: &Runner,
    item: &CopyItem,
    reference: &Reference,
    share: &mut Share,
) -> Result<Plan, Error> {
    let horizon = runner.copy.safe_horizon;
    let mut planner = Planner::new(&item.source, &item.filters, reference, horizon, runner.workers());
    list_source(runner, item, &[], |entry| {
        planner.add(entry);
        share.set(planner.bytes);
    })?;
    if !planner.root_listed() {
        return Err(no_such_directory(item));
    }
    let links = planner.links_to_follow();
    if !links.is_empty() {
        list_source(runner, item, &links, |entry| planner.add(entry))?;
    }
    Ok(planner.finish())
}

/// Lists the tree of `item` without following links; or, given `links`, what these point to.
fn list_source(runner: &Runner, item: &CopyItem, links: &[u8], each: impl FnMut(Entry)) -> Result<(), Error> {
    let source = Location::inside(&runner.copy.source, &item.source);
    let build = |rsync: Rsync| {
        let rsync = rsync.filters(&item.filters);
        if links.is_empty() {
            return rsync.option("-rl").location(source.clone());
        }
        // With names from standard input rsync wants a destination, in which it does nothing.
        let nowhere = Location::inside(&Endpoint::Local, Path::new("/"));
        rsync.option("-rL").files_from_input().location(source.clone()).location(nowhere)
    };
    match runner.list(&item.source, build, links, each) {
        Err(error) if error.is_no_such_directory() => Err(no_such_directory(item)),
        other => other,
    }
}

fn no_such_directory(item: &CopyItem) -> Error {
    Error::NoSuchDirectory { label: item.label.clone(), path: item.source.clone() }
}

/// What the files of `item` are compared with, and whether the destination holds something that the copy may touch. A
/// destination on this host is made.
fn find_reference(runner: &Runner, item: &CopyItem) -> Result<(Reference, bool), Error> {
    let reuse = item.reuse.as_ref().filter(|_| runner.copy.reuse != ReuseMode::Off);
    if runner.copy.destination == Endpoint::Local {
        let files = &runner.context.files;
        files.create_dir_all(&item.destination)?;
        let there = files.list(&item.destination)?;
        let populated = there.iter().any(|entry| !item.filters.protects(&entry.name));
        let root = reuse.or(Some(&item.destination).filter(|_| populated));
        let tree = |root: &PathBuf| Reference::Tree(files.clone(), root.clone());
        return Ok((root.map_or(Reference::Nothing, tree), populated));
    }
    let there = list_stamps(runner, item, &item.destination)?;
    let populated = there.keys().any(|name| !item.filters.protects(OsStr::from_bytes(name)));
    let stamps = reuse.map_or(Ok(there), |reuse| list_stamps(runner, item, reuse))?;
    Ok((Reference::Listed(stamps), populated))
}

/// What is in a directory of the destination's host; nothing if there is no such directory.
fn list_stamps(runner: &Runner, item: &CopyItem, dir: &Path) -> Result<HashMap<Box<[u8]>, Stamp>, Error> {
    let location = Location::inside(&runner.copy.destination, dir);
    let listed = runner.retrying(&item.label, || {
        let mut stamps = HashMap::new();
        runner.list(
            dir,
            |rsync| rsync.option("-rl").location(location.clone()),
            &[],
            |entry| {
                if entry.name != b"." {
                    stamps.insert(entry.name.into(), entry.stamp);
                }
            },
        )?;
        Ok(stamps)
    });
    match listed {
        Err(error) if error.is_no_such_directory() => Ok(HashMap::new()),
        other => other,
    }
}
