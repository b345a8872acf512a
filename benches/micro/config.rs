//! The configuration, which every command reads.

use std::fmt::Write;
use std::fs;

use barman::config::{Config, MainFile};
use barman::sys::Files;
use divan::Bencher;

/// So many servers in one file, as they are in practice.
#[divan::bench(args = [1, 50])]
fn load(bencher: Bencher<'_, '_>, servers: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut text = format!("[barman]\nbarman_home = {}\nbarman_user = barman\n", dir.path().display());
    for number in 0..servers {
        writeln!(
            text,
            "[server{number}]\ndescription = Shop {number}\nconninfo = host=pg{number} user=barman dbname=postgres\n\
             ssh_command = ssh postgres@pg{number}\nbackup_method = rsync\nreuse_backup = link\narchiver = on\n\
             parallel_jobs = 2\ncompression = gzip\nretention_policy = RECOVERY WINDOW OF 4 WEEKS\nminimum_redundancy = 2"
        )
        .unwrap();
    }
    let path = dir.path().join("barman.conf");
    fs::write(&path, text).unwrap();
    let files = Files::default();
    bencher.bench(|| -> Config { MainFile::load(&path, &files).unwrap().load_servers(&files).unwrap() });
}
