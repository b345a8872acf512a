/// A list is closed before it exceeds this: when a run of rsync fails, no more has to be looked at again.
const LONGEST_BYTES: u64 = 10 << 30;

/// What the copy of a small file costs besides its bytes, in bytes that could be copied meanwhile.
const FILE_COST: u64 = 16 << 10;

/// A connection takes as long as this much copying; a list that weighs less is not worth one of its own.
const CONNECTION_COST: u64 = 32 << 20;

/// A name that begins like this says that the root of the tree is meant to be copied like a directory.
pub(super) const ROOT: &[u8] = b"./";

/// The files of one run of rsync, in the form in which it reads them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FileList {
    /// Names relative to the root of the tree, each ended by a zero byte.
    pub names: Vec<u8>,
    /// How many of them are files.
    pub files: u64,
    /// The size of these.
    pub bytes: u64,
}

impl FileList {
    /// Adds a file.
    fn push_file(&mut self, name: &[u8], size: u64) {
        self.push(name);
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
    }

    /// Adds a directory: to be made, without what is in it.
    pub fn push_directory(&mut self, name: &[u8]) {
        self.push(name);
    }

    fn push(&mut self, name: &[u8]) {
        // What looks like a comment is one for rsync, even between zero bytes.
        if matches!(name.first(), Some(b'#' | b';')) {
            self.names.extend(ROOT);
        }
        self.names.extend(name);
        self.names.push(0);
    }

    /// Has mode and time of the root of the tree copied too.
    pub fn bring_root(&mut self) {
        if !self.is_empty() && !self.names.starts_with(ROOT) {
            self.names.splice(..0, ROOT.iter().copied());
        }
    }

    /// Adds what is in another list behind what is in this one.
    pub fn append(&mut self, other: Self) {
        self.names.extend(other.names);
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// How much work it is, in bytes.
    pub fn weight(&self) -> u64 {
        self.bytes.saturating_add(self.files.saturating_mul(FILE_COST))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Deals files out to workers as their names come: each to the one that has least to do.
#[derive(Debug)]
pub(super) struct Dealer {
    open: Vec<FileList>,
    closed: Vec<FileList>,
}

impl Dealer {
    pub fn new(workers: usize) -> Self {
        Self { open: vec![FileList::default(); workers.max(1)], closed: Vec::new() }
    }

    /// Gives a file to a worker. When all lists are long enough, new ones are begun.
    pub fn deal(&mut self, name: &[u8], size: u64) {
        let lightest = self.lightest();
        let bytes = self.open[lightest].bytes;
        if bytes > 0 && bytes.saturating_add(size) > LONGEST_BYTES {
            let full = self.open.iter_mut().map(std::mem::take).filter(|list| !list.is_empty());
            self.closed.extend(full);
        }
        self.open[lightest].push_file(name, size);
    }

    /// The lists that are worth a run of rsync; what would be too short is joined to others.
    pub fn finish(mut self) -> Vec<FileList> {
        let total: u64 = self.open.iter().map(FileList::weight).fold(0, u64::saturating_add);
        let worthwhile = usize::try_from(total.div_ceil(CONNECTION_COST)).unwrap_or(usize::MAX).max(1);
        let mut lists = std::mem::take(&mut self.open);
        lists.sort_by_key(|list| std::cmp::Reverse(list.weight()));
        self.open = lists.drain(..worthwhile.min(lists.len())).collect();
        for list in lists {
            let lightest = self.lightest();
            self.open[lightest].append(list);
        }
        self.closed.extend(self.open.into_iter().filter(|list| !list.is_empty()));
        self.closed
    }

    fn lightest(&self) -> usize {
        let weights = self.open.iter().map(FileList::weight).enumerate();
        weights.min_by_key(|&(_, weight)| weight).map_or(0, |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dealt(workers: usize, sizes: &[u64]) -> Vec<FileList> {
        let mut dealer = Dealer::new(workers);
        for (number, &size) in sizes.iter().enumerate() {
            dealer.deal(number.to_string().as_bytes(), size);
        }
        dealer.finish()
    }

    fn names(list: &FileList) -> Vec<&[u8]> {
        list.names.split(|&byte| byte == 0).filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn names_that_look_like_comments_are_told_from_them() {
        let mut list = FileList::default();
        list.push_file(b"a", 1);
        list.push_file(b"#b", 1);
        list.push_file(b";c", 1);
        assert_eq!(list.names, b"a\0./#b\0./;c\0");
    }

    #[test]
    fn the_root_comes_along_once() {
        let mut list = FileList::default();
        list.bring_root();
        assert!(list.is_empty());
        list.push_directory(b"base");
        list.push_directory(b"base/1");
        list.bring_root();
        list.bring_root();
        assert_eq!((&list.names[..], list.files), (&b"./base\0base/1\0"[..], 0));
    }

    #[test]
    fn nothing_to_copy_needs_no_run() {
        assert_eq!(dealt(4, &[]), []);
    }

    #[test]
    fn a_small_tree_is_one_run_and_a_large_one_is_shared() {
        assert_eq!(dealt(4, &[1000; 100]).len(), 1);
        let lists = dealt(4, &[100 << 20; 8]);
        assert_eq!(lists.iter().map(|list| list.bytes >> 20).collect::<Vec<_>>(), [200; 4]);
    }

    #[test]
    fn many_empty_files_are_shared_too() {
        assert_eq!(dealt(2, &[0; 10_000]).iter().map(|list| list.files).collect::<Vec<_>>(), [5000; 2]);
    }

    #[test]
    fn a_list_ends_before_it_gets_too_long() {
        const GIB: u64 = 1 << 30;
        let lists = dealt(2, &[GIB; 25]);
        assert_eq!(lists.iter().map(|list| list.files).collect::<Vec<_>>(), [10, 10, 3, 2]);
        assert_eq!(dealt(1, &[1, 30 * GIB, 1]).iter().map(|list| list.files).collect::<Vec<_>>(), [1, 1, 1]);
    }

    proptest! {
        #[test]
        fn every_file_is_in_one_list_and_no_list_is_empty(
            workers in 0..9usize,
            sizes in prop::collection::vec(0..20u64 << 30, 0..60),
        ) {
            let lists = dealt(workers, &sizes);
            let mut all: Vec<_> = lists.iter().flat_map(names).collect();
            all.sort_unstable();
            let mut expected: Vec<_> = (0..sizes.len()).map(|number| number.to_string()).collect();
            expected.sort_unstable();
            prop_assert_eq!(all, expected.iter().map(String::as_bytes).collect::<Vec<_>>());
            prop_assert!(lists.iter().all(|list| list.files > 0));
            prop_assert!(lists.iter().all(|list| list.files == 1 || list.bytes <= LONGEST_BYTES));
            prop_assert_eq!(lists.iter().map(|list| list.bytes).sum::<u64>(), sizes.iter().sum::<u64>());
        }
    }
}
