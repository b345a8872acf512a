//! The manifest of a backup: reading it, and the checksums of the files that it lists.

use std::fmt::Write;
use std::fs;

use barman::codec::hex;
use barman::manifest::{self, Tree, Verdict};
use barman::sys::events::Silent;
use barman::sys::{Cancel, Files};
use divan::Bencher;
use divan::counter::BytesCount;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const FILES: usize = 16;
const FILE_BYTES: usize = 1 << 20;

/// A data directory whose manifest lists `files`, each with the same checksum.
struct Backup(TempDir);

impl Backup {
    fn new(files: usize, algorithm: &str, checksum: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n".to_owned();
        for number in 0..files {
            let comma = if number == 0 { "" } else { ",\n" };
            write!(
                text,
                "{comma}{{ \"Path\": \"base/5/{number}\", \"Size\": {FILE_BYTES}, \"Last-Modified\": \
                 \"2026-01-01 00:00:00 GMT\", \"Checksum-Algorithm\": \"{algorithm}\", \"Checksum\": \"{checksum}\" }}"
            )
            .unwrap();
        }
        text.push_str("\n],\n");
        let sum = hex(&Sha256::digest(&text));
        writeln!(text, "\"Manifest-Checksum\": \"{sum}\"}}").unwrap();
        fs::write(dir.path().join(manifest::FILE_NAME), text).unwrap();
        Self(dir)
    }

    fn tree(&self) -> Tree {
        Tree::new(&Files::default(), &Cancel::default(), self.0.path().to_owned(), Vec::new())
    }
}

#[divan::bench(args = [100, 10_000])]
fn read(bencher: Bencher<'_, '_>, files: usize) {
    let backup = Backup::new(files, "CRC32C", "00000000");
    bencher.counter(files).bench(|| {
        let mut bytes = 0;
        manifest::list(&backup.tree(), &mut |_, size| bytes += size).unwrap();
        bytes
    });
}

/// Files of a mebibyte, on all processors, from the cache of the kernel.
#[divan::bench(args = ["SHA256", "CRC32C"])]
fn verify(bencher: Bencher<'_, '_>, algorithm: &str) {
    let content = vec![7; FILE_BYTES];
    let checksum = match algorithm {
        "SHA256" => hex(&Sha256::digest(&content)),
        _ => hex(&crc32c::crc32c(&content).to_le_bytes()),
    };
    let backup = Backup::new(FILES, algorithm, &checksum);
    let directory = backup.0.path().join("base/5");
    fs::create_dir_all(&directory).unwrap();
    for number in 0..FILES {
        fs::write(directory.join(number.to_string()), &content).unwrap();
    }
    bencher.counter(BytesCount::new(FILES * FILE_BYTES)).bench(|| -> Verdict {
        let verdict = manifest::verify(&backup.tree(), &Silent).unwrap();
        assert!(verdict.problems.is_empty(), "{:?}", verdict.problems);
        verdict
    });
}
