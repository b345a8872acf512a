//! Whatever changes after a copy began, the next copy is right, and the first one stays as it was.

use std::collections::BTreeMap;
use std::path::Path;

use barman::transfer::Endpoint;
use barman::transfer::smart_copy::{CopyItem, ReuseMode, SmartCopy};
use proptest::prelude::*;

use crate::kit::*;

/// The second in which the first copy begins.
const BEGIN: u64 = 1_700_000_000;

#[derive(Debug, Clone)]
struct Content {
    seed: u64,
    len: usize,
    /// Seconds before (after, if negative) the beginning of the first copy.
    age: i64,
}

fn files(ages: &[i64]) -> impl Strategy<Value = BTreeMap<String, Content>> {
    // Few names, sizes and times, so that the same come again.
    let (sizes, ages) = (prop::sample::select(vec![8192, 70_000]), prop::sample::select(ages.to_vec()));
    let content = (0..4u64, sizes, ages).prop_map(|(seed, len, age)| Content { seed, len, age });
    prop::collection::btree_map("a/[a#]|[bc]", content, 1..5)
}

fn make(root: &Path, files: &BTreeMap<String, Content>) {
    std::fs::create_dir_all(root).unwrap();
    for (name, content) in files {
        write(&root.join(name), noise(content.seed, content.len));
        set_modified(&root.join(name), BEGIN.checked_add_signed(-content.age).unwrap(), 0);
    }
}

fn copy(from: &Path, to: &Path) -> SmartCopy {
    let items = vec![CopyItem::tree("pgdata", from, to)];
    SmartCopy { items, ..SmartCopy::new(Endpoint::Local, Endpoint::Local) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_second_copy_is_right_and_the_first_unchanged(
        before in files(&[0, 0, 1, 3, 60]),
        changed in files(&[-1, 0]),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..2),
        reuse in prop::sample::select(vec![ReuseMode::Link, ReuseMode::Copy]),
        jobs in 1..4usize,
    ) {
        let dir = Dir::new();
        let (source, first, second) = (dir.join("pg"), dir.join("1"), dir.join("2"));
        make(&source, &before);
        copy(&source, &first).run(&context()).unwrap();
        let first_before = tree(&first);
        for index in removed.iter().filter(|_| !before.is_empty()) {
            let _ = std::fs::remove_file(source.join(before.keys().nth(index.index(before.len())).unwrap()));
        }
        make(&source, &changed);
        let mut again = copy(&source, &second);
        again.items[0].reuse = Some(first.clone());
        let horizon = chrono::DateTime::from_timestamp(BEGIN.cast_signed(), 999_999_999).unwrap();
        SmartCopy { reuse, jobs, safe_horizon: Some(horizon.fixed_offset()), ..again }.run(&context()).unwrap();
        prop_assert_eq!(tree(&second), tree(&source));
        prop_assert_eq!(tree(&first), first_before);
    }
}
