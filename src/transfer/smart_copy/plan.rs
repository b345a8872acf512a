use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::file_list::{Dealer, FileList};
use crate::sys::Files;
use crate::transfer::filter::Filters;
use crate::transfer::listing::{Entry, Kind, Stamp};
use crate::types::Timestamp;

/// How far before the safe horizon a file must have been changed for its time to be believed: the time of a
/// change may lag behind the clock by a tick of the kernel, and some file systems keep it to two seconds.
const MARGIN_SECS: i64 = 2;

/// A symbolic link of the source, which is not copied as such: what it points to is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolicLink {
    /// Where it stands.
    pub path: PathBuf,
    /// What it points to, as it says.
    pub target: PathBuf,
    /// Whether that is a file or a directory, and is copied; else there is nothing to copy.
    pub copied: bool,
}

/// The files that a copy of one tree is compared with: an earlier copy of it, or what the destination holds.
pub(super) enum Reference {
    /// There is none.
    Nothing,
    /// A tree of this host, looked at file by file.
    Tree(Files, PathBuf),
    /// A tree of another host, listed.
    Listed(HashMap<Box<[u8]>, Stamp>),
}

impl Reference {
    fn stamp(&self, name: &[u8]) -> Option<Stamp> {
        match self {
            Self::Nothing => None,
            Self::Listed(stamps) => stamps.get(name).copied(),
            Self::Tree(files, root) => {
                // What we cannot look at, rsync cannot use: it copies the file.
                let metadata = files.symlink_metadata(&root.join(OsStr::from_bytes(name))).ok().flatten()?;
                let stamp = Stamp { size: metadata.len(), modified_secs: metadata.mtime() };
                metadata.is_file().then_some(stamp)
            }
        }
    }
}

/// What is to be done to copy one tree.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Files that rsync may take for unchanged when size and time are equal, and all directories.
    pub safe: Vec<FileList>,
    /// Files that must be read to know whether they have changed.
    pub check: Vec<FileList>,
    /// Links that are not copied as such.
    pub links: Vec<SymbolicLink>,
}

/// Makes the plan while the files of the source are listed.
pub(super) struct Planner<'a> {
    root: &'a Path,
    filters: &'a Filters,
    reference: &'a Reference,
    /// Files changed before this second are safe.
    safe_before_secs: Option<i64>,
    safe: Dealer,
    check: Dealer,
    directories: FileList,
    /// By name. What they point to is listed in their place, when all the rest is.
    links: BTreeMap<Vec<u8>, SymbolicLink>,
    root_listed: bool,
    /// Size of the files so far.
    pub bytes: u64,
}

impl<'a> Planner<'a> {
    /// `root` is the source, `horizon` the beginning of the copy that `reference` is.
    pub fn new(
        root: &'a Path,
        filters: &'a Filters,
        reference: &'a Reference,
        horizon: Option<Timestamp>,
        workers: usize,
    ) -> Self {
        Self {
            root,
            filters,
            reference,
            safe_before_secs: horizon.map(|horizon| horizon.timestamp() - MARGIN_SECS),
            safe: Dealer::new(workers),
            check: Dealer::new(workers),
            directories: FileList::default(),
            links: BTreeMap::new(),
            root_listed: false,
            bytes: 0,
        }
    }

    /// Takes the next entry of the listing in.
    pub fn add(&mut self, entry: Entry) {
        let Entry { kind, stamp, name } = entry;
        if let (Some(link), Kind::Directory | Kind::File) = (self.links.get_mut(&name), &kind) {
            link.copied = true;
        }
        match kind {
            Kind::Directory if name == b"." => self.root_listed = true,
            Kind::Directory => self.directories.push_directory(&name),
            Kind::File => {
                self.bytes = self.bytes.saturating_add(stamp.size);
                let dealer = if self.is_safe(&name, stamp) { &mut self.safe } else { &mut self.check };
                dealer.deal(&name, stamp.size);
            }
            Kind::Link(target) => self.add_link(&name, &target),
            Kind::Special => {}
        }
    }

    /// A link to a directory of which nothing is copied (`pg_wal`) becomes an empty directory. The link of a
    /// tablespace that nobody asked to copy is left out: it was made after the backup began, and replaying the
    /// WAL makes it again, which fails when there is a directory in its place.
    fn add_link(&mut self, name: &[u8], target: &[u8]) {
        let path = Path::new(OsStr::from_bytes(name));
        let of_tablespace = path.parent().is_some_and(|parent| parent.ends_with("pg_tblspc"));
        if self.filters.empties(name) {
            self.directories.push_directory(name);
        } else if !of_tablespace {
            let target = PathBuf::from(OsStr::from_bytes(target));
            let link = SymbolicLink { path: self.root.join(path), target, copied: false };
            self.links.insert(name.to_vec(), link);
        }
    }

    /// Whether size and time tell if the file is the one of the reference.
    ///
    /// Times are whole seconds. A file copied in the very second of its last change may have been changed once
    /// more in the rest of it, and looks the same; so the time is believed only if the file was last changed
    /// before the copy that the reference is began. All others that look the same are compared by checksum.
    fn is_safe(&self, name: &[u8], stamp: Stamp) -> bool {
        self.safe_before_secs.is_some_and(|horizon| stamp.modified_secs < horizon)
            || self.reference.stamp(name) != Some(stamp)
    }

    /// Whether the listing had the root of the tree: if not, there is no such directory.
    pub fn root_listed(&self) -> bool {
        self.root_listed
    }

    /// The links whose targets have to be listed too, in the form in which rsync reads names.
    pub fn links_to_follow(&self) -> Vec<u8> {
        let mut list = FileList::default();
        self.links.keys().for_each(|name| list.push_directory(name));
        list.names
    }

    /// The plan, once everything is listed.
    pub fn finish(self) -> Plan {
        let (mut safe, mut check) = (self.safe.finish(), self.check.finish());
        if !self.directories.is_empty() {
            match safe.iter_mut().min_by_key(|list| list.weight()) {
                Some(lightest) => lightest.append(self.directories),
                None => safe.push(self.directories),
            }
        }
        if let Some(first) = safe.iter_mut().chain(&mut check).next() {
            first.bring_root();
        }
        Plan { safe, check, links: self.links.into_values().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: i64 = 1_700_000_000;

    fn horizon() -> Option<Timestamp> {
        // The fraction must not make the second before it look safe.
        chrono::DateTime::from_timestamp(BEGIN, 900_000_000).map(|at| at.fixed_offset())
    }

    fn file(name: &str, size: u64, modified_secs: i64) -> Entry {
        Entry { kind: Kind::File, stamp: Stamp { size, modified_secs }, name: name.into() }
    }

    fn other(name: &str, kind: Kind) -> Entry {
        Entry { kind, stamp: Stamp { size: 0, modified_secs: BEGIN }, name: name.into() }
    }

    fn link(name: &str, target: &str) -> Entry {
        other(name, Kind::Link(target.into()))
    }

    fn reference(entries: &[Entry]) -> Reference {
        Reference::Listed(entries.iter().map(|entry| (entry.name.clone().into(), entry.stamp)).collect())
    }

    fn plan(reference: &Reference, horizon: Option<Timestamp>, entries: &[Entry]) -> Plan {
        let filters = Filters::backup_of_pgdata();
        let mut planner = Planner::new(Path::new("/pg"), &filters, reference, horizon, 4);
        entries.iter().for_each(|entry| planner.add(entry.clone()));
        planner.finish()
    }

    /// The names of each list, sorted.
    fn names(lists: &[FileList]) -> Vec<Vec<&str>> {
        let mut all = Vec::new();
        for list in lists {
            let mut names: Vec<_> =
                std::str::from_utf8(&list.names).unwrap().split_terminator('\0').collect();
            names.sort_unstable();
            all.push(names);
        }
        all
    }

    #[test]
    fn only_what_looks_the_same_and_is_too_young_is_read() {
        let before = [
            file("old", 1, BEGIN - 3),
            file("young", 1, BEGIN - 2),
            file("same_second", 1, BEGIN),
            file("grown", 1, BEGIN),
            file("touched", 1, BEGIN),
        ];
        let now = [
            file("old", 1, BEGIN - 3),
            file("young", 1, BEGIN - 2),
            file("same_second", 1, BEGIN),
            file("grown", 2, BEGIN),
            file("touched", 1, BEGIN + 1),
            file("new", 1, BEGIN),
        ];
        let plan = plan(&reference(&before), horizon(), &now);
        assert_eq!(names(&plan.safe), [["./grown", "new", "old", "touched"]]);
        assert_eq!(names(&plan.check), [["same_second", "young"]]);
    }

    #[test]
    fn without_a_horizon_everything_that_looks_the_same_is_read() {
        let entries = [file("a", 1, 0), file("b", 1, 0)];
        let plan = plan(&reference(&entries[..1]), None, &entries);
        assert_eq!((names(&plan.safe), names(&plan.check)), (vec![vec!["./b"]], vec![vec!["a"]]));
    }

    #[test]
    fn without_a_reference_nothing_is_read_twice() {
        let plan = plan(&Reference::Nothing, None, &[file("a", 1, 0)]);
        assert_eq!((names(&plan.safe), plan.check.len()), (vec![vec!["./a"]], 0));
    }

    #[test]
    fn directories_come_even_without_files_and_bring_the_root() {
        let entries = [other(".", Kind::Directory), other("base", Kind::Directory)];
        let plan = plan(&Reference::Nothing, None, &entries);
        assert_eq!(names(&plan.safe), [["./base"]]);
    }

    #[test]
    fn links_are_followed_and_reported_but_those_of_wal_and_tablespaces() {
        let entries = [
            link("pg_wal", "/wal"),
            link("pg_tblspc/16385", "/ts"),
            link("conf.d", "/etc/pg"),
            link("dangling", "nowhere"),
            other("pipe", Kind::Special),
        ];
        let filters = Filters::backup_of_pgdata();
        let mut planner = Planner::new(Path::new("/pg"), &filters, &Reference::Nothing, None, 4);
        entries.into_iter().for_each(|entry| planner.add(entry));
        assert_eq!(planner.links_to_follow(), b"conf.d\0dangling\0");
        planner.add(other("conf.d", Kind::Directory));
        let plan = planner.finish();
        assert_eq!(names(&plan.safe), [["./pg_wal", "conf.d"]]);
        let link = |path: &str, target: &str, copied| SymbolicLink {
            path: path.into(),
            target: target.into(),
            copied,
        };
        assert_eq!(plan.links, [link("/pg/conf.d", "/etc/pg", true), link("/pg/dangling", "nowhere", false)]);
    }

    #[test]
    fn a_tree_of_this_host_is_a_reference() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        std::fs::create_dir(dir.path().join("b")).unwrap();
        let modified = std::fs::metadata(dir.path().join("a")).unwrap().mtime();
        let tree = Reference::Tree(Files::default(), dir.path().into());
        assert_eq!(tree.stamp(b"a"), Some(Stamp { size: 1, modified_secs: modified }));
        assert_eq!((tree.stamp(b"b"), tree.stamp(b"a/c"), tree.stamp(b"none")), (None, None, None));
    }
}
