//! Nothing is removed from `incoming` before what takes its place would outlive a power cut.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::codec::Compression;
use crate::sys::Files;
use crate::sys::fs::Probe;
use crate::wal::testkit::Yard;

/// Writes down every change of the disk.
#[derive(Default)]
struct Recorder(Mutex<Vec<(&'static str, PathBuf)>>);

impl Probe for Recorder {
    fn before(&self, action: &'static str, path: &Path) -> io::Result<()> {
        self.0.lock().unwrap().push((action, path.to_owned()));
        Ok(())
    }
}

/// What a power cut would take at a moment: what was written and not synced since.
#[derive(Default)]
struct Disk {
    unsynced: BTreeSet<PathBuf>,
    published: BTreeSet<String>,
}

impl Disk {
    fn step(&mut self, action: &str, path: &Path) {
        let parent = path.parent().unwrap().to_owned();
        match action {
            "sync" => {
                self.unsynced.remove(path);
            }
            "create" | "write" | "set the time of" | "change the mode of" => {
                self.unsynced.insert(path.to_owned());
            }
            "create directory" => {
                self.unsynced.insert(parent);
            }
            // The archive's file is then the one that came.
            "link" => {
                assert!(!self.unsynced.contains(path), "{} is linked before its content", path.display());
            }
            "rename" => {
                assert!(!self.unsynced.contains(path), "{} gets its name before its content", path.display());
                self.unsynced.insert(parent);
                let name = path.file_name().unwrap().to_str().unwrap();
                self.published.extend(
                    name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")).map(str::to_owned),
                );
            }
            _ => {}
        }
    }
}

#[test]
fn a_source_goes_when_its_copy_its_name_and_its_line_are_on_disk() {
    const WALS: [&str; 3] = ["000000010000000000000001", "000000010000000100000002", "00000002.history"];
    for compression in [None, Some(Compression::Gzip), Some(Compression::Bzip2)] {
        let mut yard = Yard::new(compression);
        WALS.iter().for_each(|wal| yard.arrive(wal, wal.repeat(1000)));
        let recorder = Arc::new(Recorder::default());
        yard.context.files = Files::probed(recorder.clone());
        yard.run().unwrap();
        let arrived = WALS.iter().map(|wal| yard.settings.incoming_dir.join(wal));
        let (mut disk, mut removed) = (Disk { unsynced: arrived.collect(), ..Disk::default() }, 0);
        for (action, path) in recorder.0.lock().unwrap().iter() {
            if *action == "remove" && path.parent() == Some(&yard.settings.incoming_dir) {
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(disk.published.contains(name), "{name} has not been published, {compression:?}");
                // The index is made anew when it does not fit.
                let matters = |path: &Path| {
                    path.starts_with(yard.path("wals")) && path.extension() != Some("idx".as_ref())
                };
                let unsynced = disk.unsynced.iter().find(|path| matters(path));
                assert_eq!(unsynced, None, "before the removal of {name}, {compression:?}");
                removed += 1;
            }
            disk.step(action, path);
        }
        assert_eq!(removed, WALS.len());
    }
}
